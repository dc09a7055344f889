# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input of every kind that the collection reads: one sentence of ours or a result, never a traceback or a secret.

Where something is written on the strength of what was read, it is written to something that stands for the cluster or
the Pi: nothing may be changed by input that was refused, nor by input that is bad in the eyes of another reader.

The budget is fixed. The seed is printed with the figures (see ../conftest.py); BRAMBLE_FUZZ_SEED=4711 tries others.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), *(str(HERE.parents[1] / folder) for folder in ("support", "unit/kubeadm", "unit/ksonnet"))]

import app_builder
import damaged
import inputs
import kubeadm_output as printed
import server
from inputs import CMDLINE, ETCD, INDEX, KUBECONFIG, MANIFESTS, SECRET, TOKEN

from ansible_collections.bramble.kube.plugins.filter.inventory_errors import filter_inventory_errors
from ansible_collections.bramble.kube.plugins.module_utils.backup import archive
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.module_utils.common.http import Response, TransportError
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign_values
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.images import reference
from ansible_collections.bramble.kube.plugins.module_utils.images.credentials import Credential, CredentialStore
from ansible_collections.bramble.kube.plugins.module_utils.images.find import images_of
from ansible_collections.bramble.kube.plugins.module_utils.images.registry import RegistryClient
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import options as ksonnet_options
from ansible_collections.bramble.kube.plugins.module_utils.ksonnet import run as ksonnet
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import join_command, tokens
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.etcd import parse_pod
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import parse_kubeconfig
from ansible_collections.bramble.kube.plugins.module_utils.manifests import auth, load, order, plan, push
from ansible_collections.bramble.kube.plugins.module_utils.manifests import transform as shape
from ansible_collections.bramble.kube.plugins.module_utils.manifests.auth import Endpoint
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import MOST_TOLD, ManifestError
from ansible_collections.bramble.kube.plugins.module_utils.manifests.masking import mask
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import cmdline
from ansible_collections.bramble.kube.plugins.module_utils.status import gather_cluster

SEED = int(os.environ["BRAMBLE_FUZZ_SEED"])
LONGEST = 600


class Refused(BrambleError):
    """What was read says in its result, and not by an exception, what is wrong."""


class Changed(Exception):
    """Something was changed that must not be."""


# What is written, and by whose leave ----------------------------------------------------------------------------------


def _push(api: server.Server, definition: Any) -> list[str]:
    """What a push does with a set, to its end.

    :returns: what it says of objects that the server refused.
    """
    mask(definition)
    items = shape.choose(load.load([], definition), "", "")
    scopes = order.defined_scopes(items)
    shape.refuse_wrong_scopes(items, lambda item: order.known_scope(item.group, item.kind, scopes))
    for item in items:
        shape.settle(item)
    shape.set_labels(items, {"app": "m"})
    shape.set_images(items, {"busybox": "other"})
    report = push.push(api, items, plan.Options(workers=1, timeout=0.1))
    images_of([item.object for item in items])
    return report.failures


def _shapes() -> dict[tuple[str, str], server.Shape]:
    """Fields and types of every kind here, as it is written and as it reaches the server."""
    found: dict[tuple[str, str], server.Shape] = {}
    api = server.Server(None)
    assert _push(api, list(MANIFESTS)) == []
    for item in [*MANIFESTS, *api.taken]:
        key = (item["apiVersion"], item["kind"])
        found[key] = server.merged([*([found[key]] if key in found else []), server.shape_of(item)])
    return found


SHAPES = _shapes()


def manifests(definition: Any) -> None:
    """Push, to a server that is as strict as a real one; what it takes has to be good as it was written."""
    api = server.Server(SHAPES)
    try:
        refused = _push(api, definition)
    except BrambleError:
        if api.taken:
            raise Changed(f"the set is refused, and {len(api.taken)} of its objects were written") from None
        raise
    written = server.objects(definition if isinstance(definition, str) else json.dumps(definition))
    for item in api.taken:
        if not any(_is_good_origin(item, other) for other in written or ()):
            raise Changed(f"{item['kind']} {item['metadata']['name']} was written, and is not good in the manifests")
    if refused:
        raise Refused("; ".join(refused)[:LONGEST])


def _is_good_origin(item: dict[str, Any], other: dict[str, Any]) -> bool:
    names = [(one.get("kind"), (one.get("metadata") or {}).get("name")) for one in (item, other)]
    return names[0] == names[1] and not server.faults(other, SHAPES.get((other.get("apiVersion"), other["kind"])))


