# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What stands in loop_models and people: what can be wrong with it, and the Gate that comes of it."""

from __future__ import annotations

import datetime
import difflib
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign
from ansible_collections.bramble.kube.plugins.module_utils.common.wording import listing, shown
from ansible_collections.bramble.kube.plugins.module_utils.loop import code

GROUPS = ("trainer", "reviewer", "operator", "viewer")
TESTS = frozenset(f"{area}-{number}" for area in ("data", "model", "infra", "monitor") for number in range(1, 8))
#: What a model has when its entry does not say otherwise. Thresholds have no default but the example's.
DEFAULTS: dict[str, Any] = {
    "code": "",
    "volume": "",
    "training": "job",
    "memory": "768Mi",
    "required_tests": [],
    "reviewers": [],
    "alone": False,
    "reviews": 0,
    "shadow_seconds": 300,
    "canary_seconds": 300,
    "canary_share": 0.1,
    "least_compared": 50,
    "keep_seconds": 600,
    "most": {},
    "data": {},
}
MOST = {"errors": 0.0, "latency_ratio": 3.0, "disagreement": 0.1}
DATA = {"every_seconds": 0, "corrections": 0, "drift": 0.0, "look_seconds": 3600}
EXAMPLE_THRESHOLDS = {"accuracy": {"min": 0.93}}

_PERSON = re.compile(r"[a-z][a-z0-9-]{0,31}")
_MODEL = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
_SCORE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,39}")
_MEMORY = re.compile(r"[1-9][0-9]{0,5}[MG]i")
_CLAIM = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
#: Names by which Kubernetes' own parts log in.
_KUBERNETES = ("kube", "system", "front-proxy", "admin")

Found = Iterator[str]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _known(place: str, given: Mapping[Any, Any], names: Sequence[str]) -> Found:
    for name in given:
        if name not in names:
            alike = difflib.get_close_matches(str(name), names, n=1)
            hint = f"did you mean {alike[0]}" if alike else f"it has {listing(names)}"
            yield f"{place} has {foreign(name, 60)}, which is not a setting; {hint}"


# What is wrong -------------------------------------------------------------------------------------------------------


def errors(models: Any, people: Any, folder: str = "") -> list[str]:
    """Find everything that is wrong with both lists.

    :param folder: the folder that relative paths of models' code start from.
    :returns: one sentence each: where, what, and what would be right.
    """
    found = [*_people(people)]
    who = _members(people)
    found += [*_models(models, who, folder)]
    return [f"{sentence}." for sentence in dict.fromkeys(found)]


def _named(variable: str, given: Any, example: str, once: str) -> tuple[list[str], list[Mapping[str, Any]]]:
    """What is wrong with a list of entries that have a name each, and those that can be read further.

    :param example: an entry as it should be.
    :param once: what to do about a name that is there twice.
    """
    if not isinstance(given, list):
        return [f"{variable} is {shown(given)}; use a list, such as [{example}]"], []
    faults, read = [], []
    for number, entry in enumerate(given, 1):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if isinstance(name, (bool, int, float, datetime.date)):
            faults.append(f"{variable}: the name of entry {number} was read as {shown(name)}; put it in quotes")
            continue
        if not isinstance(name, str):
            faults.append(f"{variable}: entry {number} has no name; write {example}")
            continue
        if any(entry["name"] == other["name"] for other in read):
            faults.append(f"{variable}: {foreign(entry['name'], 60)} is there twice; {once}")
        read.append(entry)
    return faults, read


def _people(people: Any) -> Found:
    faults, read = _named("people", people, "{name: ada, groups: [reviewer]}", "put all groups into one entry")
    yield from faults
    for person in read:
        name = person["name"]
        place = f"people: {foreign(name, 60)}"
        if not _PERSON.fullmatch(name):
            yield f"{place} must be small letters, digits and hyphens, begin with a letter and be at most 32 long"
        elif name.startswith(_KUBERNETES):
            yield f"{place} is a name that Kubernetes' own parts may have; choose another one"
        yield from _known(place, person, ("name", "groups"))
        groups = person.get("groups")
        if not isinstance(groups, list) or not groups:
            yield f"{place} has no groups; give at least one of {listing(GROUPS, 'or')}"
            continue
        for group in groups:
            if group not in GROUPS:
                yield f"{place} is in the group {foreign(group, 60)}, which does not exist; use {listing(GROUPS, 'or')}"


