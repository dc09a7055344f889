# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what beside releases: the programs' least rights, and people who leave the list."""

from __future__ import annotations

import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

import hand
import pytest
from apiserver import cache
from loop_api import MODELS, PEOPLE, PROGRAMS, Person, Refused, decision, push_rules, rules

pytestmark = pytest.mark.lab

NAMES = [person["name"] for person in PEOPLE]
DEPLOYMENTS = "/apis/apps/v1/namespaces/loop/deployments"
JOBS = "/apis/batch/v1/namespaces/loop/jobs"
CONFIGMAPS = "/api/v1/namespaces/loop/configmaps"
_numbers = itertools.count(1)


def can(api, who: str, verb: str, what: str, namespace: str = "loop") -> bool:
    """What kubectl auth can-i says."""
    user = who if who in NAMES else f"system:serviceaccount:loop:{who}"
    answer = api.kubectl("auth", "can-i", verb, what, f"--as={user}", f"--namespace={namespace}", check=False)
    return answer.strip() == "yes"


def pod_template(**spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "image", **spec.pop("container", {})}
    return {
        "metadata": {"labels": {"app": "x"}},
        "spec": {"automountServiceAccountToken": False, "containers": [container], **spec},
    }


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": pod_template(**spec)},
    }


def job(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"digits-{next(_numbers)}-train"},
        "spec": {"template": pod_template(restartPolicy="Never", **spec)},
    }


@pytest.mark.parametrize("what", ["deployments.apps", "services"])
def test_only_the_program_switch_may_change_what_serves(api, what):
    for verb in ("create", "update", "patch", "delete", "deletecollection"):
        allowed = {who for who in (*PROGRAMS, *NAMES, "default") if can(api, who, verb, what)}
        assert allowed == (set() if verb == "deletecollection" else {"switch"}), verb


def test_only_the_program_switch_changes_what_serves_when_it_is_tried(people):
    people["switch"].ask("POST", DEPLOYMENTS, deployment("serve-digits-1"))
    for who in (*(set(PROGRAMS) - {"switch"}), *NAMES):
        for method, path, body in (
            ("POST", DEPLOYMENTS, deployment("serve-digits-2")),
            ("PATCH", f"{DEPLOYMENTS}/serve-digits-1", {"spec": {"replicas": 0}}),
            ("DELETE", f"{DEPLOYMENTS}/serve-digits-1", None),
        ):
            with pytest.raises(Refused, match=r'cannot (create|patch|delete) resource "deployments"'):
                people[who].ask(method, path, body, "application/merge-patch+json" if body else "application/json")
    people["switch"].ask("DELETE", f"{DEPLOYMENTS}/serve-digits-1")


