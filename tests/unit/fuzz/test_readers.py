"""Bad input of every kind that the collection reads: one sentence of ours or a result, never a traceback or a secret.

The budget is fixed; the seed is printed with the figures and taken from BRAMBLE_FUZZ_SEED when it is set, so that a
failure can be had again.
"""

# ruff: noqa: E501 - the manifests are tables
from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import random
import re
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

for _folder in ("support", "unit/kubeadm"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / _folder))

import kubeadm_output as printed

from ansible_collections.bramble.kube.plugins.filter.inventory_errors import filter_inventory_errors
from ansible_collections.bramble.kube.plugins.module_utils.backup import archive
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.module_utils.common.http import Response, TransportError
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign_values
from ansible_collections.bramble.kube.plugins.module_utils.images import reference
from ansible_collections.bramble.kube.plugins.module_utils.images.credentials import Credential, CredentialStore
from ansible_collections.bramble.kube.plugins.module_utils.images.find import images_of
from ansible_collections.bramble.kube.plugins.module_utils.images.registry import RegistryClient
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import join_command, tokens
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd import parse_pod
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import parse_kubeconfig
from ansible_collections.bramble.kube.plugins.module_utils.manifests import auth, load, modernize, order
from ansible_collections.bramble.kube.plugins.module_utils.manifests import transform as shape
from ansible_collections.bramble.kube.plugins.module_utils.manifests.auth import Endpoint
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client
from ansible_collections.bramble.kube.plugins.module_utils.manifests.masking import mask
from ansible_collections.bramble.kube.plugins.module_utils.pi import cmdline
from ansible_collections.bramble.kube.plugins.module_utils.status import gather_cluster

SEED = int(os.environ.get("BRAMBLE_FUZZ_SEED") or 20)
TRIES = int(os.environ.get("BRAMBLE_FUZZ_TRIES") or 150)  # for each reader
SECRET = "hunter2hunter2x9"
TOKEN = f"abcdef.{SECRET}"
LONGEST = 600
FIGURES: dict[str, Counter[str]] = {}

ODD: tuple[Any, ...] = (
    None,
    "",
    "text",
    7,
    -1.5,
    True,
    [],
    {},
    [None],
    {"a": None},
    "\x1b[2J",
    "\u202etxt",
    "x" * 2000,
)
PIECES = ("\x00", "\x1b[31m", "\u202e", "\ud800", "\n", "\r", "\t", "---\n", "{", "}", "[", "]", ":", '"', "'", "&a ", "*a ",
          "<<: ", "!!binary ", "! ", "%", "=", "--", "\u00a0", "\ufeff", "²", "1e999", "0o9", "null", "9" * 400)  # fmt: skip


