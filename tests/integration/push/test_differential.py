"""The same manifests pushed by this module, by `kubectl apply --server-side` and by `kubectl apply`, side by side.

The module has an API server of its own, beside kubectl's. Each case (see differential.py) is an object in a first and a
second form; what other tools do to it before and in between happens on both. Compared are the verdict and the stored
object after the first, the second and once more the second form; and the last push of ours writes nothing. What differs
is on the list of INTENDED (a table in docs/push.md), or a failure.

A sample runs by default, a larger one with BRAMBLE_DIFFERENTIAL_SAMPLE=200, all with BRAMBLE_DIFFERENTIAL=all, and one
of eight parts with BRAMBLE_DIFFERENTIAL=1/8. BRAMBLE_DIFFERENTIAL_SEED=4711 makes another corpus.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import differential
import pytest
import yaml
from apiserver import ApiServer
from differential import CLIENT_SIDE, OURS, SEED, SERVER_SIDE, SPACE, Case
from options import DEFAULTS

from ansible_collections.bramble.kube.plugins.module_utils.manifests import auth, load, run
from ansible_collections.bramble.kube.plugins.module_utils.manifests import transform as shape
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import APPLY_PATCH, JSON, Client
from ansible_collections.bramble.kube.plugins.module_utils.manifests.discovery import Discovery
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ManifestError

SAMPLE = int(os.environ.get("BRAMBLE_DIFFERENTIAL_SAMPLE", "20"))
PART = os.environ.get("BRAMBLE_DIFFERENTIAL", "")
Forms = dict[str, list[dict]]
Verdicts = dict[str, tuple[bool, str]]  # name → whether it was taken, what was said otherwise
FLAGS = {SERVER_SIDE: ["apply", "--server-side"], CLIENT_SIDE: ["apply"]}
NAME = re.compile(r"\bx\d+\b")
KINDS = {(base["apiVersion"], base["kind"]) for base in yaml.safe_load_all(differential.BASES)}


def chosen() -> list[Case]:
    cases = differential.corpus()
    if PART in ("", "all"):
        return cases if PART else differential.sample(cases, SAMPLE)
    part, parts = PART.split("/")
    return cases[int(part) - 1 :: int(parts)]


def is_old(document: dict) -> bool:
    return "beta" in str(document.get("apiVersion"))


# One way to push, from the first form to the last ----------------------------------------------------------------


class Way:
    """All cases by one of the three ways, in one namespace of one server."""

    def __init__(self, way: str, api: ApiServer, cases: list[Case], folder: Path) -> None:
        self.way = way
        self.api = api
        self.cases = cases
        self.folder = folder / way
        self.folder.mkdir()
        self.space = f"{SPACE}-2" if way == CLIENT_SIDE else SPACE
        self._client = Client(auth.endpoint({**DEFAULTS, "kubeconfig": api.kubeconfig}), 60)
        self._discovery = Discovery(self._client.get)
        kinds = {document["kind"] for case in cases for document in case.first}
        self._kinds = [(version, kind) for version, kind in KINDS if kind in kinds]

    def play(self) -> None:
        """Push the first form, the second and, where it is compared, the second again."""
        own = {"metadata": {"name": self.space}}
        self._send("POST", {**own, "apiVersion": "v1", "kind": "Namespace"})
        self._send("POST", {"metadata": {"name": "default"}, "apiVersion": "v1", "kind": "ServiceAccount"})
        self._let_others_make()
        self._step({case.name: case.first for case in self.cases if not case.made_by})
        second = {case.name: case.second for case in self.cases}
        held = {case.name for case in self.cases if case.deleted}
        self._let_others_meddle()
        self._step(second, held)
        if self.way == CLIENT_SIDE:
            return
        self._release()
        self._step(second)
        if self.way == OURS:
            self._push(second)

    def _step(self, forms: Forms, held: Collection[str] = ()) -> None:
        """Push, and note what came of it.

        :param held: names of what is being deleted, for which nobody waits here.
        """
        if self.way == OURS:
            verdicts = self._push({name: form for name, form in forms.items() if name not in held})
            verdicts |= self._push({name: form for name, form in forms.items() if name in held}, timeout=1)
        else:
            verdicts = self._kubectl(self._translated(forms), *FLAGS[self.way])
        stored = {document["metadata"]["name"]: plain(document) for document in self._objects()}
        for case in self.cases:
            verdict, told = verdicts.get(case.name, (True, ""))
            case.verdicts.setdefault(self.way, []).append(verdict)
            case.stored.setdefault(self.way, []).append(stored.get(case.name))
            if told:
                case.told[self.way] = told

    # What others do --------------------------------------------------------------------------------------------------

    def _let_others_make(self) -> None:
        for tool in ("kubectl create", "kubectl apply"):
            self._kubectl({case.name: case.first for case in self.cases if case.made_by == tool}, tool.split()[1])
        for case in self.cases:
            if case.made_by == "helm 3":
                self._send("POST", case.first[0], "helm")
            elif case.made_by == "helm 4":
                self._send("PATCH", case.first[0], "helm")

    def _let_others_meddle(self) -> None:
        """Change what is there by force, where the server lets them, and delete."""
        there = {document["metadata"]["name"] for document in self._objects()}
        for case in self.cases:
            if case.name in there and case.meddled:
                with contextlib.suppress(ApiError):
                    self._send("PATCH", case.meddled, "meddler", force="true")
            if case.name in there and case.deleted:
                self._send("DELETE", case.first[0], propagationPolicy=case.deleted)

    def _release(self) -> None:
        """Let go of what is being deleted."""
        for document in self._objects():
            if document["metadata"].get("deletionTimestamp"):
                path = self._path(document)
                nothing = b'{"metadata": {"finalizers": null}}'
                self._client.request("PATCH", path, None, nothing, "application/merge-patch+json")
                if document["kind"] == "Pod":
                    self._send("DELETE", document, gracePeriodSeconds="0")

    def _send(self, method: str, document: dict, manager: str = "setup", **query: str) -> None:
        path = self._path(document)
        body = None if method == "DELETE" else {**document, "metadata": dict(document["metadata"])}
        if body:
            body["metadata"].pop("namespace", None)
            query["fieldManager"] = manager
        if method == "POST":
            path = path.rpartition("/")[0]
        self._client.request(method, path, query, body, APPLY_PATCH if method == "PATCH" else JSON)

    def _path(self, document: dict) -> str:
        resource = self._discovery.find(document["apiVersion"], document["kind"])
        return resource.path(document["metadata"]["name"], self.space)

    def _objects(self) -> Iterator[dict]:
        """What the cases have on the server."""
        for version, kind in self._kinds:
            collection = self._discovery.find(version, kind).collection(self.space)
            for document in self._client.get(collection)["items"]:
                if NAME.fullmatch(document["metadata"]["name"]):
                    yield {**document, "apiVersion": version, "kind": kind}

    # Pushing ---------------------------------------------------------------------------------------------------------

    def _kubectl(self, forms: Forms, *flags: str) -> Verdicts:
        if not forms:
            return {}
        for name, documents in forms.items():
            whole = documents[0] if len(documents) == 1 else {"apiVersion": "v1", "kind": "List", "items": documents}
            text = json.dumps(whole).replace(f'"namespace": "{SPACE}"', f'"namespace": "{self.space}"')
            (self.folder / f"{name}.json").write_text(text)
        text = self.api.kubectl(*flags, "-n", self.space, "-f", str(self.folder), check=False)
        for path in self.folder.iterdir():
            path.unlink()
        took = re.compile(r"^\S+/(x\d+) (?:created|configured|unchanged|serverside-applied)$", re.MULTILINE)
        taken = took.findall(text)
        said: dict[str, list[str]] = {}
        for line in text.splitlines():
            for name in dict.fromkeys(NAME.findall(line)):
                said.setdefault(name, []).append(line)
        verdicts = {name: taken.count(name) == len(documents) for name, documents in forms.items()}
        return {name: (ok, "" if ok else " ".join(said.get(name, []))[:300]) for name, ok in verdicts.items()}

    def _translated(self, forms: Forms) -> Forms:
        """Old API versions as this module's `dest` writes them, for who leaves it."""
        old = {name for name, documents in forms.items() if any(is_old(document) for document in documents)}
        good, _verdicts = self._readable({name: forms[name] for name in old})
        path = self.folder.with_suffix(".yaml")
        written: Forms = {}
        while good:
            _failed, result = self._run(good, dest=str(path))
            if result.get("dest"):
                for document in yaml.safe_load_all(path.read_text()):
                    written.setdefault(document["metadata"]["name"], []).append(document)
                break
            self._take_out(good, result)
        return {**forms, **written}

    def _readable(self, forms: Forms) -> tuple[Forms, Verdicts]:
        """What can be read, and what is said about the rest."""
        good, verdicts = {}, {}
        for name, documents in forms.items():
            try:
                for document in documents:
                    for item in load.load([], copy.deepcopy(document)):
                        shape.settle(item)
                good[name] = documents
            except ManifestError as error:
                verdicts[name] = (False, str(error))
        return good, verdicts

    def _push(self, forms: Forms, **options: Any) -> Verdicts:
        """By this module: all at once, without what it refuses before it begins."""
        good, verdicts = self._readable(forms)
        actions: dict[str, list[str]] = {}
        while good:
            _failed, result = self._run(good, **options)
            if "objects" not in result:
                verdicts |= dict.fromkeys(self._take_out(good, result), (False, result["msg"]))
                continue
            for entry in result["objects"]:
                actions.setdefault(entry["name"], []).append(entry["action"])
                if entry["action"] == "failed":
                    verdicts[entry["name"]] = (False, entry["reason"])
            break
        for case in self.cases:
            if case.name in forms:
                case.last_actions = actions.get(case.name, [])
        return verdicts

    def _run(self, forms: Forms, **options: Any) -> tuple[bool, dict]:
        definition = copy.deepcopy([document for documents in forms.values() for document in documents])
        params = {**DEFAULTS, "kubeconfig": self.api.kubeconfig, "definition": definition, "namespace": self.space}
        return run.run({**params, "timeout": 60, **options}, check=False, diff=False)

    def _take_out(self, forms: Forms, result: dict) -> set[str]:
        """Take out what a refusal of the whole set names."""
        named = set(NAME.findall(result["msg"])) & set(forms)
        assert named, result
        for name in named:
            del forms[name]
        return named