@pytest.mark.parametrize("who", [*PROGRAMS, *NAMES, "default"])
def test_nobody_reads_secrets_gets_into_pods_or_gives_rights(api, who):
    for verb, what in (
        ("get", "secrets"),
        ("list", "secrets"),
        ("create", "pods"),
        ("create", "pods/exec"),
        ("create", "serviceaccounts/token"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
        ("bind", "roles.rbac.authorization.k8s.io"),
        ("patch", "gates.loop.bramble.kube"),
        ("delete", "releases.loop.bramble.kube"),
        ("delete", "persistentvolumeclaims"),
        ("patch", "validatingadmissionpolicies.admissionregistration.k8s.io"),
        ("delete", "validatingadmissionpolicybindings.admissionregistration.k8s.io"),
        ("create", "certificatesigningrequests.certificates.k8s.io"),
        ("impersonate", "groups"),
    ):
        assert not can(api, who, verb, what), f"{who} may {verb} {what}"
    for verb, what in (("create", "deployments.apps"), ("get", "releases.loop.bramble.kube"), ("get", "configmaps")):
        assert not can(api, who, verb, what, "kube-system"), f"{who} may {verb} {what} in kube-system"


def test_people_read_and_viewers_only_that(api):
    for name in NAMES:
        assert can(api, name, "watch", "releases.loop.bramble.kube") and can(
            api, name, "get", "gates.loop.bramble.kube"
        )
        assert can(api, name, "patch", "releases.loop.bramble.kube") == (name != "vic")
        assert can(api, name, "create", "releases.loop.bramble.kube") == (name in ("ada", "cleo"))
        assert not can(api, name, "list", "configmaps")


@pytest.mark.parametrize(
    ("path", "body"),
    [(DEPLOYMENTS, deployment("desk")), (CONFIGMAPS, {"metadata": {"name": "code-digits"}})],
    ids=["Deployment", "ConfigMap"],
)
def test_the_program_switch_writes_its_own_names_alone(people, path, body):
    name = body["metadata"]["name"]
    with pytest.raises(Refused) as refused:
        people["switch"].ask("POST", path, body)
    assert str(refused.value) == f"The program switch writes serve-… and route-… alone, and {name} is neither."
    people["admin"].ask("POST", path, body)
    for method, change in (("PATCH", {"metadata": {"labels": {"a": "b"}}}), ("DELETE", None)):
        with pytest.raises(Refused, match="is neither"):
            kind = "application/merge-patch+json" if change else "application/json"
            people["switch"].ask(method, f"{path}/{name}", change, kind)
    people["admin"].ask("DELETE", f"{path}/{name}")


def test_the_program_switch_writes_routes(people):
    people["switch"].ask("POST", CONFIGMAPS, {"metadata": {"name": "route-digits"}, "data": {"mode": "stable"}})
    people["switch"].ask("DELETE", f"{CONFIGMAPS}/route-digits")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"automountServiceAccountToken": True}, "must run as the account default, without its token."),
        ({"serviceAccountName": "switch"}, "must run as the account default, without its token."),
        (
            {"volumes": [{"name": "logins", "secret": {"secretName": "desk-logins"}}]},
            "may use ConfigMaps, empty folders and volume claims alone.",
        ),
        (
            {"volumes": [{"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}]},
            "may use ConfigMaps, empty folders and volume claims alone.",
        ),
        (
            {"container": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]}},
            "may not read Secrets.",
        ),
        ({"container": {"envFrom": [{"secretRef": {"name": "desk-logins"}}]}}, "may not read Secrets."),
        (
            {"initContainers": [{"name": "i", "image": "i", "envFrom": [{"secretRef": {"name": "a"}}]}]},
            "may not read Secrets.",
        ),
    ],
)
def test_what_programs_run_has_no_token_and_no_secret(people, spec, sentence):
    bad = job(**spec)
    with pytest.raises(Refused) as refused:
        people["hand"].ask("POST", JOBS, bad)
    assert str(refused.value) == f"{bad['metadata']['name']} {sentence}"
    with pytest.raises(Refused, match=r"alone|Secrets|default"):
        people["switch"].ask("POST", DEPLOYMENTS, deployment("serve-digits-3", **spec))