def texts(rng: random.Random, good: str) -> Iterator[str]:
    """A good text, damaged: cut, pieces put in, parts taken out, doubled and swapped."""
    pieces = (*PIECES, f" {TOKEN} ") if SECRET in good else PIECES
    while True:
        text = good
        for _change in range(rng.randint(1, 3)):
            at, size = rng.randrange(len(text) + 1), rng.randint(1, 40)
            text = rng.choice(
                (
                    text[:at],
                    text[at:],
                    text[:at] + rng.choice(pieces) + text[at:],
                    text[:at] + text[at + size :],
                    text[: at + size] + text[at:],
                    text[:at] + rng.choice(pieces) * rng.choice((1, 1, 3000)) + text[at + size :],
                )
            )
        yield text


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every node of plain data."""
    yield path
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from nodes(entry, (*path, key))
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from nodes(entry, (*path, number))


def replaced(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """Plain data with one node replaced."""
    if not path:
        return copy.deepcopy(odd)
    result = copy.deepcopy(value)
    inner = result
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = copy.deepcopy(odd)
    return result


def data(rng: random.Random, good: Any) -> Iterator[Any]:
    """Plain data, with one to three of its nodes replaced."""
    while True:
        value = good
        for _change in range(rng.randint(1, 3)):
            value = replaced(value, rng.choice(list(nodes(value))), rng.choice(ODD))
        yield value


META = {"name": "a", "namespace": "b", "labels": {"app": "a"}, "annotations": {"x": "z"}}
POD = {
    "serviceAccountName": "a",
    "containers": [{"name": "c", "image": "busybox:1", "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 1}],
                    "volumeMounts": [{"name": "v", "mountPath": "/v"}], "resources": {"limits": {"cpu": "1"}}}],
    "initContainers": [{"name": "i", "image": "busybox"}],
    "volumes": [{"name": "v", "configMap": {"name": "a"}}],
}  # fmt: skip
TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": POD}
MANIFESTS: tuple[dict[str, Any], ...] = (
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": META,
     "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE}},
    {"apiVersion": "extensions/v1beta1", "kind": "Deployment", "metadata": {"name": "old"},
     "spec": {"replicas": 1, "rollbackTo": {"revision": 1}, "template": TEMPLATE}},
    {"apiVersion": "apps/v1beta1", "kind": "StatefulSet", "metadata": META,
     "spec": {"serviceName": "a", "template": TEMPLATE, "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {}}]}},
    {"apiVersion": "extensions/v1beta1", "kind": "Ingress", "metadata": META,
     "spec": {"backend": {"serviceName": "a", "servicePort": 80},
              "rules": [{"host": "h", "http": {"paths": [{"path": "/", "backend": {"serviceName": "a", "servicePort": "w"}}]}}]}},
    {"apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": META,
     "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": TEMPLATE}}}},
    {"apiVersion": "apiextensions.k8s.io/v1beta1", "kind": "CustomResourceDefinition", "metadata": {"name": "as.x.org"},
     "spec": {"group": "x.org", "version": "v1", "scope": "Namespaced", "names": {"plural": "as", "kind": "A"},
              "additionalPrinterColumns": [{"name": "n", "type": "string", "JSONPath": ".spec"}],
              "validation": {"openAPIV3Schema": {"properties": {"spec": {"type": "object"}}}}}},
    {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "bs.x.org"},
     "spec": {"group": "x.org", "scope": "Cluster", "names": {"plural": "bs", "kind": "B"},
              "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]}},
    {"apiVersion": "rbac.authorization.k8s.io/v1beta1", "kind": "RoleBinding", "metadata": META,
     "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"},
     "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "b"}]},
    {"apiVersion": "autoscaling/v2beta1", "kind": "HorizontalPodAutoscaler", "metadata": META,
     "spec": {"maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "a", "apiVersion": "apps/v1"},
              "metrics": [{"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 5}}]}},
    {"apiVersion": "admissionregistration.k8s.io/v1beta1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "a"},
     "webhooks": [{"name": "a.x.org", "clientConfig": {"service": {"name": "a", "namespace": "b"}},
                   "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["*"]}]}]},
    {"apiVersion": "v1", "kind": "Secret", "metadata": META, "stringData": {"password": SECRET}},
    {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": META, "data": {"a": "b"}}]},
    {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": META,
     "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}},
)  # fmt: skip
KUBECONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "n"}}],
    "clusters": [{"name": "k", "cluster": {"server": "https://192.168.13.7:6443", "insecure-skip-tls-verify": False}}],
    "users": [{"name": "u", "user": {"token": SECRET, "as": "x", "as-groups": ["g"], "as-user-extra": {"e": ["f"]}}}],
}
NODE = {
    "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/control-plane": ""}},
    "spec": {"podCIDR": "10.244.0.0/24"},
    "status": {"addresses": [{"type": "InternalIP", "address": "192.168.13.7"}], "nodeInfo": {"kubeletVersion": "v1.37.2"},
               "allocatable": {"pods": "110"}, "conditions": [{"type": "Ready", "status": "True", "message": SECRET[:0]}]},
}  # fmt: skip
ENDED = {"exitCode": 1, "reason": "Error", "message": f"\x1b[31mpassword={SECRET}"}
RUNNING_POD = {
    "metadata": {"name": "p", "namespace": "b"},
    "spec": {"nodeName": "n"},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}],
               "containerStatuses": [{"name": "c", "image": "i", "restartCount": 3, "state": {"terminated": ENDED}}]},
}  # fmt: skip
API = {
    "/version": {"gitVersion": "v1.37.2"},
    "/api/v1/nodes": {"items": [NODE]},
    "/api/v1/pods": {"items": [RUNNING_POD]},
    "/apis/apps/v1/deployments": {
        "items": [{"metadata": {"name": "d", "namespace": "b"}, "spec": {"replicas": 1}, "status": {}}]
    },
}
INDEX = {
    "token": "t0ken",  # the token service answers with the same
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.index.v1+json",
    "manifests": [{"digest": "sha256:" + "0" * 64, "platform": {"os": "linux", "architecture": "arm64"}}],
}
VARIABLES = {
    "ansible_host": "192.168.13.7",
    "kubeadm_version": "1.37.2",
    "kubeadm_pod_cidr": "10.244.0.0/16",
    "kubeadm_service_cidr": "10.96.0.0/12",
    "base_wifi_ssid": "home",
    "base_wifi_password": SECRET,
    "base_wifi_country": "GB",
    "base_kernel_modules": ["overlay"],
    "base_kernel_settings": {"net.ipv4.ip_forward": 1},
    "base_static_address": "192.168.13.7/24",
    "docker_registry_mirrors": {"docker.io": ["http://192.168.13.2:5000"]},
    "kubeadm_node_labels": {"a": "b"},
    "kubeadm_node_taints": [{"key": "a", "effect": "NoSchedule"}],
    "kubeflow_components": ["trainer", {"name": "katib", "state": "present"}],
    "kubeflow_catalogue_extra": [{"name": "own", "version": "1"}],
    "kubeflow_model_server_model": "digits",
}
CMDLINE = "console=serial0,115200 console=tty1 root=PARTUUID=1234-02 rootfstype=ext4 fsck.repair=yes rootwait quiet\n"
DOCKER = {"auths": {"r.example": {"auth": "YWRhOmh1bnRlcjJodW50ZXIyeDk="}, "q.example": {"identitytoken": SECRET}}}
ETCD = yaml.safe_dump(
    {"kind": "Pod", "spec": {"containers": [{"command": ["etcd", "--data-dir=/var/lib/etcd", "--name=m", "--initial-advertise-peer-urls=https://192.168.13.7:2380"], "image": "registry.k8s.io/etcd:3.7"}]}}
)  # fmt: skip


def manifests(definition: Any) -> None:
    """What a push does with a set before it asks the server."""
    mask(definition)
    items = shape.choose(load.load([], definition), "", "")
    scopes = order.defined_scopes(items)
    shape.refuse_wrong_scopes(items, lambda item: order.known_scope(item.group, item.kind, scopes))
    for item in items:
        shape.settle(item)
    shape.set_labels(items, {"l": "m"})
    shape.set_images(items, {"busybox": "other"})
    items, _rewritten = modernize.modernize(
        items, lambda item: "beta" in item.api_version, lambda version, kind: "beta" not in version
    )
    shape.set_namespaces(items, lambda item: order.known_scope(item.group, item.kind, scopes), "default")
    order.waves(items)
    for item in items:
        order.defined_kinds(item)
    images_of([item.object for item in items])


def kubeconfig_text(text: str) -> None:
    path = Path(os.environ["FUZZ_FOLDER"]) / "kubeconfig"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    Client(auth.endpoint({"kubeconfig": str(path)}))


def kubeconfig_data(value: Any) -> None:
    if isinstance(value, dict):
        Client(auth.endpoint({"kubeconfig": value}))


class Answers(Client):
    """An API server that answers with what a test gives it."""

    def __init__(self, answers: Any) -> None:
        super().__init__(Endpoint("https://192.168.13.7:6443"))
        self.answers = answers if isinstance(answers, dict) else {}

    def get(self, path: str, query: Any = None, accept: str = "") -> Any:
        return self._object(path, json.dumps(self.answers.get(path, {"items": []})).encode("utf-8", "surrogatepass"))

    def text(self, path: str, query: Any = None) -> str:
        return f"panic: \x1b[31mpassword={SECRET}\n"


def api(answers: Any) -> Any:
    assert SECRET not in json.dumps(foreign_values(gather_cluster.ask(Answers(answers), audit=True)))


class Registry:
    """A registry that answers with what a test gives it."""

    requests = 0

    def __init__(self, body: bytes, challenge: str, wait: str) -> None:
        self.body, self.challenge, self.wait, self.asked = body, challenge, wait, 0

    def request(self, method: str, url: str, headers: Any = None, body: Any = None) -> Response:
        self.asked += 1
        if self.asked == 1:
            return Response(401, {"www-authenticate": self.challenge}, b"", url)
        if self.asked == 2:
            return Response(429, {"retry-after": self.wait}, b"", url)
        if self.asked > 9:
            raise TransportError("connection refused")
        return Response(200, {}, self.body, url)


def registry(text: str) -> None:
    body, _bar, rest = text.partition("\n|")
    challenge, _bar, wait = rest.partition("\n|")
    client = RegistryClient(
        Registry(body.encode("utf-8", "surrogatepass"), challenge, wait),
        CredentialStore({"r.example": Credential("ada", SECRET)}),
        sleep=lambda _seconds: None,
    )
    client.manifest(reference.parse("r.example/a/b:1"))


def credentials(text: str) -> None:
    path = Path(os.environ["FUZZ_FOLDER"]) / "config.json"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    store = CredentialStore({}, [path])
    for name in ("r.example", "q.example"):
        store.get(name, "a/b")


def command_line(text: str) -> None:
    content = text.encode("utf-8", "surrogatepass")
    parsed = cmdline.parse(content)
    cmdline.is_cut(parsed, content, CMDLINE.encode())
    change = cmdline.apply(parsed.tokens, ("cgroup_enable=memory",), ("quiet",))
    assert cmdline.render(change.tokens).count(b"\n") == 1
    cmdline.check_wanted(parsed.tokens, ())


def inventory(value: Any) -> Any:
    if not isinstance(value, dict):
        return []
    groups = {"all": ["m"], "bramble": ["m"], "master": ["m"], "node": [], "ungrouped": []}
    return filter_inventory_errors(groups, {"m": value})


DESCRIPTION = archive.Description(
    1700000000, "m", "192.168.13.7", "https://192.168.13.7:6443", "1.37.2", "registry.k8s.io/etcd:3.7", "0a" * 32, 1, 1
)


def backup() -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        for name, content in (
            (archive.DESCRIPTION, DESCRIPTION.to_json()),
            (archive.SNAPSHOT, bytes(1024) + hashlib.sha256(bytes(1024)).digest()),
            *(
                (archive.FILES + path, (ETCD if path.endswith("/etcd.yaml") else SECRET).encode())
                for path in archive.NEEDED
            ),
        ):
            head = tarfile.TarInfo(name)
            head.size = len(content)
            tar.addfile(head, io.BytesIO(content))
    return whole.getvalue()


def archives(text: str) -> None:
    archive.check(io.BytesIO(text.encode("latin-1", "replace")))


#: Reader → good input, how it is damaged, and what reads it.
READERS: dict[str, tuple[Any, Callable[[random.Random, Any], Iterator[Any]], Callable[[Any], Any]]] = {
    "manifests": (yaml.safe_dump_all(MANIFESTS), texts, manifests),
    "manifests in JSON": (json.dumps(MANIFESTS[0], indent=1), texts, manifests),
    "kubeconfigs, text": (yaml.safe_dump(KUBECONFIG), texts, kubeconfig_text),
    "kubeconfigs, data": (KUBECONFIG, data, kubeconfig_data),
    "kubeconfigs on a Pi": (
        yaml.safe_dump(KUBECONFIG).replace("insecure-skip-tls-verify: false", "certificate-authority: /x/ca.crt"), texts, parse_kubeconfig),
    "API answers": (API, data, api),
    "registry answers": (
        f'{json.dumps(INDEX)}\n|Bearer realm="https://r.example/token",service="s"\n|3', texts, registry),
    "registry logins": (json.dumps(DOCKER), texts, credentials),
    "image references": ("docker.io/library/busybox:1.37@sha256:" + "0a" * 32, texts, reference.parse),
    "kubeadm join": (printed.INIT_1_37.replace(printed.TOKEN, TOKEN), texts, join_command.parse_join_commands),
    "kubeadm token list": (printed.LIST_1_37.replace(printed.TOKEN, TOKEN), texts, tokens.parse_token_list),
    "kubeadm token list in JSON": (printed.LIST_JSON_1_37.replace(printed.TOKEN, TOKEN), texts, tokens.parse_token_list),
    "etcd's manifest": (ETCD, texts, parse_pod),
    "backups": (backup().decode("latin-1"), texts, archives),
    "cmdline files": (CMDLINE, texts, command_line),
    "inventories": (VARIABLES, data, inventory),
}  # fmt: skip


def outcome(read: Callable[[Any], Any], value: Any) -> str:
    """Read; whatever is said must be ours, short, and without the planted secret."""
    said: list[str] = []
    try:
        result = read(value)
        verdict = "accepted"
        if isinstance(result, list) and result and all(isinstance(entry, str) for entry in result):
            said, verdict = result, "answered"
    except BrambleError as error:
        said, verdict = [str(error)], "answered"
    for sentence in said:
        assert sentence and len(sentence) <= LONGEST, f"{len(sentence)} characters: {sentence[:200]}"
        assert SECRET not in sentence
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", sentence), ascii(sentence[:200])
    return verdict


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUZZ_FOLDER", str(tmp_path))
    for name in list(os.environ):
        if name.startswith(("K8S_AUTH_", "KUBE")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("name", READERS)
def test_damaged_input_is_answered_by_one_sentence_of_ours(name: str) -> None:
    good, damage, read = READERS[name]
    rng = random.Random(f"{SEED} {name}")
    counts = FIGURES.setdefault(name, Counter())
    begun = time.process_time()
    for value in damage(rng, good):
        counts["tried"] += 1
        try:
            counts[outcome(read, value)] += 1
        except Exception as error:
            pytest.fail(
                f"seed {SEED}, {name}, try {counts['tried']}: {type(error).__name__}: {error!s:.300}\n{value!r:.1500}"
            )
        if counts["tried"] >= TRIES or time.process_time() - begun > 6:
            break


@pytest.mark.parametrize("number", range(len(MANIFESTS)))
def test_a_manifest_with_any_node_replaced(number: int) -> None:
    """Null, a text, a number, a list in each place."""
    good = MANIFESTS[number]
    counts = FIGURES.setdefault("manifests, each node replaced", Counter())
    for path in nodes(good):
        for odd in (None, "text", 7, True, [], ["text"], {}, {"a": 1}):
            counts["tried"] += 1
            value = replaced(good, path, odd)
            try:
                counts[outcome(manifests, value)] += 1
            except Exception as error:
                pytest.fail(f"{good['kind']}, {path} = {odd!r}: {type(error).__name__}: {error!s:.300}")


def test_the_good_inputs_are_good() -> None:
    """Else all that is tried would be refused for one and the same reason."""
    for name, (good, _damage, read) in READERS.items():
        assert outcome(read, good) == "accepted", name


def table() -> list[str]:
    """The figures as a table for the docs."""
    rows = [
        "| what was read | tried | answered by one sentence | read without harm | tracebacks |",
        "|---|---|---|---|---|",
    ]
    total: Counter[str] = Counter()
    for name, counts in FIGURES.items():
        total.update(counts)
        rows.append(f"| {name} | {counts['tried']} | {counts['answered']} | {counts['accepted']} | 0 |")
    rows.append(f"| all | {total['tried']} | {total['answered']} | {total['accepted']} | 0 |")
    return rows


def test_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """Last: says what was tried; with BRAMBLE_FUZZ_DOCS=1 the table in docs/security.md is written."""
    with capsys.disabled():
        print(f"\nseed {SEED}\n" + "\n".join(table()))
    if os.environ.get("BRAMBLE_FUZZ_DOCS"):
        page = Path(__file__).resolve().parents[3] / "docs" / "security.md"
        begin, end = "<!-- bad input: begin -->\n", "<!-- bad input: end -->\n"
        before, _begin, rest = page.read_text(encoding="utf-8").partition(begin)
        page.write_text(f"{before}{begin}{chr(10).join(table())}\n{end}{rest.partition(end)[2]}", encoding="utf-8")