_OWN = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "namespace", "deletionTimestamp")
_LAST = "kubectl.kubernetes.io/last-applied-configuration"


def plain(document: dict) -> dict:
    uid = document["metadata"]["uid"]
    metadata = {key: value for key, value in document["metadata"].items() if key not in _OWN}
    annotations = {key: value for key, value in (metadata.pop("annotations", None) or {}).items() if key != _LAST}
    if annotations:
        metadata["annotations"] = annotations
    document = {**document, "metadata": metadata}
    document.pop("status", None)
    spec = document.get("spec", {})
    for key in ("clusterIP", "clusterIPs"):
        spec.pop(key, None)
    for port in spec.get("ports") or [] if document["kind"] == "Service" else []:
        port.pop("nodePort", None)
    text = re.sub(r"kube-api-access-\w+", "kube-api-access", json.dumps(document))
    return json.loads(text.replace(uid, "UID"))


@pytest.fixture(scope="module")
def cases(api, tmp_path_factory) -> Iterator[list[Case]]:
    """Every case, pushed in all ways: the first form, the second, and the second again."""
    found = chosen()
    folder = tmp_path_factory.mktemp("manifests")
    kubectls = ApiServer("--feature-gates=AllAlpha=false")

    def define(server: ApiServer) -> None:
        server.kubectl("apply", "--server-side", "-f", "-", text=differential.DEFINITION)
        server.kubectl("wait", "--for=condition=Established", "crd/things.example.org")

    try:
        kubectls.start()
        if any(document["kind"] == "Thing" for case in found for document in case.first):
            define(kubectls)
            define(api)
        ways = [Way(way, api if way == OURS else kubectls, found, folder) for way in (OURS, SERVER_SIDE, CLIENT_SIDE)]
        with ThreadPoolExecutor(len(ways)) as pool:
            for done in [pool.submit(way.play) for way in ways]:
                done.result()
        yield found
    finally:
        kubectls.stop()