def kubeconfig_text(text: str) -> None:
    path = Path(os.environ["FUZZ_FOLDER"]) / "kubeconfig"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    _trusted(auth.endpoint({"kubeconfig": str(path)}), (server.objects(text) or [{}])[0])


def kubeconfig_data(value: Any) -> None:
    if not isinstance(value, dict):
        raise Refused("the module's own option takes a mapping or a path alone")
    _trusted(auth.endpoint({"kubeconfig": value}), value)


def _trusted(endpoint: Endpoint, written: dict[str, Any]) -> None:
    """Requests go to a server that is written there, and unverified only where that is written."""
    Client(endpoint)
    clusters = [entry["cluster"] for entry in written.get("clusters") or () if isinstance(entry.get("cluster"), dict)]
    if not any(endpoint.server == str(entry.get("server")).rstrip("/") for entry in clusters):
        raise Changed(f"{endpoint.server!r} would be asked")
    if not endpoint.verify and not any(entry.get("insecure-skip-tls-verify") is True for entry in clusters):
        raise Changed("the server would not be verified")


class Answers(Client):
    """An API server that answers with what a test gives it."""

    def __init__(self, answers: Any) -> None:
        super().__init__(Endpoint("http://192.168.13.7:6443"))
        self.answers = answers if isinstance(answers, dict) else {}

    def get(self, path: str, query: Any = None, accept: str = "") -> Any:
        return self._object(path, json.dumps(self.answers.get(path, {"items": []})).encode("utf-8", "surrogatepass"))

    def text(self, path: str, query: Any = None) -> str:
        return f"panic: \x1b[31mpassword={SECRET}\n"

    def request(self, method: str, path: str, *_more: Any, **_options: Any) -> Any:
        raise Changed(f"{method} {path}")


def api(answers: Any) -> None:
    assert SECRET not in json.dumps(foreign_values(gather_cluster.ask(Answers(answers), audit=True)))


KINDS = {
    "resources": [
        {"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["get"]},
        {"name": "deployments/status", "kind": "Deployment", "namespaced": True, "verbs": ["get"]},
    ]
}


def kinds(answer: Any) -> None:
    """A push to a server that answers so when it is asked which kinds it has."""
    cluster = server.Server(SHAPES)
    cluster.kinds = answer
    _push(cluster, [MANIFESTS[0]])


class Registry:
    """A registry that answers with what a test gives it."""

    requests = 0

    def __init__(self, body: bytes, challenge: str, wait: str) -> None:
        self.body, self.challenge, self.wait, self.asked = body, challenge, wait, 0

    def request(self, method: str, url: str, headers: Any = None, body: Any = None) -> Response:
        if method not in ("GET", "HEAD") and not (method == "POST" and "/v2/" not in url):
            raise Changed(f"{method} {url}")
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


#: distribution/reference, regexp.go
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*"
    rf"(?::[0-9]+)?/)?{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*"
    r":[0-9a-fA-F]{32,})?",
    re.ASCII,
)


def image(text: str) -> None:
    reference.parse(text)
    if not _REFERENCE.fullmatch(text):
        raise Changed("by the grammar of distribution it is no reference")


def join(text: str) -> None:
    """What kubeadm join would be started with stands there, and is nothing but what its options take."""
    for command in join_command.parse_join_commands(text):
        known = (command.endpoint, command.token, *command.ca_cert_hashes, command.certificate_key)
        if not all(word in re.sub(r"[\"'\\]", "", text) for word in known):  # a shell takes quotes away
            raise Changed(f"{command.endpoint} and the rest do not stand there")
        if not re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", command.token) or not command.ca_cert_hashes:
            raise Changed("a machine would join without a whole token, or trust any CA")


def token_list(text: str) -> None:
    for token in tokens.parse_token_list(text):
        if not re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token.token) or token.token not in text:
            raise Changed("a token that does not stand there would be used or deleted")


def etcd_pod(text: str) -> None:
    pod = parse_pod(text)
    if not all(word in text for word in (pod.image, *pod.flags.values())):
        raise Changed("what etcd's programs would be started with does not stand there")


class Pi(System):
    """A Pi whose programs print nothing."""

    def run(self, arguments: Any, timeout: float = 10) -> str:
        """Nothing is started."""
        return ""


