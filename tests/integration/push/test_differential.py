"""The same manifests pushed by this module, by `kubectl apply --server-side` and by `kubectl apply`, side by side.

Each case is an object in a first and a second form: every node of a dozen manifests replaced, removed or doubled,
unions switched, fields taken away, objects first made by `kubectl create`, objects of an old API version. Compared are
the verdict and the stored object after the first, the second and once more the second form; and the last push of ours
writes nothing. What differs is on the list of INTENDED (a table in docs/push.md), or a failure.

A sample runs by default, a larger one with BRAMBLE_DIFFERENTIAL_SAMPLE=200, all with BRAMBLE_DIFFERENTIAL=all.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from options import DEFAULTS

from ansible_collections.bramble.kube.plugins.module_utils.manifests import load, run
from ansible_collections.bramble.kube.plugins.module_utils.manifests import transform as shape
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ManifestError

SAMPLE = int(os.environ.get("BRAMBLE_DIFFERENTIAL_SAMPLE", "24"))
OURS, SERVER_SIDE, CLIENT_SIDE = "ours", "ssa", "csa"

BASES = """
apiVersion: v1
kind: ConfigMap
metadata: {name: x, labels: {a: b}, annotations: {c: d}}
data: {a: "1", b: ""}
binaryData: {c: aGk=}
---
apiVersion: v1
kind: Secret
metadata: {name: x}
type: Opaque
data: {a: aGk=}
---
apiVersion: v1
kind: Service
metadata: {name: x}
spec:
  selector: {a: b}
  ports: [{name: dns, port: 53, protocol: UDP, targetPort: 53}, {name: tcp, port: 53, protocol: TCP}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: x, labels: {a: b}}
