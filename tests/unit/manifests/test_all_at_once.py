# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set with one slip of every kind: one run tells all of them, each with file and line, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from answering import Server, definition, push, thing

from ansible_collections.bramble.kube.plugins.module_utils.common.http1 import Answer
from ansible_collections.bramble.kube.plugins.module_utils.manifests.applyset import PART_OF_LABEL

CONFIG = "---\napiVersion: v1\nkind: ConfigMap\n"
#: What is in the file, and what is told of it; LINE is the line of the object.
SLIPS: dict[str, tuple[str, str]] = {
    "no apiVersion": ("---\nkind: ConfigMap\nmetadata: {name: a}\n", "set.yaml:LINE, a ConfigMap, has no apiVersion"),
    "no name": (CONFIG + "metadata: {}\n", "set.yaml:LINE, a ConfigMap, has no metadata.name"),
    "generateName": (CONFIG + "metadata: {generateName: a-}\n", "set.yaml:LINE, a ConfigMap, has generateName"),
    "a placeholder": (CONFIG + 'metadata: {name: "$(NAME)"}\n', "has the metadata.name '$(NAME)', a placeholder"),
    "a label": (CONFIG + "metadata: {name: labels, labels: {v: 1.10}}\n", "at set.yaml:LINE has the label v"),
    "an annotation of the same": (
        CONFIG + "metadata: {name: both, labels: {v: 2}, annotations: {w: 3}}\n",
        "at set.yaml:LINE has the annotation w, the number 3",
    ),
    "finalizers": (CONFIG + "metadata: {name: held, finalizers: 5}\n", "has metadata.finalizers that are the number 5"),
    "one twice": (CONFIG + "metadata: {name: first}\n" + CONFIG + "metadata: {name: first}\n", "in the set twice"),
    "one twice by its namespace": (
        CONFIG + "metadata: {name: second}\n" + CONFIG + "metadata: {name: second, namespace: shop}\n",
        "ConfigMap shop/second is in the set twice",
    ),
    "a scope": (
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: wide, namespace: x}\n",
        "Namespace wide at set.yaml:LINE has namespace x",
    ),
    "a scope that the server tells": (
        "---\napiVersion: example.org/v1\nkind: Board\nmetadata: {name: board, namespace: x}\n",
        "Board board at set.yaml:LINE has namespace x",
    ),
    "stringData": (
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: 1}\n",
        "at set.yaml:LINE has a stringData.a that is the number 1",
    ),
    "an image": (
        "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: 'UPPER:x'}]}\n",
        "Pod p at set.yaml:LINE",
    ),
    "a kind that is not served": (
        "---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: ds}\n",
        "at set.yaml:LINE is of a kind and version (apps/v1) that this server does not serve",
    ),
    "what cannot be converted": (
        "---\napiVersion: policy/v1beta1\nkind: PodSecurityPolicy\nmetadata: {name: psp}\n",
        "at set.yaml:LINE (policy/v1beta1) cannot be converted",
    ),
    "an owner": (
        CONFIG + "metadata:\n  name: owned\n  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: o, uid: z}]\n",
        "ConfigMap shop/owned at set.yaml:LINE is owned",
    ),
    "another set's": (
        CONFIG + f"metadata: {{name: theirs, labels: {{{PART_OF_LABEL}: x}}}}\n",
        "at set.yaml:LINE has the label of another apply set",
    ),
    "a namespace that goes": (
        CONFIG + "metadata: {name: there, namespace: going}\n",
        "Namespace going is being deleted and not gone yet, and ConfigMap going/there at set.yaml:LINE would go",
    ),
    "a namespace that is not there": (
        CONFIG + "metadata: {name: there, namespace: nowhere}\n",
        'ConfigMap nowhere/there at set.yaml:LINE: namespaces "nowhere" not found',
    ),
    "what the server refuses": (
        CONFIG + "metadata: {name: refused}\ndata: {a: b}\n",
        "ConfigMap shop/refused at set.yaml:LINE: data.a: is refused",
    ),
    "what others manage": (
        CONFIG + "metadata: {name: contended}\ndata: {a: b}\n",
        "ConfigMap shop/contended at set.yaml:LINE: others manage .data.a (edit)",
    ),
    "good": (CONFIG + "metadata: {name: good}\n", ""),
}
#: What nobody knows the kind of, so that it may be the namespace or the CRD which something else needs.
UNREAD: dict[str, tuple[str, str]] = {
    "YAML": (CONFIG + "metadata: {name: yaml\n", "set.yaml:LINE is not valid YAML"),
    "another YAML": (CONFIG + 'metadata: {name: "yaml}\n', "set.yaml:LINE is not valid YAML"),
    "a key twice": (CONFIG + "metadata: {name: twice, name: twice}\n", "has the key name for the second time"),
    "no kind": ("---\napiVersion: v1\nmetadata: {name: a}\n", "set.yaml:LINE has no kind"),
    "no object": ("---\n- 1\n", "set.yaml:LINE is a list where"),
    "a List": ("---\napiVersion: v1\nkind: List\nitems: 5\n", "set.yaml:LINE, a List, has items"),
    "a namespace": ("---\napiVersion: v1\nkind: Namespace\nmetadata: {name: 5}\n", "set.yaml:LINE, a Namespace, has"),
}
#: What depends on namespaces and CRDs, so that it is not told beside these.
DEPENDING = ("a namespace that goes", "a namespace that is not there")
OPTIONS = {"images": {"docker.io/": "hub.local/"}, "workers": 0, "exclude": "a ==", "select": "b =="}
TOLD = [
    "workers is 0",
    "select is not a JMESPath expression",
    "exclude is not a JMESPath expression",
    "wait_for of X: c == is not a JMESPath expression",
    "wait_for of X: d == is not a JMESPath expression",
    "apply_set set: ConfigMap shop/set exists and is not an apply set",
]


