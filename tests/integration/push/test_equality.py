"""Properties of the comparison in memory, on random objects and random edits, against a real API server.

The reference is the server itself: a server-side apply that is really sent, by kubectl or as kubectl sends it.
"""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from test_objects_pushed import CRD

from ansible_collections.bramble.kube.plugins.module_utils.manifests import apply, auth, compare
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client
from ansible_collections.bramble.kube.plugins.module_utils.manifests.discovery import Discovery
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError
from ansible_collections.bramble.kube.plugins.module_utils.manifests.load import Item

SETTINGS = settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # shrinking takes minutes against a server; the case as found tells enough
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
SPACE = "properties"
_numbers = itertools.count()

# Objects -----------------------------------------------------------------------------------------------------------

words = st.sampled_from(["", "a", "b", "500m", "0.5", "1", "true", "ü", "a: b"])
names = st.sampled_from(["a", "b", "c"])
cpus = st.sampled_from(["500m", "0.5", 1, "1", "1000m", "1.5", 2])
sizes = st.sampled_from(["64Mi", "65536Ki", "67108864", 67108864, "0.5Gi", "512Mi", "1e6", "1M"])


def maybe(**fields: st.SearchStrategy) -> st.SearchStrategy[dict]:
    """A mapping with any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


def keyed(strategy: st.SearchStrategy[dict], *keys: str, most: int = 3, least: int = 0) -> st.SearchStrategy[list]:
    """A list whose items differ in their keys."""
    return st.lists(
        strategy, min_size=least, max_size=most, unique_by=lambda item: tuple(item.get(key, "TCP") for key in keys)
    )


labels = st.dictionaries(
    st.sampled_from(["team", "tier", "example.org/x"]), st.sampled_from(["", "a", "b", "1"]), max_size=3
)
annotations = st.dictionaries(st.sampled_from(["note", "example.org/y"]), words, max_size=2)
env = keyed(
    st.one_of(
        st.fixed_dictionaries({"name": names}, optional={"value": words}),
        st.fixed_dictionaries(
            {
                "name": names,
                "valueFrom": st.sampled_from(
                    [
                        {"fieldRef": {"fieldPath": "spec.nodeName"}},
                        {"fieldRef": {"fieldPath": "spec.nodeName", "apiVersion": "v1"}},
                        {"configMapKeyRef": {"name": "c", "key": "k"}},
                        {"configMapKeyRef": {"name": "c", "key": "k", "optional": False}},
                        {"resourceFieldRef": {"resource": "limits.cpu", "containerName": "a"}},
                        {"resourceFieldRef": {"resource": "limits.cpu", "containerName": "a", "divisor": "1m"}},
                    ]
                ),
            }
        ),
    ),
    "name",
)
ports = keyed(
    st.fixed_dictionaries(
        {"containerPort": st.sampled_from([80, 81])}, optional={"protocol": st.sampled_from(["TCP", "UDP"])}
    ),
    "containerPort",
    "protocol",
)
container = st.fixed_dictionaries(
    {"name": names, "image": st.sampled_from(["example.org/a:1", "example.org/a"])},
    optional={
        "args": st.lists(words, max_size=3),
        "env": env,
        "ports": ports,
        "resources": maybe(requests=maybe(cpu=cpus, memory=sizes), limits=maybe(**{"nvidia.com/gpu": st.just(1)})),
        "securityContext": maybe(
            runAsUser=st.sampled_from([0, 1]), privileged=st.just(False), readOnlyRootFilesystem=st.booleans()
        ),
        "imagePullPolicy": st.sampled_from(["Always", "IfNotPresent"]),
        "livenessProbe": st.sampled_from(
            [
                {"httpGet": {"path": "/", "port": 80}},
                {"tcpSocket": {"port": "http"}},
                {"exec": {"command": ["a"]}, "periodSeconds": 10},
            ]
        ),
        "stdin": st.booleans(),
    },
)
volume = st.one_of(
    st.fixed_dictionaries({"name": names, "emptyDir": maybe(sizeLimit=sizes, medium=st.sampled_from(["", "Memory"]))}),
    st.fixed_dictionaries(
        {
            "name": names,
            "projected": st.sampled_from(
                [
                    {"sources": [{"serviceAccountToken": {"path": "t"}}]},
                    {
                        "sources": [{"configMap": {"name": "x", "items": [{"key": "a", "path": "a"}]}}],
                        "defaultMode": 420,
                    },
                    {
                        "sources": [
                            {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}}
                        ]
                    },
                ]
            ),
        }
    ),
)
pod = st.fixed_dictionaries(
    {"containers": keyed(container, "name", least=1)},
    optional={
        "volumes": keyed(volume, "name"),
        "nodeSelector": labels,
        "tolerations": st.lists(
            st.sampled_from(
                [{"operator": "Exists"}, {"key": "a", "operator": "Equal", "value": ""}, {"key": "a", "value": "b"}]
            ),
            max_size=2,
        ),
        "securityContext": maybe(runAsNonRoot=st.booleans(), fsGroup=st.just(0)),
        "hostNetwork": st.just(False),
        "terminationGracePeriodSeconds": st.sampled_from([0, 30]),
        "imagePullSecrets": keyed(st.fixed_dictionaries({"name": names}), "name"),
        "hostAliases": keyed(
            st.fixed_dictionaries(
                {"ip": st.sampled_from(["127.0.0.1", "127.0.0.2"]), "hostnames": st.lists(names, max_size=2)}
            ),
            "ip",
        ),
        "affinity": st.sampled_from(
            [
                {},
                {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
                            ]
                        }
                    }
                },
            ]
        ),
    },
)


@st.composite
def deployments(draw: st.DrawFn) -> dict:
    spec = draw(
        maybe(
            replicas=st.sampled_from([0, 0, None]),
            strategy=st.sampled_from(
                [{}, {"type": "Recreate"}, {"rollingUpdate": {"maxSurge": "25%"}}, {"rollingUpdate": {"maxSurge": 1}}]
            ),
            minReadySeconds=st.sampled_from([0, 5]),
            paused=st.just(False),
            revisionHistoryLimit=st.sampled_from([0, 10]),
        )
    )
    spec["selector"] = {"matchLabels": {"app": "x"}}
    spec["template"] = {"metadata": {"labels": {"app": "x", **draw(labels)}}, "spec": draw(pod)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": spec}


service_ports = keyed(
    st.fixed_dictionaries(
        {"name": names, "port": st.sampled_from([80, 81])},
        optional={"protocol": st.sampled_from(["TCP", "UDP"]), "targetPort": st.sampled_from([80, "http", "80"])},
    ),
    "port",
    "protocol",
    least=1,
).filter(lambda found: len({entry["name"] for entry in found}) == len(found))


def simple(api_version: str, kind: str, **fields: st.SearchStrategy) -> st.SearchStrategy[dict]:
    return maybe(**fields).map(
        lambda found: {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, **found}
    )


objects = st.one_of(
    deployments(),
    deployments(),
    simple(
        "v1",
        "ConfigMap",
        data=st.dictionaries(names, words, max_size=3),
        binaryData=st.dictionaries(st.just("z"), st.just("AAE=")),
    ),
    simple("v1", "Secret", data=st.dictionaries(names, st.sampled_from(["", "YQ==", "YWI="]), max_size=3)),
    simple(
        "v1",
        "ServiceAccount",
        automountServiceAccountToken=st.booleans(),
        imagePullSecrets=keyed(st.fixed_dictionaries({"name": names}), "name"),
    ),
    simple(
        "rbac.authorization.k8s.io/v1",
        "Role",
        rules=st.lists(
            st.fixed_dictionaries(
                {
                    "apiGroups": st.just([""]),
                    "resources": st.lists(names, min_size=1, max_size=2),
                    "verbs": st.just(["get"]),
                }
            ),
            max_size=2,
        ),
    ),
    st.builds(
        lambda ports, more: {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "x"},
            "spec": {"ports": ports, "clusterIP": "None", **more},
        },
        service_ports,
        maybe(selector=labels, sessionAffinity=st.just("None"), publishNotReadyAddresses=st.booleans()),
    ),
    simple(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec=maybe(
            podSelector=st.sampled_from([{}, {"matchLabels": {"a": "b"}}]),
            ingress=st.lists(
                maybe(ports=st.lists(maybe(port=st.sampled_from([80, "http"]), protocol=st.just("UDP")), max_size=2)),
                max_size=2,
            ),
            policyTypes=st.just(["Ingress"]),
        ),
    ),
    simple(
        "v1",
        "ResourceQuota",
        spec=maybe(hard=maybe(cpu=cpus, **{"requests.memory": sizes, "pods": st.sampled_from([1, "1"])})),
    ),
    simple(
        "push.example.org/v1",
        "Widget",
        spec=maybe(
            size=st.sampled_from([0, 3, 4]),
            limit=st.sampled_from(["500m", "0.5", 1, "1", ""]),
            parts=keyed(st.fixed_dictionaries({"name": names}, optional={"n": st.sampled_from([0, 1])}), "name"),
            tags=st.lists(words, max_size=3, unique=True),
        ),
    ),
)


@st.composite
def labelled(draw: st.DrawFn, base: st.SearchStrategy[dict] = objects) -> dict:
    document = draw(base)
    for field, strategy in (("labels", labels), ("annotations", annotations)):
        if draw(st.booleans()):
            document["metadata"][field] = draw(strategy)
    return document


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict, dict]:
    """An object, and a later form of it: a small edit, or one made anew."""
    first = draw(labelled())
    if draw(st.booleans()):
        second = draw(labelled().filter(lambda other: other["kind"] == first["kind"]))
    else:
        second = copy.deepcopy(first)
        for _edit in range(draw(st.integers(0, 2))):
            _edit_somewhere(draw, second)
    return first, second


def _edit_somewhere(draw: st.DrawFn, document: dict) -> None:
    """Remove, empty or reorder something, or change a scalar."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any, depth: int) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if depth > 0 and key not in ("apiVersion", "kind", "name", "selector"):
                places.append((node, key))
            if isinstance(value, (dict, list)) and key != "selector":
                walk(value, depth + 1)

    walk(document, 0)
    if not places:
        return
    node, key = draw(st.sampled_from(places))
    value = node[key]
    how = draw(st.sampled_from(["remove", "change", "reverse"]))
    if how == "remove":
        del node[key]
    elif how == "reverse" and isinstance(value, list):
        node[key] = value[::-1]
    elif isinstance(value, str):
        node[key] = draw(words)
    elif isinstance(value, int) and not isinstance(value, bool):
        node[key] = value + 1


