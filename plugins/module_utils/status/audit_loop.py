# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Checks of an audit about the loop: that its gate is as it was shipped, and that what answers has passed it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign
from ansible_collections.bramble.kube.plugins.module_utils.common.wording import listing
from ansible_collections.bramble.kube.plugins.module_utils.manifests import yamltext
from ansible_collections.bramble.kube.plugins.module_utils.status.audit import Seen
from ansible_collections.bramble.kube.plugins.module_utils.status.audit_cluster import parts
from ansible_collections.bramble.kube.plugins.module_utils.status.model import Scene

SHIPPED = Path(__file__).resolve().parents[3] / "roles/loop/files/policy.yaml"
#: Phases in which a release answers calls, or shadows those that do.
SERVING = ("Shadow", "Canary", "Live")


# What it should be ---------------------------------------------------------------------------------------------------


@cache
def shipped() -> dict[str, dict[str, Any]]:
    """The policies and bindings of the role loop, as an API server keeps them."""
    documents = yamltext.documents(SHIPPED.read_text(encoding="utf-8"), SHIPPED.name)
    return {f"{one['kind']} {one['metadata']['name']}": _kept(one["spec"]) for _line, one in documents if one}


def _kept(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec with what the API server puts in by itself."""
    if "matchConstraints" not in spec:
        return dict(spec)
    constraints = {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        **spec["matchConstraints"],
        "resourceRules": [{"scope": "*", **rule} for rule in spec["matchConstraints"]["resourceRules"]],
    }
    return {"failurePolicy": "Fail", **spec, "matchConstraints": constraints}


# Checks --------------------------------------------------------------------------------------------------------------


def _told(scene: Scene, seen: Seen) -> Mapping[str, Any] | None:
    """What was read of the loop; None when it is neither there nor wanted, or could not be read."""
    told = parts(scene, seen, "loop")
    if told is None:
        return None
    loop = told["loop"]
    if scene.gate is None and loop["gate"] is None and not loop["releases"]:
        seen.read.append("the cluster, which has no loop")
        return None
    return loop


def gate_as_shipped(scene: Scene, seen: Seen) -> None:
    """Nobody has deleted or weakened what keeps the gate."""
    loop = _told(scene, seen)
    if loop is None:
        return
    for label, wanted in shipped().items():
        live = loop["rules"].get(label)
        if live is None:
            seen.judge(label, False, "it is gone, so nothing enforces the gate; run loop.yml")
            continue
        differs = sorted(name for name in {**wanted, **live} if wanted.get(name) != live.get(name))
        seen.judge(label, not differs, f"its {listing(differs)} is not as shipped; run loop.yml")
    if loop["gate"] is None:
        seen.judge("Gate", False, "it is gone, so no release can be decided; run loop.yml")
    elif scene.gate is not None:
        places = sorted(foreign(place, 100) for place in _differences(scene.gate, loop["gate"]))
        seen.judge("Gate", not places, f"{listing(places)} is not as loop_models and people say; run loop.yml")


def _differences(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[str]:
    for part in ("people", "models"):
        before, after = wanted.get(part) or {}, live.get(part) or {}
        yield from (f"{part}.{name}" for name in {**before, **after} if before.get(name) != after.get(name))


def _in_short(evidence: Mapping[str, Any]) -> str:
    """What an approval stands on; all of it is on the desk's page of the release."""
    accuracy = evidence["accuracy"]
    told = [] if accuracy is None else [f"{accuracy:.1%} right"]
    told += [f"data {foreign(evidence['data'], 60).replace(': ', ' ')}"] if evidence["data"] else []
    return ", ".join([*told, f"model {foreign(str(evidence['model'])[:19], 60)}"])


def answers_are_approved(scene: Scene, seen: Seen) -> None:
    """What answers now was approved, and by somebody else than who asked for it, unless that is said."""
    loop = _told(scene, seen)
    if loop is None:
        return
    known = {release["name"]: release for release in loop["releases"]}
    serving = [name for name, release in known.items() if release["phase"] in SERVING]
    seen.read.append(f"{len(known)} release{'' if len(known) == 1 else 's'}")
    for name in sorted({*serving, *loop["servers"]}):
        release = known.get(name) or {"decision": {}}
        decision = release["decision"]
        by, verdict = foreign(decision.get("by"), 60), decision.get("verdict")
        if verdict != "approved":
            what = f"it was {verdict} by {by}" if verdict else "nobody has approved it"
            seen.judge(name, False, f"it serves, but {what}")
        elif not release["evidence"]:
            seen.judge(name, False, f"{by} approved it without evidence")
        elif decision.get("by") == release["asked_by"] and not decision.get("alone"):
            seen.judge(name, False, f"{by} asked for it and approved it")
        else:
            when = str(decision.get("at"))[:10]
            seen.read.insert(
                0, f"{name} ({release['phase']}, approved by {by} on {when} with {_in_short(release['evidence'])})"
            )