spec:
  replicas: 0
  selector: {matchLabels: {a: b}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers:
      - name: c
        image: nginx
        args: ["--prefix", "", "--x"]
        env: [{name: A, value: "1"}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        ports: [{name: http, containerPort: 80}]
        resources: {limits: {cpu: 500m, memory: 64Mi}}
        volumeMounts: [{name: v, mountPath: /v}]
        livenessProbe: {httpGet: {path: /, port: 80}}
      volumes: [{name: v, emptyDir: {}}]
      tolerations: [{key: a, operator: Exists}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: x}
spec:
  replicas: 0
  serviceName: x
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: nginx}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: x}
spec:
  schedule: "0 0 1 1 *"
  suspend: true
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: nginx}]}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: x}
spec:
  rules:
  - host: a.example.org
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: x, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: x}
spec: {podSelector: {}, policyTypes: [Egress], egress: [{}, {ports: [{port: 53, protocol: UDP}]}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: x}
rules: [{apiGroups: [""], resources: [pods, secrets], verbs: [get]}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: x}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, storageClassName: none}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: x}
spec:
  minReplicas: 1
  maxReplicas: 2
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: x}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: x}
spec: {minAvailable: 1, selector: {matchLabels: {a: b}}}
"""
REPLACEMENTS: list[Any] = [None, "text", 7, True, [], {}, ""]
# kind → what is put over its base, each a choice of another branch
UNIONS: list[tuple[str, str]] = [
    ("Deployment", "spec: {strategy: {type: Recreate, rollingUpdate: null}}"),
    ("Deployment", "spec: {strategy: null}"),
    ("StatefulSet", "spec: {updateStrategy: {type: OnDelete}}"),
    ("Service", "spec: {type: NodePort}"),
    ("Service", "spec: {type: ExternalName, externalName: a.example.org, selector: null, ports: null}"),
    ("PodDisruptionBudget", "spec: {minAvailable: null, maxUnavailable: 1}"),
    ("Ingress", "spec: {rules: null, defaultBackend: {service: {name: x, port: {name: http}}}}"),
]
OLD = """
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {name: x}
spec: {minAvailable: 1, selector: {matchLabels: {a: b}}}
---
apiVersion: autoscaling/v2beta2
kind: HorizontalPodAutoscaler
metadata: {name: x}
spec: {maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: x}}
"""


@dataclass
class Case:
    """One object in its two forms.

    :ivar made_by: what made the object before, ``apply`` with the first form or ``create``.
    """

    name: str
    what: str
    first: dict
    second: Any
    made_by: str = "apply"
    verdicts: dict[str, list[bool]] = field(default_factory=dict)
    stored: dict[str, list[Any]] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)


def paths(value: Any, path: tuple = ()) -> Iterator[tuple]:
    if path:
        yield path
    if isinstance(value, (dict, list)):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(entry, (*path, key))


def changed(document: dict, path: tuple, change: Callable[[Any, Any], None]) -> dict:
    result = copy.deepcopy(document)
    node: Any = result
    for key in path[:-1]:
        node = node[key]
    change(node, path[-1])
    return result


def merged(base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    result = {key: value for key, value in base.items() if over.get(key, 0) is not None}
    return {**result, **{key: merged(base.get(key), value) for key, value in over.items() if value is not None}}


def corpus() -> list[Case]:
    """All cases; those of the sample are drawn from them."""
    found: list[tuple[str, dict, dict, str]] = []
    bases = list(yaml.safe_load_all(BASES))
    rng = random.Random(20)

    def twice(node: Any, key: Any) -> None:
        node.insert(key, copy.deepcopy(node[key]))

    for base in bases:
        for path in paths(base):
            if path[0] in ("apiVersion", "kind") or path[:2] == ("metadata", "name"):
                continue
            where = f"{base['kind']} {'.'.join(map(str, path))}"
            for value in rng.sample(REPLACEMENTS, 2):
                replace = lambda node, key, value=value: node.__setitem__(key, copy.deepcopy(value))  # noqa: E731
                found.append((f"{where} = {value!r}", base, changed(base, path, replace), "apply"))
            remove = lambda node, key: node.__delitem__(key)  # noqa: E731
            found.append((f"{where} removed", base, changed(base, path, remove), "apply"))
            found.append((f"{where} added", changed(base, path, remove), base, "apply"))
            if isinstance(path[-1], int):
                found.append((f"{where} doubled", base, changed(base, path, twice), "apply"))
        found.append((f"{base['kind']} made by create", base, base, "create"))
    by_kind = {base["kind"]: base for base in bases}
    for kind, over in UNIONS:
        second = merged(by_kind[kind], yaml.safe_load(over))
        found.append((f"{kind} with {over}", by_kind[kind], second, "apply"))
        found.append((f"{kind} back from {over}", second, by_kind[kind], "apply"))
        bare = merged(by_kind[kind], {"spec": {"strategy": None, "updateStrategy": None}})
        found.append((f"{kind} without strategy, with {over}", bare, merged(bare, yaml.safe_load(over)), "apply"))
    for old in yaml.safe_load_all(OLD):
        found.append((f"{old['apiVersion']} {old['kind']}", old, old, "apply"))
    cases = []
    for number, (what, first, second, made_by) in enumerate(found):
        pair = [copy.deepcopy(first), copy.deepcopy(second)]
        for document in pair:
            if isinstance(document.get("metadata"), dict):
                document["metadata"]["name"] = f"x{number}"
        cases.append(Case(f"x{number}", what, pair[0], pair[1], made_by))
    if os.environ.get("BRAMBLE_DIFFERENTIAL") != "all":
        cases = rng.sample(cases, SAMPLE)
    return cases


# Three ways to push ----------------------------------------------------------------------------------------------


def by_kubectl(api, folder: Path, space: str, documents: dict[str, Any], *flags: str) -> dict[str, tuple[bool, str]]:
    """Name → (whether kubectl took it, what it said otherwise)."""
    folder.mkdir(exist_ok=True)
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    text = api.kubectl(*flags, "-n", space, "-f", str(folder), check=False)
    took = re.compile(r"^\S+/(x\d+) (?:created|configured|unchanged|serverside-applied)$", re.MULTILINE)
    taken = set(took.findall(text))
    for path in folder.iterdir():
        path.unlink()
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        for name in dict.fromkeys(re.findall(r"\bx\d+\b", line)):
            said.setdefault(name, []).append(line)
    return {name: (name in taken, "" if name in taken else " ".join(said.get(name, []))[:300]) for name in documents}


def by_us(api, space: str, documents: dict[str, Any]) -> tuple[dict[str, tuple[bool, str]], dict[str, str]]:
    """The same, and name → what was done."""
    found: dict[str, tuple[bool, str]] = {}
    good = []
    for name, document in documents.items():
        try:
            for item in load.load([], copy.deepcopy(document)):
                shape.settle(item)
            good.append(document)
        except ManifestError as error:
            found[name] = (False, str(error))
    params = {**DEFAULTS, "kubeconfig": api.kubeconfig, "definition": good, "namespace": space, "timeout": 60}
    _failed, result = run.run(params, check=False, diff=False)
    assert "objects" in result, result
    actions = {}
    for entry in result["objects"]:
        found[entry["name"]] = (entry["action"] != "failed", entry.get("reason", ""))
        actions[entry["name"]] = entry["action"]
    return found, actions


_OWN = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "namespace")
_LAST = "kubectl.kubernetes.io/last-applied-configuration"


def stored(api, space: str) -> dict[str, Any]:
    """Name → the object without what differs from one creation to the next."""
    kinds = "configmap,secret,service,deploy,sts,cronjob,ingress,netpol,role,pvc,hpa,pdb"
    found = {}
    for document in json.loads(api.kubectl("get", kinds, "-n", space, "-o", "json"))["items"]:
        metadata = {key: value for key, value in document["metadata"].items() if key not in _OWN}
        annotations = {key: value for key, value in (metadata.pop("annotations", None) or {}).items() if key != _LAST}
        if annotations:
            metadata["annotations"] = annotations
        document["metadata"] = metadata
        document.pop("status", None)
        for key in ("clusterIP", "clusterIPs"):
            document.get("spec", {}).pop(key, None)
        for port in document.get("spec", {}).get("ports") or [] if document["kind"] == "Service" else []:
            port.pop("nodePort", None)
        found[document["metadata"]["name"]] = document
    return found


@pytest.fixture(scope="module")
def cases(api, tmp_path_factory) -> list[Case]:
    """Every case, pushed in all ways: the first form, the second, and the second again."""
    found = corpus()
    folder = tmp_path_factory.mktemp("manifests") / "set"
    spaces = {way: f"differential-{way}" for way in (OURS, SERVER_SIDE, CLIENT_SIDE)}
    for space in spaces.values():
        api.kubectl("create", "namespace", space)
    made = {case.name: case.first for case in found if case.made_by == "create"}
    for space in spaces.values():
        by_kubectl(api, folder, space, made, "create")
    for step in range(3):
        forms = {case.name: case.first if step == 0 else case.second for case in found}
        if step == 0:
            forms = {name: form for name, form in forms.items() if name not in made}
        answers = {
            SERVER_SIDE: by_kubectl(api, folder, spaces[SERVER_SIDE], forms, "apply", "--server-side"),
            CLIENT_SIDE: by_kubectl(api, folder, spaces[CLIENT_SIDE], forms, "apply"),
        }
        answers[OURS], actions = by_us(api, spaces[OURS], forms)
        objects = {way: stored(api, space) for way, space in spaces.items()}
        for case in found:
            for way in spaces:
                verdict, told = answers[way].get(case.name, (True, ""))
                case.verdicts.setdefault(way, []).append(verdict)
                case.stored.setdefault(way, []).append(objects[way].get(case.name))
                if told:
                    case.told[way] = told
            if step == 2 and case.name in actions:
                case.told["last action"] = actions[case.name]
    return found


def has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(entry is None or has_null(entry) for entry in value.values())
    return isinstance(value, list) and any(entry is None or has_null(entry) for entry in value)


def old(case: Case) -> bool:
    return case.first["apiVersion"] in ("policy/v1beta1", "autoscaling/v2beta2")


# (what docs/push.md calls it, whether it explains a difference from `kubectl apply --server-side`)
INTENDED: list[tuple[str, Callable[[Case], bool]]] = [
    ("nulls are left out", lambda case: has_null(case.first) or has_null(case.second)),
    ("old API versions are rewritten", old),
    (
        "another branch of a union is chosen in one push",
        lambda case: case.verdicts[OURS][1] and not case.verdicts[SERVER_SIDE][1] and case.verdicts[CLIENT_SIDE][1],
    ),
]


def differences(case: Case) -> list[str]:
    """What is not as with `kubectl apply --server-side`."""
    found = []
    for step, label in enumerate(("the first form", "the second form", "the second form again")):
        ours, theirs = case.verdicts[OURS][step], case.verdicts[SERVER_SIDE][step]
        if ours != theirs:
            found.append(
                f"{label} is {'taken' if ours else 'refused'}, and {'taken' if theirs else 'refused'} by kubectl"
            )
        elif case.stored[OURS][step] != case.stored[SERVER_SIDE][step]:
            found.append(
                f"{label} is stored as {json.dumps(case.stored[OURS][step], sort_keys=True)},\n"
                f"by kubectl as {json.dumps(case.stored[SERVER_SIDE][step], sort_keys=True)}"
            )
    return found


def test_there_are_enough_cases():
    assert len(corpus()) >= (300 if os.environ.get("BRAMBLE_DIFFERENTIAL") == "all" else SAMPLE)


def test_verdicts_and_stored_objects_are_those_of_kubectl_or_on_the_list(cases):
    told = []
    for case in cases:
        found = differences(case)
        if found and not any(explains(case) for _name, explains in INTENDED):
            told.append(f"{case.name}, {case.what}: {'; '.join(found)}\n  {case.told}")
    assert not told, f"{len(told)} of {len(cases)} cases differ:\n" + "\n".join(told)


def test_the_last_push_writes_nothing(cases):
    wrong = [
        f"{case.name}, {case.what}: {case.told['last action']}"
        for case in cases
        if case.verdicts[OURS][1] and case.told.get("last action") != "unchanged"
    ]
    assert not wrong, "\n".join(wrong)


def test_the_list_of_what_differs_is_in_the_docs():
    text = (Path(__file__).parents[3] / "docs" / "push.md").read_text()
    for name, _explains in INTENDED:
        assert name in text, name
