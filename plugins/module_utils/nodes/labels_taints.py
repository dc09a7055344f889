# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Labels and taints of nodes as an inventory wants them: what has to be changed, and what somebody else put there.

An annotation on each node remembers what the inventory wanted last time, so that what left it goes from the node, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, Unreachable
from ansible_collections.bramble.kube.plugins.module_utils.manifests.retry import PATIENCE
from ansible_collections.bramble.kube.plugins.module_utils.nodes.api import MERGE_PATCH, Cluster, asking

OPTIONS = {
    "nodes": {"type": "dict", "required": True},
    "kubeconfig": {"type": "path", "required": True},
    "context": {"type": "str"},
}
CONFLICT = 409
TRIES = 5
ANNOTATION = "bramble.kube/marks"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

#: apimachinery's validation: an optional DNS name, a slash, and a name of at most 63.
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_KEY = re.compile(rf"(?:[a-z0-9](?:[a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}")
_VALUE = re.compile(rf"(?:{_NAME})?")
#: What the kubelet, kubeadm or a controller puts there and takes away by its own lights.
_OWNED = re.compile(r"node\.kubernetes\.io/.*|node\.cloudprovider\.kubernetes\.io/.*")


def problems(labels: Mapping[str, Any], taints: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with labels and taints, each with what would be right; empty for nothing."""
    found = []
    for key, value in labels.items():
        if not _KEY.fullmatch(str(key)):
            found.append(f"the label {key!r} has a wrong name; use letters, digits, '-', '_', '.', and one '/'")
        elif not isinstance(value, str) or not _VALUE.fullmatch(value):
            found.append(f"the label {key} is {value!r}; use a text (in quotes) of letters, digits, '-', '_', '.'")
        elif key == "kubernetes.io/hostname":
            found.append(f"the label {key} is the kubelet's own; leave it out")
    seen = set()
    for taint in taints:
        key, effect, value = taint.get("key", ""), taint.get("effect", ""), taint.get("value") or ""
        if not _KEY.fullmatch(str(key)):
            found.append(f"the taint {key!r} has a wrong name; use letters, digits, '-', '_', '.', and one '/'")
        elif effect not in EFFECTS:
            found.append(f"the taint {key} has the effect {effect!r}; use one of {', '.join(EFFECTS)}")
        elif not _VALUE.fullmatch(str(value)):
            found.append(f"the taint {key} has the value {value!r}; use letters, digits, '-', '_', '.'")
        elif _OWNED.fullmatch(key):
            found.append(f"the taint {key} is Kubernetes' own; leave it out (kubectl cordon keeps Pods away)")
        elif (key, effect) in seen:
            found.append(f"the taint {key} with effect {effect} is there twice; keep one")
        seen.add((key, effect))
    return found


def _identity(taint: Mapping[str, Any]) -> str:
    return f"{taint['key']}:{taint['effect']}"


def _remembered(annotations: Mapping[str, str]) -> dict[str, list[str]]:
    try:
        found = json.loads(annotations.get(ANNOTATION, "{}"))
        return {"labels": list(found.get("labels", ())), "taints": list(found.get("taints", ()))}
    except (ValueError, AttributeError):
        return {"labels": [], "taints": []}


def change(
    node: Mapping[str, Any], labels: Mapping[str, str], taints: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], list[str]]:
    """What to do about one node.

    :param node: the Node as the API server has it.
    :returns: a JSON merge patch (RFC 7396), empty for nothing to do, and what it does in words.
    """
    metadata, spec = node.get("metadata") or {}, node.get("spec") or {}
    present, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    before = _remembered(annotations)
    wanted = [
        {"key": t["key"], "effect": t["effect"], **({"value": t["value"]} if t.get("value") else {})} for t in taints
    ]
    told: list[str] = []
    new_labels: dict[str, str | None] = {}
    for key, value in labels.items():
        if present.get(key) != value:
            new_labels[key] = value
            told.append(f"label {key}={value}")
    for key in before["labels"]:
        if key not in labels and key in present:
            new_labels[key] = None
            told.append(f"no label {key}")
    there = list(spec.get("taints") or ())
    identities = {_identity(taint) for taint in wanted}
    gone = set(before["taints"]) - identities
    kept = [taint for taint in there if _identity(taint) not in identities | gone]
    same = [taint for taint in there if _identity(taint) in identities]
    told += [f"no taint {_identity(taint)}" for taint in there if _identity(taint) in gone]
    for taint in wanted:
        now = next((t for t in same if _identity(t) == _identity(taint)), None)
        if now is None or (now.get("value") or "") != taint.get("value", ""):
            told.append(f"taint {taint['key']}={taint.get('value', '')}:{taint['effect']}")
    patch: dict[str, Any] = {}
    if new_labels:
        patch["metadata"] = {"labels": new_labels}
    if any("taint " in text for text in told):
        # The list is replaced as a whole, so nobody may have changed it since it was read.
        patch.setdefault("metadata", {})["resourceVersion"] = metadata.get("resourceVersion")
        patch["spec"] = {"taints": [*kept, *wanted]}
    remember = {"labels": sorted(labels), "taints": sorted(identities)}
    if remember != before and (any(remember.values()) or ANNOTATION in annotations):
        text = json.dumps(remember, sort_keys=True) if any(remember.values()) else None
        patch.setdefault("metadata", {})["annotations"] = {ANNOTATION: text}
        told = told or ["what the inventory wants is recorded"]
    return patch, told


def mark(cluster: Cluster, node: Mapping[str, Any], labels: dict, taints: list, check: bool) -> list[str]:
    """Bring one node to what it should be; try again when somebody else changed it meanwhile."""
    name = node["metadata"]["name"]
    path = f"/api/v1/nodes/{name}"
    for attempt in range(1, TRIES + 1):
        patch, told = change(node, labels, taints)
        if check or not patch:
            break
        try:
            cluster.send("PATCH", path, patch, MERGE_PATCH)
            break
        except ApiError as error:
            if error.status != CONFLICT or attempt == TRIES:
                raise Stop(f"The node {name} could not be changed: {error.message.rstrip('.')}.") from None
        node = cluster.found(path) or node
    return told


def act(cluster: Cluster, wanted: Mapping[str, Mapping[str, Any]], check: bool) -> dict[str, Any]:
    """Bring nodes to what they should be.

    :param wanted: labels and taints by the node's name.
    """
    nodes = cluster.patiently(lambda: cluster.items("/api/v1/nodes"), PATIENCE)
    present = {item["metadata"]["name"]: item for item in nodes}
    missing = [name for name in wanted if name not in present]
    if missing and not check:
        raise Stop(f"The cluster does not know the node {missing[0]}: run site.yml, which joins it.")
    changed = {}
    for name, entry in wanted.items():
        if name in present:
            told = mark(cluster, present[name], entry["labels"], entry["taints"], check)
            if told:
                changed[name] = told
    after = "".join(f"{name}: {text}\n" for name, texts in changed.items() for text in texts)
    return {"changed": bool(changed), "nodes": changed, "diff": {"before": "", "after": after}}


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Read what is wanted, and do what is left to do."""
    wanted = {}
    for name, entry in options["nodes"].items():
        wanted[name] = {key: (entry or {}).get(key) or kind() for key, kind in (("labels", dict), ("taints", list))}
        found = problems(**wanted[name])
        if found:
            raise Stop(f"{name}: {'; '.join(found)}.")
    try:
        with asking(" about the nodes"):
            return act(Cluster.of(options), wanted, check)
    except Unreachable:
        if not check:
            raise
        return {"changed": False, "nodes": {}, "msg": "There is no cluster yet."}