def command_line(text: str) -> None:
    """boot_cmdline on a Pi where the good file had been there before."""
    root = Path(os.environ["FUZZ_FOLDER"])
    file, wanted = root / "boot/firmware/cmdline.txt", {"present": ["cgroup_enable=memory"], "absent": ["quiet"]}
    (root / "proc/sys/kernel/random").mkdir(parents=True, exist_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    for old in file.parent.iterdir():
        old.unlink()
    (root / "proc/cmdline").write_text(CMDLINE)
    (root / "proc/sys/kernel/random/boot_id").write_text("1\n")
    options = {**wanted, "path": None}
    file.write_text(CMDLINE)
    cmdline.run(Pi(str(root)), options)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    before = file.read_bytes()
    try:
        result = cmdline.run(Pi(str(root)), options)
    except BrambleError:
        if file.read_bytes() != before:
            raise Changed("it is refused, and was changed") from None
        raise
    after = file.read_bytes()
    if result["changed"] and (
        after.count(b"\n") != 1 or set(after) - set(before + CMDLINE.encode() + b"cgroup_enable=memory")
    ):
        raise Changed(f"the kernel would be given {after!r:.300}")
    root_word = b"root=PARTUUID=1234-02"
    if root_word in before.split() and root_word not in after.split():
        raise Changed(f"root= is gone: {after!r:.300}")
    if cmdline.run(Pi(str(root)), options)["changed"]:
        raise Changed("a second run changes it again")


def archives(text: str) -> None:
    """Whoever restores writes what is in an archive that was accepted: only the good one may be."""
    if archive.check(io.BytesIO(text.encode("latin-1", "replace"))) != inputs.DESCRIPTION:
        raise Changed("another cluster would be restored")


def inventory(value: Any) -> None:
    if not isinstance(value, dict):
        raise Refused("Ansible takes a mapping alone")
    groups = {"all": ["m"], "bramble": ["m"], "master": ["m"], "node": [], "ungrouped": []}
    for sentence in filter_inventory_errors(groups, {"m": value}):
        check_said(sentence)
        raise Refused(sentence)


# A ksonnet app, made once ---------------------------------------------------------------------------------------------

APP: dict[str, str] = {}


def app_files(folder: Path) -> dict[str, str]:
    """The files of an app that people write, and of an app's parameters."""
    names = ("app.yaml", "components/params.libsonnet", "components/site.jsonnet", "components/own.yaml",
             "environments/default/main.jsonnet", "environments/default/params.libsonnet")  # fmt: skip
    if not APP:
        builder = app_builder.Builder(folder, folder.parent / "cache")
        builder.apply(**app_builder.standard())
        own = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "stringData": {"password": SECRET}}
        builder.write("components/own.yaml", yaml.safe_dump(own))
        APP.update({name: builder.text(name) for name in names if (folder / name).exists()})
        assert len(APP) >= 5, sorted(APP)
    return APP


