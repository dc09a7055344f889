"""The corpus of test_differential: objects in a first and a second form, and what happens to them in between."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

SEED = int(os.environ.get("BRAMBLE_DIFFERENTIAL_SEED", "20"))
SPACE = "differential"
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
---
apiVersion: v1
kind: Pod
metadata: {name: x}
spec:
  nodeName: nowhere
  automountServiceAccountToken: false
  containers: [{name: c, image: nginx}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: x}
spec:
  suspend: true
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: nginx}]}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: x}
imagePullSecrets: [{name: a}]
---
apiVersion: example.org/v1
kind: Thing
metadata: {name: x}
spec: {numbers: [0, 1], flags: [false], items: [{name: a, value: 0}], any: {b: null, c: ""}, port: 80}
"""
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Thing, plural: things, singular: thing}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              numbers: {type: array, items: {type: integer}}
              flags: {type: array, items: {type: boolean}}
              items:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties: {name: {type: string}, value: {type: integer}, unit: {type: string, default: m}}
              any: {type: object, x-kubernetes-preserve-unknown-fields: true}
              port: {x-kubernetes-int-or-string: true}
              mode: {type: string, default: plain}
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
# Forms that today's servers do not take; kubectl gets what `dest` writes for them.
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
---
apiVersion: extensions/v1beta1
kind: Deployment
metadata: {name: x, labels: {a: b}}
spec:
  replicas: 0
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: nginx}]}}
---
apiVersion: apps/v1beta1
kind: StatefulSet
metadata: {name: x}
spec:
  replicas: 0
  serviceName: x
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: nginx}]}}
---
apiVersion: batch/v1beta1
kind: CronJob
metadata: {name: x}
spec:
  schedule: "0 0 1 1 *"
  suspend: true
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: nginx}]}}}}
---
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: x}
spec: {rules: [{host: a.example.org, http: {paths: [{path: /, backend: {serviceName: x, servicePort: 80}}]}}]}
---
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata: {name: x}
spec: {backend: {serviceName: x, servicePort: http}}
---
apiVersion: rbac.authorization.k8s.io/v1beta1
kind: Role
metadata: {name: x}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: extensions/v1beta1
kind: NetworkPolicy
metadata: {name: x}
spec: {podSelector: {}, ingress: [{}]}
"""
# What makes objects before anybody pushes them. Helm 3 creates, Helm 4 applies.
TOOLS = ("kubectl create", "kubectl apply", "helm 3", "helm 4")
HELM = {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "x"}}


@dataclass
class Case:
    """One object, or a few, in a first and a second form.

    :ivar made_by: the tool that made the first form; "" for whoever pushes the second.
    :ivar meddled: what another tool applies by force between the two.
    :ivar deleted: the propagation with which it is deleted between the two; "" where it is not.
    """

    family: str
    what: str
    first: list[dict]
    second: list[dict]
    made_by: str = ""
    meddled: dict | None = None
    deleted: str = ""
    name: str = ""
    verdicts: dict[str, list[bool]] = field(default_factory=dict)
    stored: dict[str, list[Any]] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    last_actions: list[str] = field(default_factory=list)


def corpus() -> list[Case]:
    """All cases; the names of their objects are their own."""
    rng = random.Random(SEED)
    bases = list(yaml.safe_load_all(BASES))
    found = [
        *_nodes(bases, rng),
        *_unions(bases),
        *_made_by_others(bases, rng),
        *_many_changes(bases, rng),
        *_deleted(bases),
        *_names_known_late(bases),
    ]
    for number, case in enumerate(found):
        case.name = f"x{number}"
        case.first, case.second = (copy.deepcopy(forms) for forms in (case.first, case.second))
        meddled = [copy.deepcopy(case.meddled)] if case.meddled else []
        case.meddled = meddled[0] if meddled else None
        for document in case.first + case.second + meddled:
            if isinstance(document.get("metadata"), dict):
                document["metadata"]["name"] = case.name
    return found


def sample(cases: list[Case], count: int) -> list[Case]:
    """So many of all, from each family in turn."""
    rng = random.Random(SEED + 1)
    families: dict[str, list[Case]] = {}
    for case in rng.sample(cases, len(cases)):
        families.setdefault(case.family, []).append(case)
    chosen: list[Case] = []
    while len(chosen) < count:
        for members in families.values():
            chosen += [members.pop()] if members else []
    return chosen[:count]


# Families --------------------------------------------------------------------------------------------------------


def _nodes(bases: list[dict], rng: random.Random) -> Iterator[Case]:
    """Every node replaced, removed, added and doubled."""
    for base in bases:
        for path in paths(base):
            where = f"{base['kind']} {'.'.join(map(str, path))}"
            for value in rng.sample(REPLACEMENTS, 2):
                yield Case("nodes", f"{where} = {value!r}", [base], [changed(base, path, put(value))])
            less = changed(base, path, remove)
            yield Case("nodes", f"{where} removed", [base], [less])
            yield Case("nodes", f"{where} added", [less], [base])
            if isinstance(path[-1], int):
                yield Case("nodes", f"{where} doubled", [base], [changed(base, path, double)])


def _unions(bases: list[dict]) -> Iterator[Case]:
    by_kind = {base["kind"]: base for base in bases}
    for kind, over in UNIONS:
        base = by_kind[kind]
        second = merged(base, yaml.safe_load(over))
        yield Case("unions", f"{kind} with {over}", [base], [second])
        yield Case("unions", f"{kind} back from {over}", [second], [base])
        bare = merged(base, {"spec": {"strategy": None, "updateStrategy": None}})
        second = merged(bare, yaml.safe_load(over))
        yield Case("unions", f"{kind} without strategy, with {over}", [bare], [second])


def _made_by_others(bases: list[dict], rng: random.Random) -> Iterator[Case]:
    """Another tool made the object: it is pushed as it is, with a value changed, and with fields taken away."""
    for base in bases:
        for tool in TOOLS:
            first = merged(base, {"metadata": HELM}) if tool.startswith("helm") else base
            kind = f"{base['kind']} made by {tool}"
            yield Case("made by others", f"{kind}, the same", [first], [first], tool)
            path = rng.choice([path for path in paths(base) if path[0] != "metadata"])
            other = changed(base, path, put(rng.choice(["text", 7])))
            yield Case("made by others", f"{kind}, {path} changed", [first], [other], tool)
            taken = some(base, 2, rng)
            yield Case("made by others", f"{kind}, {taken} taken away", [first], [without(base, taken)], tool)
        path = rng.choice([path for path in paths(base) if path[0] != "metadata"])
        meddled = {**changed(base, path, remove), "metadata": {"name": "x", "labels": {"a": "meddled"}}}
        yield Case("made by others", f"{base['kind']} changed by others", [base], [base], meddled=meddled)
        labelled = merged(base, {"metadata": {"labels": {"a": "b"}}})
        yield Case("made by others", f"{base['kind']} label changed by others", [labelled], [labelled], meddled=meddled)


def _many_changes(bases: list[dict], rng: random.Random) -> Iterator[Case]:
    """Several fields taken away, put back and replaced at once."""
    for base in bases:
        for number in range(8):
            forms = []
            for _form in range(2):
                form = without(base, some(base, rng.randint(1, 4), rng))
                if number % 2:
                    for path in some(form, 1, rng):
                        form = changed(form, path, put(rng.choice(["text", "9", 7, {}, []])))
                forms.append(form)
            yield Case("many changes", f"{base['kind']} with several changes, {number}", [forms[0]], [forms[1]])


def _deleted(bases: list[dict]) -> Iterator[Case]:
    """Objects that are being deleted: held by a finalizer of the manifest, or of others, or by their own dependents."""
    for base in bases:
        kind = base["kind"]
        hold = {"metadata": {"finalizers": ["example.org/hold"]}}
        held = merged(base, hold)
        for second, what in ((held, "its manifest"), (base, "what its manifest no longer says")):
            yield Case("deleted", f"{kind} held by {what}", [held], [second], deleted="Background")
        others = {"apiVersion": base["apiVersion"], "kind": kind, "metadata": {"name": "x", **hold["metadata"]}}
        yield Case("deleted", f"{kind} held by others", [base], [base], meddled=others, deleted="Background")
        other = merged(base, {"metadata": {"labels": {"a": "c"}}})
        yield Case("deleted", f"{kind} deleted in the foreground", [base], [base], deleted="Foreground")
        yield Case("deleted", f"{kind} deleted in the foreground, then changed", [base], [other], deleted="Foreground")
        yield Case("deleted", f"{kind} deleted, held by nothing", [base], [other], deleted="Background")


def _names_known_late(bases: list[dict]) -> Iterator[Case]:
    """Which object is meant shows when the default namespace and the API version are there."""
    for base in bases:
        kind = base["kind"]
        named = merged(base, {"metadata": {"namespace": SPACE}})
        yield Case("names", f"{kind} that gets a namespace", [base], [named])
        yield Case("names", f"{kind} that loses its namespace", [named], [base])
        for empty in (None, ""):
            vague = {**base, "metadata": {**base["metadata"], "namespace": empty}}
            yield Case("names", f"{kind} in the namespace {empty!r}", [base], [vague])
        yield Case("names", f"{kind} twice, once with its namespace", [base], [base, named])
    for old in yaml.safe_load_all(OLD):
        kind = f"{old['apiVersion']} {old['kind']}"
        named = merged(old, {"metadata": {"namespace": SPACE}})
        yield Case("names", kind, [old], [old])
        yield Case("names", f"{kind} that gets a namespace", [old], [named])
        yield Case("names", f"{kind}, changed", [old], [merged(old, {"metadata": {"labels": {"c": "d"}}})])
        new = next(base for base in bases if base["kind"] == old["kind"])
        yield Case("names", f"{kind} beside {new['apiVersion']}", [new], [old, new])
        yield Case("names", f"{kind} after {new['apiVersion']}", [new], [old])
        yield Case("names", f"{kind} before {new['apiVersion']}", [old], [new])


# Changes ---------------------------------------------------------------------------------------------------------


def paths(document: Any) -> list[tuple]:
    """Where everything is that may be changed: not what says which object it is."""

    def below(value: Any, path: tuple) -> Iterator[tuple]:
        if path:
            yield path
        if isinstance(value, (dict, list)):
            for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
                yield from below(entry, (*path, key))

    identity = (("apiVersion",), ("kind",), ("metadata", "name"))
    return [path for path in below(document, ()) if path not in identity]


def some(document: dict, most: int, rng: random.Random) -> list[tuple]:
    """Up to so many places of an object below its topmost fields."""
    found = [path for path in paths(document) if len(path) > 1]
    return rng.sample(found, min(most, len(found)))


def changed(document: dict, path: tuple, change: Callable[[Any, Any], None]) -> dict:
    """A copy with one node changed."""
    result = copy.deepcopy(document)
    node: Any = result
    for key in path[:-1]:
        node = node[key]
    change(node, path[-1])
    return result


def put(value: Any) -> Callable[[Any, Any], None]:
    return lambda node, key: node.__setitem__(key, copy.deepcopy(value))


def remove(node: Any, key: Any) -> None:
    del node[key]


def double(node: Any, key: Any) -> None:
    node.insert(key, copy.deepcopy(node[key]))


def without(document: dict, gone: list[tuple]) -> dict:
    """A copy without some nodes, those inside others included."""
    result = document
    for path in sorted(gone, key=lambda path: [str(key) for key in path], reverse=True):
        if path in paths(result):
            result = changed(result, path, remove)
    return result


def merged(base: Any, over: Any) -> Any:
    """A merge patch: null removes."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    result = {key: value for key, value in base.items() if over.get(key, 0) is not None}
    return {**result, **{key: merged(base.get(key), value) for key, value in over.items() if value is not None}}
