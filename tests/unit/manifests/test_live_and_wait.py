"""How few requests find the live objects, and what being ready means for each kind."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests import existing as live
from ansible_collections.bramble.kube.plugins.module_utils.manifests import waiting
from ansible_collections.bramble.kube.plugins.module_utils.manifests.discovery import Discovery, Resource
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ManifestError
from ansible_collections.bramble.kube.plugins.module_utils.manifests.load import Item

CONFIG = Resource("v1", "ConfigMap", "configmaps", True)


def config(name: str) -> tuple[Item, Resource]:
    return Item({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "n"}}, "f", 1), CONFIG


class Server:
    """Answers GETs from a dictionary of names, in pages."""

    def __init__(self, names, may_list: bool = True) -> None:
        self.names = sorted(names)
        self.may_list = may_list
        self.asked: list[str] = []

    def get(self, path, query=None):
        self.asked.append(path + (f"?{query['continue']}" if query and query["continue"] else ""))
        name = path.rpartition("/")[2]
        if name != "configmaps":
            if name in self.names:
                return {"metadata": {"name": name}}
            raise ApiError(404, {})
        if not self.may_list:
            raise ApiError(403, {})
        start = int(query["continue"] or 0)
        page = self.names[start : start + query["limit"]]
        rest = len(self.names) - start - len(page)
        metadata = {"continue": str(start + len(page)), "remainingItemCount": rest} if rest else {}
        return {"metadata": metadata, "items": [{"metadata": {"name": found}} for found in page]}


def read(server: Server, names, **options) -> set[str]:
    found = set()
    live.read(server.get, [config(name) for name in names], lambda item, _live: found.add(item.name), **options)
    return found


def test_few_objects_are_read_one_by_one():
    server = Server(["a", "z"])
    assert read(server, ["a", "b"]) == {"a"}
    assert len(server.asked) == 2


def test_many_objects_are_listed_once():
    server = Server([f"c{index}" for index in range(100)])
    assert len(read(server, [f"c{index}" for index in range(100)])) == 100
    assert len(server.asked) == 1


def test_pages_are_followed_while_that_is_cheaper():
    server = Server([f"c{index:04}" for index in range(1200)])
    assert len(read(server, [f"c{index:04}" for index in range(1200)])) == 1200
    assert len(server.asked) == 3


def test_three_among_thousands_are_read_one_by_one_after_the_first_page():
    server = Server([f"c{index:05}" for index in range(20000)])
    assert len(read(server, ["c19997", "c19998", "x"])) == 2
    assert len(server.asked) == 4


def test_who_may_not_list_gets_one_by_one():
    server = Server(["a", "b", "c"], may_list=False)
    assert read(server, ["a", "b", "c", "d"]) == {"a", "b", "c"}
    assert len(server.asked) == 5


def test_with_a_selector_everything_is_listed_and_others_are_shown():
    server = Server(["a", "left"])
    others = []
    read(server, ["a"], selector="x=y", other=lambda _resource, entry: others.append(entry["metadata"]["name"]))
    assert others == ["left"] and len(server.asked) == 1


def test_discovery_asks_once_for_each_version_and_takes_404_for_nothing():
    asked = []

    def get(path):
        asked.append(path)
        if path == "/apis/apps/v1":
            return {
                "resources": [
                    {"name": "deployments", "kind": "Deployment", "namespaced": True},
                    {"name": "deployments/scale", "kind": "Scale", "namespaced": True},
                ]
            }
        raise ApiError(404, {})

    discovery = Discovery(get)
    discovery.load(["apps/v1", "extensions/v1beta1", "apps/v1"])
    assert discovery.find("apps/v1", "Deployment").path("d", "n") == "/apis/apps/v1/namespaces/n/deployments/d"
    assert discovery.find("apps/v1", "Scale") is None
    assert not discovery.serves("extensions/v1beta1", "Deployment")
    assert sorted(asked) == ["/apis/apps/v1", "/apis/extensions/v1beta1"]


def deployment(**status) -> dict:
    return {"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status}


DONE = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
STUCK = {"conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "stuck"}]}


@pytest.mark.parametrize(
    ("predicate", "document", "ready", "why"),
    [
        (waiting.deployment, deployment(**DONE), True, ""),
        (waiting.deployment, deployment(**{**DONE, "observedGeneration": 1}), False, "has not seen it"),
        (waiting.deployment, deployment(**{**DONE, "updatedReplicas": 1}), False, "1 of 2 replicas updated"),
        (waiting.deployment, deployment(**{**DONE, "replicas": 3}), False, "1 old replicas"),
        (waiting.deployment, deployment(**{**DONE, "availableReplicas": 0}), False, "0 of 2 replicas available"),
        (waiting.deployment, deployment(**DONE, **STUCK), None, "stuck"),
        (waiting.stateful_set, deployment(observedGeneration=2, readyReplicas=2), True, ""),
        (waiting.stateful_set, deployment(observedGeneration=2, readyReplicas=1), False, "1 of 2 replicas ready"),
        (
            waiting.stateful_set,
            deployment(observedGeneration=2, readyReplicas=2, updateRevision="b", currentRevision="a"),
            False,
            "0 of 2",
        ),
        (
            waiting.daemon_set,
            deployment(observedGeneration=2, desiredNumberScheduled=3, updatedNumberScheduled=3, numberAvailable=3),
            True,
            "",
        ),
        (
            waiting.daemon_set,
            deployment(observedGeneration=2, desiredNumberScheduled=3, updatedNumberScheduled=2),
            False,
            "2 of 3 nodes",
        ),
        (waiting.job, {"metadata": {}, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}, True, ""),
        (
            waiting.job,
            {"metadata": {}, "status": {"conditions": [{"type": "Failed", "status": "True", "message": "m"}]}},
            None,
            "failed: m",
        ),
        (waiting.claim, {"metadata": {}, "status": {"phase": "Pending"}}, False, "phase Pending"),
        (waiting.pod, {"metadata": {}, "status": {"phase": "Succeeded"}}, True, ""),
        (waiting.definition, {"metadata": {}, "status": {}}, False, "Established"),
        (
            waiting.definition,
            {
                "metadata": {},
                "status": {"conditions": [{"type": "NamesAccepted", "status": "False", "message": "taken"}]},
            },
            False,
            "taken",
        ),
        (waiting.any_kind, {"metadata": {}}, True, ""),
        (
            waiting.any_kind,
            {"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "R"}]}},
            False,
            "Ready: R",
        ),
        (
            waiting.any_kind,
            {
                "metadata": {"generation": 2},
                "status": {"observedGeneration": 1, "conditions": [{"type": "Available", "status": "True"}]},
            },
            False,
            "latest version",
        ),
    ],
)
def test_being_ready(predicate, document, ready, why):
    found, reason = predicate(document)
    assert found is ready and why in reason


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            {
                "containerStatuses": [
                    {"name": "c", "image": "x:1", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}
                ]
            },
            "ErrImagePull: image x:1 of container c: no",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": "c",
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"exitCode": 3}},
                    }
                ]
            },
            "CrashLoopBackOff: container c ended with exit code 3",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": "c",
                        "ready": False,
                        "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
                        "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}},
                    }
                ]
            },
            "container c ended with exit code 3",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": "small",
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                    }
                ]
            },
            "CrashLoopBackOff: container small needs more memory than its limit of 16Mi and was killed (OOMKilled)",
        ),
        (
            {"containerStatuses": [{"name": "small", "state": {"terminated": {"exitCode": 137, "reason": "Error"}}}]},
            "container small was killed (exit code 137); it may need more memory than its limit of 16Mi",
        ),
        (
            {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 137, "reason": "Error"}}}]},
            "container c was killed (exit code 137)",
        ),
        (
            {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]},
            "container c was killed because its node had no more memory (OOMKilled)",
        ),
        (
            {
                "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 0}}}],
                "containerStatuses": [
                    {"name": "c", "ready": True, "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}
                ],
            },
            "",
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]},
            "not scheduled: 0/3 nodes",
        ),
        (
            {"containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}}]},
            "ContainerCreating: container c",
        ),
        ({}, ""),
    ],
)
def test_a_pods_own_last_reason(status, words):
    spec = {"containers": [{"name": "small", "resources": {"limits": {"memory": "16Mi"}}}]}
    assert waiting.trouble_of_pod({"metadata": {}, "spec": spec, "status": status}) == words


@pytest.mark.parametrize("expression", ["nofn(kind)", "not_null()", "a ==", "length(a, b)"])
def test_an_expression_that_can_never_be_true_is_refused_before_the_push(expression):
    with pytest.raises(ManifestError, match=r"wait_for of X: .* is not a JMESPath expression"):
        waiting.check_expressions([{"kind": "X", "expression": expression}])


@pytest.mark.parametrize(
    "expression", ["length(status.x) == `1`", "status.a > 'b'", "sort_by(`[1]`, &a)", "merge(a, b)"]
)
def test_an_expression_that_cannot_be_evaluated_yet_is_waited_for_and_says_why(expression):
    entry = {"kind": "X", "name": None, "namespace": None, "expression": expression}
    waiting.check_expressions([entry])
    found = Item({"apiVersion": "a.org/v1", "kind": "X", "metadata": {"name": "x"}}, "f", 1)
    ready, why = waiting.predicate_for(found, [entry])({"status": {"a": 1, "x": 7}})
    assert not ready and expression in why


def test_a_wait_says_why_an_expression_cannot_be_evaluated_and_no_value():
    entry = {"kind": "X", "name": None, "namespace": None, "expression": "length(status.x) == `1`"}
    found = Item({"apiVersion": "a.org/v1", "kind": "X", "metadata": {"name": "x"}}, "f", 1)
    _ready, why = waiting.predicate_for(found, [entry])({"status": {"x": 271828}})
    assert "(it cannot be evaluated: length() takes string or array or object, not number)" in why