# What may differ -------------------------------------------------------------------------------------------------


def has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(entry is None or has_null(entry) for entry in value.values())
    return isinstance(value, list) and any(entry is None or has_null(entry) for entry in value)


def null_in_kubernetes_own(case: Case) -> bool:
    return any(has_null(document) and document["kind"] != "Thing" for document in case.first + case.second)


def being_deleted(case: Case) -> bool:
    ours, theirs = case.stored[OURS], case.stored[SERVER_SIDE]
    return (
        bool(case.deleted)
        and case.verdicts[OURS] == [True, False, True]
        and "is being deleted" in case.told[OURS]
        and (ours[0], ours[2]) == (theirs[0], theirs[2])
    )


def twice(case: Case) -> bool:
    return len(case.second) > 1 and not case.verdicts[OURS][1] and "is in the set twice" in case.told[OURS]


def taken_over_at_once(case: Case) -> bool:
    """kubectl applies before it takes over: it conflicts with itself, or misses what left the manifest until next time.

    Here it is as with another client-side apply.
    """
    if case.made_by != "kubectl apply":
        return False
    ours, theirs = case.verdicts[OURS], case.verdicts[SERVER_SIDE]
    if (ours, theirs) == ([True, True, True], [True, False, False]):
        return case.verdicts[CLIENT_SIDE][1] and case.stored[OURS][1] == case.stored[CLIENT_SIDE][1]
    return (ours, theirs) == ([True, False, False], [True, True, False])