hands = st.lists(
    st.sampled_from(
        [
            {"metadata": {"labels": {"team": "hand"}}},
            {"metadata": {"labels": {"team": None}}},
            {"metadata": {"annotations": {"note": "hand", "other": "hand"}}},
            {"spec": {"replicas": 1}},
            {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 5}}}},
            {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "hand"}]}}}},
            {"data": {"a": "aGFuZA=="}},
            {"data": {"a": None}},
            {"spec": {"size": 9}},
            {"spec": {"tags": ["hand"]}},
        ]
    ),
    max_size=2,
)


# The server as reference -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(api):
    """A client of our own, in a namespace with the test's CRD."""
    api.kubectl("create", "namespace", SPACE)
    api.kubectl("apply", "--server-side", "-f", "-", text=json.dumps(CRD))
    api.kubectl("wait", "--for=condition=Established", "crd/widgets.push.example.org")
    client = Client(auth.endpoint({"kubeconfig": api.kubeconfig}))
    yield Server(client)
    client.close()


class Server:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.discovery = Discovery(client.get)

    def item(self, document: dict, name: str) -> tuple[Item, Any]:
        document = copy.deepcopy(document)
        document["metadata"].update(name=name, namespace=SPACE)
        item = Item(document, "test", 1)
        resource = self.discovery.find(item.api_version, item.kind)
        return item, resource

    def apply(self, document: dict, name: str, dry_run: bool = False) -> dict:
        item, resource = self.item(document, name)
        return apply.apply(self.client, item, resource, force=True, dry_run=dry_run)[1]

    def get(self, document: dict, name: str) -> dict:
        _item, resource = self.item(document, name)
        return self.client.get(resource.path(name, SPACE))

    def edit(self, document: dict, name: str, patch: dict) -> None:
        _item, resource = self.item(document, name)
        body = json.dumps(patch).encode()
        try:
            self.client.request(
                "PATCH", resource.path(name, SPACE), {"fieldManager": "hand"}, body, "application/merge-patch+json"
            )
        except ApiError:
            return  # This kind has no such field; the other edits count.