def ksonnet_app(value: tuple[str, str]) -> None:
    """ksonnet_render with dest, over what the good app was rendered to."""
    folder = Path(os.environ["FUZZ_APP"])
    name, text = value
    dest = folder.parent / "rendered.yaml"
    params = {key: option.get("default") for key, option in ksonnet_options.RENDER.items()}
    params.update(app_dir=str(folder), environment="default", dest=str(dest), mode="0600")
    if not dest.exists():
        good = ksonnet.run(ksonnet.render, dict(params), False, False)
        assert not good.get("failed"), good["msg"]
    before = dest.read_bytes()
    (folder / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        result = ksonnet.run(ksonnet.render, dict(params), False, False)
        after = dest.read_bytes()
    finally:
        (folder / name).write_text(APP[name], encoding="utf-8")
        dest.write_bytes(before)
    if result.get("failed"):
        if after != before:
            raise Changed("it is refused, and the rendered file was changed")
        raise Refused(result["msg"])
    written = server.objects(after.decode("utf-8")) or []
    if len(written) != result["count"] or not all(
        isinstance(word, str) and word
        for item in written
        for word in (item.get("apiVersion"), item.get("kind"), (item.get("metadata") or {}).get("name"))
    ):
        raise Changed(f"something was rendered that is no object: {after!r:.300}")


@dataclass(frozen=True)
class Reader:
    """What reads.

    :ivar damage: makes the strategy of bad inputs from the good one.
    :ivar read: reads, and writes what is written on the strength of it.
    :ivar tries: how many inputs.
    """

    good: Any
    damage: Callable[[Any], st.SearchStrategy[Any]]
    read: Callable[[Any], Any]
    tries: int = 150


_ON_A_PI = yaml.safe_dump(KUBECONFIG).replace("insecure-skip-tls-verify: false", "certificate-authority: /x/ca.crt")
READERS = {
    "manifests": Reader(yaml.safe_dump_all(MANIFESTS), damaged.texts, manifests),
    "manifests in JSON": Reader(json.dumps(MANIFESTS[0], indent=1), damaged.texts, manifests),
    "manifests as data": Reader(list(MANIFESTS), damaged.data, manifests),
    "kubeconfigs, text": Reader(yaml.safe_dump(KUBECONFIG), damaged.texts, kubeconfig_text),
    "kubeconfigs, data": Reader(KUBECONFIG, damaged.data, kubeconfig_data),
    "kubeconfigs on a Pi": Reader(_ON_A_PI, damaged.texts, parse_kubeconfig),
    "API answers": Reader(inputs.API, damaged.data, api, 60),
    "API discovery": Reader(KINDS, damaged.data, kinds),
    "registry answers": Reader(
        f'{json.dumps(INDEX)}\n|Bearer realm="https://r.example/token",service="s"\n|3', damaged.texts, registry
    ),
    "registry logins": Reader(json.dumps(inputs.DOCKER), damaged.texts, credentials),
    "image references": Reader("docker.io/library/busybox:1.37@sha256:" + "0a" * 32, damaged.texts, image),
    "kubeadm join": Reader(printed.INIT_1_37.replace(printed.TOKEN, TOKEN), damaged.texts, join),
    "kubeadm token list": Reader(printed.LIST_1_37.replace(printed.TOKEN, TOKEN), damaged.texts, token_list),
    "kubeadm token list in JSON": Reader(
        printed.LIST_JSON_1_37.replace(printed.TOKEN, TOKEN), damaged.texts, token_list
    ),
    "etcd's manifest": Reader(ETCD, damaged.texts, etcd_pod),
    "backups": Reader(inputs.backup().decode("latin-1"), damaged.texts, archives),
    "cmdline files": Reader(CMDLINE, damaged.texts, command_line),
    "inventories": Reader(inputs.VARIABLES, damaged.data, inventory),
    "ksonnet apps": Reader(APP, damaged.files, ksonnet_app, 60),
}


# The tests ------------------------------------------------------------------------------------------------------------


def check_said(sentence: str, sentences: int = 1) -> None:
    """What is said must be short, without what acts on a terminal, and without the planted secret."""
    assert sentence and len(sentence) <= LONGEST * sentences, f"{len(sentence)} characters: {sentence[:200]}"
    assert SECRET not in sentence
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", sentence), ascii(sentence[:200])


def outcome(read: Callable[[Any], Any], value: Any) -> str:
    """Read, and tell what came of it."""
    try:
        read(value)
    except BrambleError as error:
        # What is wrong in a set of manifests is told together.
        check_said(str(error), MOST_TOLD if isinstance(error, ManifestError) else 1)
        return "answered"
    return "accepted"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUZZ_FOLDER", str(tmp_path))
    for name in list(os.environ):
        if name.startswith(("K8S_AUTH_", "KUBE")):
            monkeypatch.delenv(name)


@pytest.fixture
def app(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ksonnet app, as it was declared."""
    APP.clear()
    folder = tmp_path_factory.mktemp("ksonnet") / "app"
    app_files(folder)
    monkeypatch.setenv("FUZZ_APP", str(folder))


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("name", READERS)
def test_damaged_input_is_answered_by_one_sentence_of_ours(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    reader, counts = READERS[name], Counter()
    # Else all that is tried would be refused for one and the same reason.
    assert all(
        outcome(reader.read, good) == "accepted" for good in (APP.items() if reader.good is APP else [reader.good])
    )

    @seed(f"{SEED} {name}")
    @settings(
        max_examples=reader.tries,
        derandomize=False,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(reader.damage(reader.good))
    def each(value: Any) -> None:
        counts["tried"] += 1
        counts[outcome(reader.read, value)] += 1

    try:
        each()
    except Exception as error:
        error.add_note(f"BRAMBLE_FUZZ_SEED={SEED} has it again")
        raise
    record_property("bad input", (name, counts["tried"], counts["answered"], counts["accepted"]))


@pytest.mark.parametrize("number", range(len(MANIFESTS)))
def test_a_manifest_with_any_node_replaced(number: int, record_property: Callable[[str, object], None]) -> None:
    """Null, a text, a number, a list in each place."""
    good, counts = MANIFESTS[number], Counter()
    for path in damaged.nodes(good):
        for odd in (None, "text", 7, True, [], ["text"], {}, {"a": 1}):
            counts["tried"] += 1
            value = damaged.replaced(good, path, odd)
            try:
                counts[outcome(manifests, value)] += 1
            except Exception as error:
                pytest.fail(f"{good['kind']}, {path} = {odd!r}: {type(error).__name__}: {error!s:.300}")
    record_property(
        "bad input", ("manifests, each node replaced", counts["tried"], counts["answered"], counts["accepted"])
    )