class Refusing(Server):
    """One that has a namespace that is being deleted, and refuses two objects."""

    def _true(self, method: str, path: str, query: str, body: Any) -> tuple[int, Any]:
        name = path.rpartition("/")[2]
        if method == "PATCH" and "/namespaces/nowhere/" in path:
            return 404, {"kind": "Status", "reason": "NotFound", "message": 'namespaces "nowhere" not found'}
        if method == "PATCH" and name == "refused":
            causes = [{"field": "data.a", "message": "is refused"}]
            return 422, {"kind": "Status", "reason": "Invalid", "details": {"causes": causes}}
        if method == "PATCH" and name == "contended":
            cause = {"reason": "FieldManagerConflict", "field": ".data.a", "message": 'conflict with "edit" using v1'}
            return 409, {"kind": "Status", "reason": "Conflict", "details": {"causes": [cause]}}
        return super()._true(method, path, query, body)


def cluster() -> Refusing:
    board = {"group": "example.org", "names": {"kind": "Board", "plural": "boards"}, "scope": "Cluster", "versions": []}
    going = thing("Namespace", "going")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    maps = [thing("ConfigMap", name) for name in ("set", "contended")]
    return Refusing([thing("Namespace", "shop"), going, *maps, thing("CustomResourceDefinition", "b", spec=board)])


def run_once(folder: Path, slips: dict[str, tuple[str, str]], **given: Any) -> tuple[Server, str]:
    (folder / "set.yaml").write_text("".join(text for text, _told in slips.values()))
    server = cluster()
    failed, result = push(server, given.pop("definition", None), src=["set.yaml", *given.pop("src", [])], **given)
    assert failed and not result["changed"] and not server.writes, result
    return server, result["msg"]


@pytest.mark.parametrize(
    "slips",
    [SLIPS, {**UNREAD, **{name: slip for name, slip in SLIPS.items() if name not in DEPENDING}}],
    ids=["all can be read", "some cannot be read"],
)
def test_one_run_tells_every_slip_with_file_and_line(
    slips: dict[str, tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expressions = [{"kind": "X", "name": None, "namespace": None, "expression": text} for text in ("c ==", "d ==")]
    given = {**OPTIONS, "apply_set": "set", "prune": True, "wait_for": expressions}
    told = [*TOLD]
    if "YAML" in slips:
        (tmp_path / "empty.yaml").write_text("# nothing\n")
        given.update(definition=[{"apiVersion": "v1"}], src=["missing.yaml", "empty.yaml"])
        told += [
            "src missing.yaml does not exist",
            "src empty.yaml has no objects",
            "object 1 of definition has no kind",
        ]
    line = 1
    for text, sentence in slips.values():
        told.append(sentence.replace("LINE", str(line + (4 if "not valid" in sentence else 1))))
        line += text.count("\n")
    _server, message = run_once(tmp_path, slips, **given)
    assert not [sentence for sentence in told if sentence not in message], message
    assert "good" not in message
    assert [message.count(name) for name in ("Namespace wide", " psp ", "first is in the set")] == [1, 1, 1]


@pytest.mark.parametrize("name", [name for name in SLIPS if name not in ("good", "another set's")])
def test_what_only_the_server_knows_is_told_beside_each_other_slip(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {name: SLIPS[name], **{known: SLIPS[known] for known in ("a label", "what the server refuses")}}
    _server, message = run_once(tmp_path, texts, images=OPTIONS["images"])
    assert "data.a: is refused" in message and "has the label v" in message
    told = SLIPS[name][1].partition("LINE")
    assert told[2] in message


def test_what_could_not_be_read_may_bring_what_seems_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = json.dumps({**definition("v1"), "metadata": {"name": "widgets.example.org", "labels": {"v": 1}}})
    widget = "---\napiVersion: example.net/v1\nkind: Widget\nmetadata: {name: w}\n"
    _server, message = run_once(tmp_path, {"crd": (f"---\n{broken}\n", ""), "widget": (widget, "")})
    assert "has the label v, the number 1" in message and "Widget" not in message


def test_a_server_that_does_not_answer_hides_no_slip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set.yaml").write_text(SLIPS["a label"][0])
    server = cluster()
    server.strange = lambda _number: Answer(503, {}, b"", False)
    failed, result = push(server, None, src=["set.yaml"])
    assert failed and "at set.yaml:2 has the label v" in result["msg"]
