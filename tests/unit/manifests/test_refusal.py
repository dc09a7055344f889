"""What a server's refusal is in words: the texts are those of kube-apiserver 1.37."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests import apply as applying
from ansible_collections.bramble.kube.plugins.module_utils.manifests import refusal
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError


def invalid(field: str, message: str) -> ApiError:
    causes = [{"reason": "FieldValueForbidden", "field": field, "message": message}]
    return ApiError(422, {"reason": "Invalid", "message": message, "details": {"causes": causes}})


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("value", "Forbidden: may not be changed in an update."),
        ("roleRef", "Invalid value: {}: cannot change roleRef, which is immutable"),
        ("spec.clusterIPs[0]", 'Invalid value: ["10.96.3.5"]: may not change once set'),
        ("spec", "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden"),
        (
            "spec",
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, `spec.tolerations`",
        ),
    ],
)
def test_a_field_that_cannot_be_changed_is_known_by_each_of_the_servers_phrases(field, message):
    error = invalid(field, message)
    assert refusal.fixed_fields(error) == [field]
    told = refusal.sentence(error, "Thing", "Thing x", "v1")
    assert told == f"{field} of Thing x cannot be changed: delete it, give it another name, or set recreate: true"


def test_a_sentence_has_no_period_of_the_servers():
    error = invalid("value", "Forbidden: may not be so large.")
    assert refusal.sentence(error, "Thing", "Thing x", "v1") == "value: Forbidden: may not be so large"


@pytest.mark.parametrize(
    "message",
    [
        'admission webhook "a.example.org" denied the request: no',
        """services "s" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no""",
    ],
)
def test_webhooks_and_policies_are_known_to_deny(message):
    assert refusal.is_denied(ApiError(403, {"message": message}))
    assert not refusal.is_denied(ApiError(403, {"message": 'services "s" is forbidden: User "u" cannot create'}))


def test_a_copy_without_a_field_at_the_servers_path():
    document = {"spec": {"containers": [{"name": "a", "x": 1}, {"name": "b", "x": 2}], "list": [{"y": 3}, {"y": 4}]}}
    found = refusal.without(document, '.spec.containers[name="b"].x')
    assert found["spec"]["containers"] == [{"name": "a", "x": 1}, {"name": "b"}]
    assert refusal.without(document, ".spec.list[1].y")["spec"]["list"] == [{"y": 3}, {}]
    assert refusal.without(document, ".spec.absent.x") is None


def test_what_does_not_fit_into_gos_own_types_is_told_at_once_with_its_place():
    said = "failed to convert new object (n/x; apps/v1, Kind=X) to proper version: unable to convert unstructured "
    error = ApiError(
        500, {"message": said + "object to apps/v1, Kind=Deployment: quantities must match the regular ..."}
    )
    assert refusal.is_typed(error) and refusal.unknown_fields(error) == []
    document = {"spec": {"resources": {"limits": {"cpu": "500m", "memory": "much"}}, "name": "much"}}
    assert refusal.sentence(error, "Deployment", "x", "apps/v1", document) == (
        "spec.resources.limits.memory is the text 'much', not a quantity: write one such as 2, 500m or 64Mi"
    )
    error = ApiError(500, {"message": said + "object to v1: json: cannot unmarshal array into Go value of type int32"})
    document = {"spec": {"ports": [{"targetPort": []}, {"targetPort": "http"}]}}
    assert refusal.sentence(error, "Service", "x", "v1", document).startswith(
        "spec.ports[0].targetPort is a list: write"
    )
    error = ApiError(500, {"message": said + 'object to v1: parsing time "x"'})
    assert refusal.sentence(error, "Service", "x", "v1", {}) == 'a value does not fit its field: parsing time "x"'


CONVERTED = (
    "failed to convert new object (n/x; v1, Kind=X) to proper version: unable to convert unstructured object to v1: "
)


@pytest.mark.parametrize(
    ("document", "reason", "told"),
    [
        (
            {"kind": "Secret", "data": {"a": "aGk=", "b": "hello world!"}},
            "error decoding from json: illegal base64 data at input byte 5",
            "data.b is not base64: put plain text into stringData",
        ),
        (
            {"kind": "ConfigMap", "data": {"a": "plain text"}, "binaryData": {"b": "aGk"}},
            "error decoding from json: illegal base64 data at input byte 0",
            "binaryData.b is not base64: put plain text into data",
        ),
        (
            {"kind": "ValidatingWebhookConfiguration", "webhooks": [{"clientConfig": {"caBundle": "!!"}}]},
            "error decoding from json: illegal base64 data at input byte 0",
            "webhooks[0].clientConfig.caBundle is not base64",
        ),
        (
            {"kind": "Job", "spec": {"backoffLimit": 1.5, "parallelism": 2.0}},
            "cannot convert float64 to int32",
            "spec.backoffLimit is the number 1.5: write a whole number where one belongs",
        ),
        (
            {"kind": "Lease", "spec": {"renewTime": "yesterday"}},
            'parsing time "yesterday" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "yesterday" as "2006"',
            "spec.renewTime is the text 'yesterday': write a time such as 2026-01-31T08:00:00Z",
        ),
        (
            {"kind": "Lease", "spec": {"renewTime": 5}},
            "json: cannot unmarshal number into Go value of type string",
            "spec.renewTime is the number 5: write a time such as 2026-01-31T08:00:00Z, in quotes",
        ),
        (
            {"kind": "LimitRange", "spec": {"limits": [{"type": "Container", "max": {"cpu": "x"}}]}},
            "quantities must match the regular expression",
            "spec.limits[0].max.cpu is the text 'x', not a quantity: write one such as 2, 500m or 64Mi",
        ),
    ],
)
def test_the_field_is_named_that_the_server_does_not_name(document, reason, told):
    error = ApiError(500, {"message": CONVERTED + reason})
    assert refusal.sentence(error, document["kind"], "x", "v1", document) == told


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (
            "number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string",
            "spec.template.spec.containers.env.value is a number: put it in quotes",
        ),
        (
            "string into Go struct field Source.spec.volumes.VolumeSource.configMap.defaultMode of type int32",
            "spec.volumes.configMap.defaultMode is a text: write a number, without quotes",
        ),
        (
            "number 1.5 into Go struct field JobSpec.spec.backoffLimit of type int32",
            "spec.backoffLimit is the number 1.5: write a whole number",
        ),
        (
            "object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
            "spec.template.spec.containers is a mapping: write a list, each item after a dash",
        ),
        (
            'strict decoding error: unknown field "spec.template.x", unknown field "spec.y"',
            "spec.template.x is not a field of a Job of batch/v1: remove it, or set drop_unknown_fields: true; "
            "spec.y is not a field of a Job of batch/v1: remove it, or set drop_unknown_fields: true",
        ),
        (
            "quantities must match the regular expression",
            "spec.resources.limits.cpu is the text 'x', not a quantity: write one such as 2, 500m or 64Mi",
        ),
    ],
)
def test_what_does_not_fit_is_told_without_gos_own_words_by_client_side_apply_too(reason, told):
    prefix = "" if ":" in reason or "must" in reason else "json: cannot unmarshal "
    error = ApiError(400, {"message": f'Job in version "v1" cannot be handled as a Job: {prefix}{reason}'})
    document = {"spec": {"resources": {"limits": {"cpu": "x"}}}}
    assert refusal.sentence(error, "Job", "x", "batch/v1", document) == told


def test_a_patch_is_refused_without_the_object_that_was_patched():
    message = (
        'Invalid value: "{\\"apiVersion\\":\\"v1\\",\\"data\\":{\\"a\\":\\"c2VjcmV0\\"}}": '
        'strict decoding error: unknown field "extra"'
    )
    told = refusal.sentence(invalid("patch", message), "Secret", "x", "v1", {})
    assert told == "extra is not a field of a Secret of v1: remove it, or set drop_unknown_fields: true"


def test_a_name_is_refused_without_the_servers_regular_expression():
    message = (
        "Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case letters (e.g. 'my-name', or "
        "'123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    )
    told = refusal.sentence(invalid("metadata.name", message), "ConfigMap", "x", "v1")
    assert told.endswith("(e.g. 'my-name', or '123-abc')")


@pytest.mark.parametrize(
    ("sent", "kept", "found"),
    [
        ({"a": 99999999999}, {"a": 1215752191}, [("a", 99999999999, 1215752191)]),
        ({"a": -2147483649}, {"a": 2147483647}, [("a", -2147483649, 2147483647)]),
        ({"a": 2147483648}, {"a": 2147483648}, []),  # a field of 64 bits
        ({"a": 4294967297}, {"a": "4294967297"}, []),  # a quantity
        ({"a": 4294967297}, {"a": 4294967297.0}, []),  # a fraction, in a CRD
        ({"a": 4294967297}, {}, []),
        ({"a": True, "b": 2147483647, "c": "4294967297"}, {"a": False, "b": 0, "c": 1}, []),
        # Others' entries stand in the same list.
        ({"a": [{"n": 4294967297}]}, {"a": [{"n": 2}, {"n": 1}]}, [("a[0].n", 4294967297, 1)]),
        ({"a": [4294967297]}, {"a": [1, 4294967297]}, []),
    ],
)
def test_whole_numbers_that_were_cut_are_found(sent, kept, found):
    assert list(applying.cut(sent, [kept])) == found