def _members(people: Any) -> dict[str, list[str]]:
    """Each group and who is in it, as far as it can be read."""
    found: dict[str, list[str]] = {group: [] for group in GROUPS}
    for person in people if isinstance(people, list) else ():
        groups = person.get("groups") if isinstance(person, Mapping) else ()
        for group in groups if isinstance(groups, list) else ():
            if group in GROUPS and isinstance(person.get("name"), str):
                found[group].append(person["name"])
    return found


def _models(models: Any, who: Mapping[str, list[str]], folder: str) -> Found:
    faults, read = _named("loop_models", models, "{name: digits}", "give each model its own name")
    yield from faults
    for model in read:
        name = model["name"]
        place = f"loop_models: {foreign(name, 60)}"
        if not _MODEL.fullmatch(name):
            yield (
                f"{place} must be small letters, digits and hyphens, begin with a letter, end with a letter or digit "
                "and be at most 40 long"
            )
        yield from _known(place, model, ("name", "thresholds", *DEFAULTS))
        found = [*_values(place, model), *_code(place, model, folder), *_thresholds(place, model)]
        yield from found or _four_eyes(place, {**DEFAULTS, **model}, who)


#: For each setting the test that its value passes, and what would be right.
_RIGHT: dict[str, tuple[Callable[[Any], bool], str]] = {
    "code": (lambda value: isinstance(value, str), "use a folder with a model.py, or leave it out for the example"),
    "volume": (
        lambda value: value == "" or (isinstance(value, str) and bool(_CLAIM.fullmatch(value))),
        "use the name of a volume claim in the namespace loop, or leave it out",
    ),
    "training": (lambda value: value in ("job", "trainjob"), "use job or trainjob"),
    "memory": (
        lambda value: isinstance(value, str) and bool(_MEMORY.fullmatch(value)),
        "use a number with Mi or Gi, such as 768Mi",
    ),
    "required_tests": (
        lambda value: isinstance(value, list) and all(entry in TESTS for entry in value),
        "use a list of data-1 to data-7, model-1 to model-7, infra-1 to infra-7 or monitor-1 to monitor-7",
    ),
    "reviewers": (
        lambda value: isinstance(value, list) and all(isinstance(entry, str) for entry in value),
        "use a list of names, such as [ada]",
    ),
    "alone": (lambda value: isinstance(value, bool), "use true or false"),
    "reviews": (lambda value: _is_count(value) and value <= 50, "use a number from 0 to 50"),
    "shadow_seconds": (_is_count, "use a number of seconds"),
    "canary_seconds": (_is_count, "use a number of seconds"),
    "keep_seconds": (_is_count, "use a number of seconds"),
    "least_compared": (_is_count, "use a number of answers"),
    "canary_share": (
        lambda value: _is_number(value) and 0 < value < 1,
        "use a share between 0 and 1, such as 0.1 for 10 %",
    ),
}
_INNER: dict[str, dict[str, tuple[Callable[[Any], bool], str]]] = {
    "most": {
        "errors": (lambda value: _is_number(value) and 0 <= value <= 1, "use a share from 0 to 1"),
        "latency_ratio": (lambda value: _is_number(value) and value >= 1, "use 1 or more, such as 3"),
        "disagreement": (lambda value: _is_number(value) and 0 <= value <= 1, "use a share from 0 to 1"),
    },
    "data": {
        "every_seconds": (_is_count, "use a number of seconds, or 0 for never"),
        "corrections": (_is_count, "use a number, or 0 for never"),
        "drift": (lambda value: _is_number(value) and value >= 0, "use a number, or 0 for never"),
        "look_seconds": (lambda value: _is_count(value) and value >= 10, "use a number of seconds, 10 or more"),
    },
}


def _values(place: str, model: Mapping[str, Any]) -> Found:
    for setting, (is_right, right) in _RIGHT.items():
        if setting in model and not _passes(is_right, model[setting]):
            yield f"{place}: {setting} is {foreign(shown(model[setting]), 100)}; {right}"
    for setting, inner in _INNER.items():
        given = model.get(setting, {})
        if not isinstance(given, Mapping):
            yield f"{place}: {setting} is {foreign(shown(given), 100)}; use {listing(inner)}, each with a number"
            continue
        yield from _known(f"{place}: {setting}", given, list(inner))
        for name, (is_right, right) in inner.items():
            if name in given and not is_right(given[name]):
                yield f"{place}: {setting}.{name} is {foreign(shown(given[name]), 100)}; {right}"


def _passes(is_right: Callable[[Any], bool], value: Any) -> bool:
    try:
        return is_right(value)
    except TypeError:  # a mapping where a text should be
        return False