def test_equal_never_hides_a_difference(server):
    """EQUAL means: an apply that is really sent changes nothing. And after a push, kinds of Kubernetes are EQUAL."""
    verdicts = {compare.EQUAL: 0, compare.UNSURE: 0, compare.DIFFERENT: 0}

    @SETTINGS
    @given(pairs(), hands)
    def check(pair: tuple[dict, dict], edits: list[dict]) -> None:
        first, second = pair
        name = f"o-{next(_numbers)}"
        try:
            server.apply(first, name)
            server.apply(second, name, dry_run=True)
        except ApiError:
            assume(False)  # Random objects that the server does not take.
        for patch in edits:
            server.edit(first, name, patch)
        before = server.get(first, name)
        verdict = compare.compare(server.item(second, name)[0].object, before)
        verdicts[verdict] += 1
        after = server.apply(second, name)
        if verdict == compare.EQUAL:
            # Nothing but bookkeeping: the server counts a generation and notes the time when an empty list comes back
            # as nothing, and notes that an object without any applied field was made before.
            assert json.loads(comparable(after)) == json.loads(comparable(before))
        again = compare.compare(server.item(second, name)[0].object, after)
        assert again != compare.DIFFERENT

    check()
    assert min(verdicts.values()) > 0, verdicts


def test_pushed_twice_over_random_edits_equals_kubectl(api, push, server):
    """Push, edit at random, push again: what is there equals what kubectl apply --server-side leaves behind."""
    counter = itertools.count()

    @settings(SETTINGS, max_examples=15)
    @given(st.lists(st.tuples(pairs(), hands), min_size=3, max_size=6))
    def check(cases: list[tuple[tuple[dict, dict], list[dict]]]) -> None:
        number = next(counter)
        ours, theirs = f"ours-{number}", f"theirs-{number}"
        usable = []
        for index, (pair, edits) in enumerate(cases):
            try:
                for document in pair:
                    server.apply(document, f"probe-{number}-{index}")
            except ApiError:
                continue
            usable.append((index, pair, edits))
        assume(usable)
        for step in (0, 1):
            sets = {
                prefix: [server.item(pair[step], f"{prefix}-{index}")[0].object for index, pair, _edits in usable]
                for prefix in (ours, theirs)
            }
            result = push(sets[ours], force_conflicts=True)
            assert not result["failed"], result["msg"]
            text = yaml.safe_dump_all(sets[theirs], default_style='"')
            api.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=text)
            for index, pair, edits in usable:
                for prefix in (ours, theirs):
                    for patch in edits if step == 0 else []:
                        server.edit(pair[0], f"{prefix}-{index}", patch)
        for index, pair, _edits in usable:
            mine = comparable(server.get(pair[1], f"{ours}-{index}"))
            other = comparable(server.get(pair[1], f"{theirs}-{index}"))
            assert json.loads(mine) == json.loads(other)
        last = push(sets[ours], force_conflicts=True)
        assert last["counts"]["unchanged"] == len(usable), last["objects"]

    check()


def comparable(document: dict) -> str:
    """An object without what must differ: names, times, versions, and the managers' names."""
    document = copy.deepcopy(document)
    metadata = document["metadata"]
    own = metadata["name"]
    for field in ("uid", "resourceVersion", "creationTimestamp", "name", "generation"):
        metadata.pop(field, None)
    entries = []
    for entry in metadata.pop("managedFields", None) or []:
        entry.pop("time", None)
        if entry["manager"] == "before-first-apply":
            continue  # A note without consequence, made when an object without any applied field is applied again.
        if entry["manager"] == "bramble.kube":
            entry["manager"] = "kubectl"
        entries.append(json.dumps(entry, sort_keys=True))
    document["managed"] = sorted(entries)
    return json.dumps(document, sort_keys=True).replace(own, "x")
