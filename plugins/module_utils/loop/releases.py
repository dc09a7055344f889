# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What the laptop does with releases: which one goes back to which, and the ML Test Score as a table."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign
from ansible_collections.bramble.kube.plugins.module_utils.common.wording import listing

Object = Mapping[str, Any]

MODEL_LABEL = "loop.bramble.kube/model"
TAKES_BACK = ("operator", "reviewer")
WAYS = {
    "answer": "somebody answers it on the desk",
    "fix": "the check found that it does not hold: fix the model, its data or its settings",
    "automate": "it is answered by hand; now it needs a check of its own",
}


def _name(release: Object) -> str:
    return release["metadata"]["name"]


def _number(release: Object) -> int:
    return int(_name(release).rpartition("-")[2])


def _phase(release: Object) -> str:
    return (release.get("status") or {}).get("phase") or ""


def _of(releases: Sequence[Object], model: str) -> list[Object]:
    """A model's releases, the newest first."""
    return sorted((one for one in releases if one["spec"]["model"] == model), key=_number, reverse=True)


# The way back --------------------------------------------------------------------------------------------------------


def rollback(releases: Sequence[Object], gate: Object, wanted: str, by: str, reason: str) -> dict[str, Any]:
    """Decide which release is taken back, in whose name, and what answers then.

    :param releases: all of the cluster.
    :param gate: the Gate's spec.
    :param wanted: a model, for its live release, or a release.
    :param by: who takes it back; "" for the only person who may.
    :returns: `error`, one sentence or ""; `release`, `by`, `back_to`, and `done`, whether it was taken back before.
    """
    models = sorted(gate.get("models") or {})
    people: Mapping[str, Sequence[str]] = gate.get("people") or {}
    may = sorted(name for name, groups in people.items() if set(TAKES_BACK) & set(groups))

    def stop(sentence: str) -> dict[str, Any]:
        return {"error": sentence, "release": "", "by": "", "back_to": "", "done": False}

    if not wanted:
        return stop(f"Name the model to roll back, such as -e loop_rollback={(models or ['digits'])[0]}.")
    named = next((one for one in releases if _name(one) == wanted), None)
    if named is None and wanted not in models:
        return stop(f"There is no model and no release {foreign(wanted, 60)}; there is {listing(models) or 'none'}.")
    release = named or next((one for one in _of(releases, wanted) if _phase(one) == "Live"), None)
    if release is None:
        return stop(f"No release of {wanted} is live, so there is nothing to go back from.")
    name = _name(release)
    done = bool(release["spec"].get("rollback"))
    if not done and (release["spec"].get("decision") or {}).get("verdict") != "approved":
        return stop(f"{name} was never approved, so there is nothing to go back from.")
    if not done and _phase(release) not in ("Waiting", "Approved", "Shadow", "Canary", "Live"):
        return stop(f"{name} is {_phase(release)}, so it answers nobody; name the release that is live.")
    back_to = _earlier(releases, release)
    if not done and not back_to and _phase(release) == "Live":
        return stop(f"{name} has replaced no release that could answer, so there is nothing to go back to.")
    if not by and len(may) != 1:
        return stop(
            f"Name who rolls back {name}, such as -e loop_rollback_by={(may or ['ada'])[0]}; "
            f"{listing(may, 'or') or 'nobody of people'} may."
        )
    by = by or may[0]
    if by not in may:
        return stop(f"{foreign(by, 60)} may not roll back {name}; {listing(may, 'or') or 'nobody of people'} may.")
    if not done and len(reason.strip()) < 10:
        return stop(f"Give a reason to roll back {name}, in at least 10 characters: -e \"loop_rollback_reason='…'\".")
    return {"error": "", "release": name, "by": by, "back_to": back_to, "done": done}


def _earlier(releases: Sequence[Object], release: Object) -> str:
    """The release that answers once this one is gone; "" when there is none."""
    known = {_name(one): one for one in releases}
    if _phase(release) != "Live":
        return next((_name(one) for one in _of(releases, release["spec"]["model"]) if _phase(one) == "Live"), "")
    tried = {_name(release)}
    name = (release.get("status") or {}).get("replaced") or ""
    while name and name not in tried and name in known:
        tried.add(name)
        found = known[name]
        if not found["spec"].get("rollback") and _phase(found) != "RolledBack":
            return name
        name = (found.get("status") or {}).get("replaced") or ""
    return ""


# The score -----------------------------------------------------------------------------------------------------------


@functools.cache
def rubric() -> ModuleType:
    """The 28 tests, as the programs on the cluster know them."""
    path = os.path.join(os.path.dirname(__file__), "..", "..", "..", "roles", "loop", "files", "programs", "rubric.py")
    spec = importlib.util.spec_from_file_location("bramble_kube_rubric", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def half(points: float) -> str:
    """Points as people write them: 1, 0.5."""
    return f"{points:g}"


def scores(releases: Sequence[Object], model: str = "") -> list[str]:
    """The ML Test Score of each model's live release and of those that wait, as lines of text.

    :param releases: all of the cluster.
    :param model: only this one's.
    """
    lines: list[str] = []
    for name in sorted({one["spec"]["model"] for one in releases} if not model else {model}):
        shown = [
            one for one in _of(releases, name) if _phase(one) in ("Live", "Waiting") and one["spec"].get("evidence")
        ]
        for release in shown:
            lines += [*([""] if lines else []), *_score(release)]
    return lines


def _score(release: Object) -> list[str]:
    spec = release["spec"]
    points = rubric().points_of(spec)
    least, sums = rubric().score(points)
    checked, answers = spec["evidence"].get("tests") or {}, spec.get("answers") or {}
    state = {"Live": "live", "Waiting": "waits for a decision"}[_phase(release)]
    parts = ", ".join(f"{section} {half(total)}" for section, total in sums.items())
    lines = [f"{_name(release)}, {state}: ML Test Score {half(least)} of 7, the least of {parts}"]
    for name, test in rubric().TESTS.items():
        note = (checked.get(name) or {}).get("note") or ""
        if points[name] == 0.5 and name in answers:
            note = f"{answers[name]['by']}, {answers[name]['at'][:10]}: {answers[name]['text']}"
        lines.append(f"  {name:<10}{half(points[name]):>4}  {test.title}. {foreign(note, 160)}".rstrip())
    for name, way in rubric().next_half(spec).items():
        lines.append(f"  next: {name}, {WAYS[way]}")
    return lines