def _code(place: str, model: Mapping[str, Any], folder: str) -> Found:
    given = model.get("code")
    if not given or not isinstance(given, str):
        return
    path = code.folder_of(given, folder)
    if not os.path.isfile(os.path.join(path, "model.py")):
        yield f"{place}: there is no model.py in the folder {foreign(path, 200)} (code)"
        return
    try:
        files = code.read(path)
    except (OSError, ValueError) as error:
        yield f"{place}: its code cannot be read: {foreign(error, 200)}"
        return
    size = sum(len(text.encode()) for text in files.values())
    if size > code.LARGEST:
        yield (
            f"{place}: the files in {foreign(path, 200)} have {size} bytes together; at most {code.LARGEST} fit, so "
            "put data on a volume (volume)"
        )


def _thresholds(place: str, model: Mapping[str, Any]) -> Found:
    if "thresholds" not in model:
        if model.get("code"):
            yield (
                f"{place} has no thresholds; say which scores a release must reach, such as "
                "{accuracy: {min: 0.9}}, or {} for none"
            )
        return
    thresholds = model["thresholds"]
    if not isinstance(thresholds, Mapping):
        yield f"{place}: thresholds is {foreign(shown(thresholds), 100)}; write {{accuracy: {{min: 0.9}}}}"
        return
    for name, bounds in thresholds.items():
        said = f"{place}: thresholds.{foreign(name, 60)}"
        if not isinstance(name, str) or not _SCORE.fullmatch(name):
            yield f"{said} is not a score's name; it has letters and digits, and begins with a letter"
        elif not isinstance(bounds, Mapping) or not bounds or set(bounds) - {"min", "max"}:
            yield f"{said} is {foreign(shown(bounds), 100)}; use min, max, or both"
        elif not all(_is_number(bound) for bound in bounds.values()):
            yield f"{said} is {foreign(shown(dict(bounds)), 100)}; min and max are numbers"
        elif bounds.get("min", float("-inf")) > bounds.get("max", float("inf")):
            yield f"{said} has a min above its max; no release could reach both"


def _four_eyes(place: str, model: Mapping[str, Any], who: Mapping[str, list[str]]) -> Found:
    """What would make a decision impossible."""
    reviewers, missing = who["reviewer"], False
    for name in model["reviewers"]:
        if name not in reviewers:
            missing = True
            known = any(name in members for members in who.values())
            what = "is not in the group reviewer" if known else "is not in people"
            yield f"{place}: reviewers has {foreign(name, 60)}, who {what}"
    if missing:
        return
    deciders = model["reviewers"] or reviewers
    if not deciders:
        yield f"{place}: nobody may decide about it; put at least one person in the group reviewer of people"
        return
    only = deciders[0] if len(set(deciders)) == 1 else ""
    if only and only in who["trainer"] and not model["alone"]:
        yield (
            f"{place}: {only} alone may decide, and is a trainer, too, so nobody could decide about a release that "
            f"{only} asks for; add a reviewer, or set alone: true"
        )
        return
    others = len(reviewers) - (0 if model["alone"] else bool(set(reviewers) & set(who["trainer"])))
    if model["reviews"] > others:
        yield f"{place}: reviews is {model['reviews']}, but there may be only {others} who can review; add reviewers"


# The Gate ------------------------------------------------------------------------------------------------------------


def gate(models: Sequence[Mapping[str, Any]], people: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The Gate's spec.

    :param models: without errors.
    :param people: without errors.
    """
    return {
        "people": {person["name"]: sorted(set(person["groups"])) for person in people},
        "models": {model["name"]: _rules(model) for model in models},
    }


def _rules(model: Mapping[str, Any]) -> dict[str, Any]:
    full = {**DEFAULTS, **model}
    most, data = {**MOST, **full["most"]}, {**DATA, **full["data"]}
    return {
        "thresholds": full.get("thresholds", EXAMPLE_THRESHOLDS),
        "requiredTests": full["required_tests"],
        "reviewers": full["reviewers"],
        "alone": full["alone"],
        "reviews": full["reviews"],
        "shadowSeconds": full["shadow_seconds"],
        "canarySeconds": full["canary_seconds"],
        "canaryShare": full["canary_share"],
        "leastCompared": full["least_compared"],
        "keepSeconds": full["keep_seconds"],
        "most": {
            "errors": most["errors"],
            "latencyRatio": most["latency_ratio"],
            "disagreement": most["disagreement"],
        },
        "data": {
            "everySeconds": data["every_seconds"],
            "corrections": data["corrections"],
            "drift": data["drift"],
            "lookSeconds": data["look_seconds"],
        },
        "volume": full["volume"],
        "training": full["training"],
        "memory": full["memory"],
    }