def not_sent(case: Case) -> bool:
    """The server took it once, and would not again."""
    return (
        case.verdicts[OURS] == [True, True, True]
        and case.verdicts[SERVER_SIDE] == [True, True, False]
        and case.stored[OURS] == case.stored[SERVER_SIDE]
        and case.last_actions == ["unchanged"]
    )


# (what docs/push.md calls it, whether it explains a difference from `kubectl apply --server-side`)
INTENDED: list[tuple[str, Callable[[Case], bool]]] = [
    ("nulls are left out", null_in_kubernetes_own),
    (
        "another branch of a union is chosen in one push",
        lambda case: (
            case.verdicts[OURS][1]
            and not case.verdicts[SERVER_SIDE][1]
            and (case.verdicts[CLIENT_SIDE][1] or "only allowed for" in case.told[SERVER_SIDE])
        ),
    ),
    ("what is being deleted is waited for", being_deleted),
    ("one object twice is refused", twice),
    ("what client-side apply made is taken over at once", taken_over_at_once),
    ("what is as wanted is not sent", not_sent),
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
    assert len(differential.corpus()) >= 300


def test_verdicts_and_stored_objects_are_those_of_kubectl_or_on_the_list(cases):
    print(f"{len(cases)} cases of BRAMBLE_DIFFERENTIAL_SEED={SEED}")
    told = []
    for case in cases:
        found = differences(case)
        if found and not any(explains(case) for _name, explains in INTENDED):
            told.append(f"{case.name}, {case.family}: {case.what}: {'; '.join(found)}\n  {case.told}")
    assert not told, f"{len(told)} of {len(cases)} cases of seed {SEED} differ:\n" + "\n".join(told)


def test_what_kubectl_apply_takes_is_taken_or_refused_for_a_reason_on_the_list(cases):
    reasons = ("others manage", "has two entries with", "is being deleted", "is in the set twice")
    told = [
        f"{case.name}, {case.family}: {case.what}: {case.told}"
        for case in cases
        if case.verdicts[CLIENT_SIDE][1]
        and not case.verdicts[OURS][1]
        and not any(reason in case.told[OURS] for reason in reasons)
    ]
    assert not told, f"{len(told)} of {len(cases)} cases of seed {SEED}:\n" + "\n".join(told)


def test_the_last_push_writes_nothing(cases):
    wrong = [
        f"{case.name}, {case.what}: {', '.join(case.last_actions)}"
        for case in cases
        if case.verdicts[OURS][2] and set(case.last_actions) != {"unchanged"}
    ]
    assert not wrong, f"seed {SEED}:\n" + "\n".join(wrong)


def test_the_list_of_what_differs_is_in_the_docs():
    text = (Path(__file__).parents[3] / "docs" / "push.md").read_text()
    for name, _explains in INTENDED:
        assert name in text, name