def test_what_programs_run_has_what_it_needs(people):
    volumes = [
        {"name": "code", "configMap": {"name": "code-digits"}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "loop"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    container = {"env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}
    made = job(volumes=volumes, container=container)
    people["hand"].ask("POST", JOBS, made)
    people["hand"].ask("DELETE", f"{JOBS}/{made['metadata']['name']}?propagationPolicy=Background")


#: Definitions of the trainer's kinds: those of the lab's release, or of any other in TRAINER_CRDS.
CRDS = Path(os.environ.get("TRAINER_CRDS") or cache() / "manifests/trainer/base/crds")


def _wait_for_kinds(api, place: str) -> None:
    """Wait until the API server serves the trainer's kinds."""
    deadline = time.monotonic() + 60
    while True:
        try:
            for plural in ("trainjobs", "trainingruntimes"):
                Person(api, "admin").ask("GET", f"{place}/{plural}")
            return
        except (Refused, ValueError):
            assert time.monotonic() < deadline, "its kinds are not served"
            time.sleep(0.5)


@pytest.fixture
def real_trainer(api):
    """The two kinds of Kubeflow's trainer that the hand makes, as a release of it defines them."""
    names = [f"{plural}.trainer.kubeflow.org" for plural in ("trainjobs", "trainingruntimes")]
    for name in names:
        plural, _dot, group = name.partition(".")
        api.kubectl("create", "-f", str(CRDS / f"{group}_{plural}.yaml"))
    place = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/loop"
    _wait_for_kinds(api, place)
    yield place
    api.kubectl("delete", "crd", *names)


def test_a_release_of_the_trainer_takes_what_the_hand_makes_and_nothing_around_it(people, real_trainer):
    runtime, training = hand.train_job("digits-4-train", {}, job()["spec"]["template"]["spec"])
    people["hand"].ask("POST", f"{real_trainer}/trainingruntimes", runtime)
    made = people["hand"].ask("POST", f"{real_trainer}/trainjobs", training)["spec"]
    assert made["runtimeRef"]["name"] == "digits-4-train"
    targets = [{"name": "node"}]
    overrides = {
        "podSpecOverrides": [{"targetJobs": targets, "serviceAccountName": "switch"}],
        "podTemplateOverrides": [{"targetJobs": targets, "spec": {"serviceAccountName": "switch"}}],
        "runtimePatches": [{"manager": "example.org/me", "trainingRuntimeSpec": {}}],
    }
    kept = 0
    for field, value in overrides.items():
        spec = {**training["spec"], field: value}
        bad = {**training, "metadata": {"name": field.lower(), "namespace": "loop"}, "spec": spec}
        try:
            found = people["hand"].ask("POST", f"{real_trainer}/trainjobs", bad)["spec"]
        except Refused as refused:
            assert str(refused) == f"{field.lower()} must name its TrainingRuntime, and nothing else."
            kept += 1
        else:  # this release has no such field, and drops it
            assert found == made
    assert kept == 1, "each release has one of the three"


@pytest.fixture
def trainer(api):
    """The two kinds of Kubeflow's trainer that the hand makes, without their schema."""
    group, schema = "trainer.kubeflow.org", {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = []
    for kind in ("TrainJob", "TrainingRuntime"):
        plural = f"{kind.lower()}s"
        names.append(f"{plural}.{group}")
        spec = {"group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural}, "versions": [version]}
        definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        made = {**definition, "metadata": {"name": names[-1]}, "spec": spec}
        api.kubectl("create", "-f", "-", text=json.dumps(made))
    place = f"/apis/{group}/v1alpha1/namespaces/loop"
    _wait_for_kinds(api, place)
    yield place
    api.kubectl("delete", "crd", *names)


def test_a_train_job_has_no_way_around(people, trainer):
    pod = job()["spec"]["template"]["spec"]
    runtime, training = hand.train_job("digits-3-train", {}, pod)
    people["hand"].ask("POST", f"{trainer}/trainingruntimes", runtime)
    people["hand"].ask("POST", f"{trainer}/trainjobs", training)
    for name, sentence, spec in (
        ("other-account", "must run as the account default, without its token.", {"serviceAccountName": "switch"}),
        (
            "a-secret",
            "may use ConfigMaps, empty folders and volume claims alone.",
            {"volumes": [{"name": "logins", "secret": {"secretName": "desk-logins"}}]},
        ),
    ):
        bad = hand.train_job(name, {}, {**pod, **spec})[0]
        with pytest.raises(Refused) as refused:
            people["hand"].ask("POST", f"{trainer}/trainingruntimes", bad)
        assert str(refused.value) == f"{name} {sentence}"
    for field, value in (
        ("podSpecOverrides", [{"targetJobs": [{"name": "node"}], "serviceAccountName": "switch"}]),
        ("podTemplateOverrides", [{"targetJobs": [{"name": "node"}], "spec": {"serviceAccountName": "switch"}}]),
        ("runtimePatches", [{"manager": "example.org/me", "trainingRuntimeSpec": {}}]),
        ("trainer", {"image": "other"}),
        ("runtimeRef", {"name": "any", "kind": "ClusterTrainingRuntime"}),
    ):
        bad = {**training, "metadata": {"name": "bad", "namespace": "loop"}, "spec": {**training["spec"], field: value}}
        with pytest.raises(Refused, match=r"^bad must name its TrainingRuntime, and nothing else\.$"):
            people["hand"].ask("POST", f"{trainer}/trainjobs", bad)


def test_leaving_the_list_takes_everything_away(api, people, ready):
    release = ready()
    others = [person for person in PEOPLE if person["name"] != "dan"]
    assert can(api, "dan", "patch", "releases.loop.bramble.kube")
    token = api.kubectl("create", "token", "desk", "-n", "loop").strip()
    try:
        changed = push_rules(api, rules(others))
        assert changed["counts"]["updated"] == 3  # the Gate, the reviewers, and whom the desk may act as
        with pytest.raises(Refused, match='User "dan" cannot patch resource "releases"'):
            people["dan"].decide(release, "dan")
        with pytest.raises(Refused, match='desk" cannot impersonate'):
            Person(api, token=token, acts_as="dan").get(release)
        # Even who may write releases by another binding is no reviewer any more.
        api.kubectl("create", "rolebinding", "forgotten", "-n", "loop", "--role=reviewer", "--user=dan")
        _eventually(lambda: people["dan"].decide(release, "dan"), "Only a reviewer may decide; dan has no role here.")
    finally:
        api.kubectl("delete", "rolebinding", "forgotten", "-n", "loop", "--ignore-not-found")
        push_rules(api, rules())
    _eventually(lambda: people["dan"].decide(release, "dan"), "")


def test_without_people_the_desk_acts_as_nobody():
    """An empty list of names would mean everybody."""
    objects = rules([], MODELS)
    assert not [one for one in objects if one["kind"].startswith("ClusterRole")]
    assert not [one for one in objects if one["kind"] == "RoleBinding" and not one["subjects"]]


def test_without_the_gate_nothing_is_decided(api, people, ready):
    release = ready()
    api.kubectl("delete", "gate", "gate", "-n", "loop")
    try:
        for change in ({"decision": decision("ben")}, {"reviews": {"ben": {"judged": 1}}}):
            with pytest.raises(Refused, match="no params found for policy binding"):
                _until_refused(people["ben"], release, change)
    finally:
        push_rules(api, rules())
    _eventually(lambda: people["ben"].decide(release, "ben"), "")


def test_there_is_one_gate(api):
    objects = [one for one in rules() if one["kind"] == "Gate"]
    second = {**objects[0], "metadata": {"name": "another", "namespace": "loop"}}
    said = api.kubectl("apply", "-f", "-", text=json.dumps(second), check=False)
    assert "there is one gate, and it is called gate" in said


def test_a_second_push_changes_nothing(api):
    again = push_rules(api, rules())
    assert again["counts"]["unchanged"] == len(rules()) and again["objects"] == []


def _eventually(call: Any, sentence: str) -> None:
    """The API server hears of a changed Gate or right a moment later."""
    said = ""
    for _try in range(100):
        try:
            call()
            said = ""
        except Refused as refused:
            said = str(refused)
        if said == sentence:
            return
        time.sleep(0.05)
    raise AssertionError(said)


def _until_refused(person: Person, release: str, change: dict[str, Any]) -> None:
    for _try in range(100):
        person.ask(
            "PATCH",
            f"/apis/loop.bramble.kube/v1alpha1/namespaces/loop/releases/{release}?dryRun=All",
            {"spec": change},
            "application/merge-patch+json",
        )
        time.sleep(0.05)
