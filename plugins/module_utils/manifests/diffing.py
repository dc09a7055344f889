# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""A unified diff that a person can read, with the values of Secrets masked."""

from __future__ import annotations

import difflib
from typing import Any

try:
    import yaml

    try:
        from yaml import CSafeDumper as _Dumper
    except ImportError:
        from yaml import SafeDumper as _Dumper  # type: ignore[assignment]
except ImportError:
    pass

from .compare import LAST_APPLIED
from .masking import MASK, mask
from .result import CREATED, PRUNED, UPDATED, Entry

_NOISE = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink")


def diff(entries: list[Entry]) -> str:
    """One text for all objects that were or would be changed."""
    return "".join(_one(entry) for entry in entries if entry.action in (CREATED, UPDATED, PRUNED))


def _one(entry: Entry) -> str:
    before = entry.before if entry.action != CREATED else None
    after = None if entry.action == PRUNED else entry.live or entry.item.object
    one, other = masked_pair(_readable(before), _readable(after))
    label = entry.item.label
    lines = difflib.unified_diff(
        _lines(one),
        _lines(other),
        "before: " + label if before else "/dev/null",
        "after: " + label if after else "/dev/null",
    )
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def _readable(document: dict | None) -> dict | None:
    """An object without what the server alone writes."""
    if document is None:
        return None
    kept = {key: value for key, value in document.items() if key != "status"}
    kept["metadata"] = {key: value for key, value in document["metadata"].items() if key not in _NOISE}
    annotations = kept["metadata"].get("annotations")
    if annotations and LAST_APPLIED in annotations:
        kept["metadata"]["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    return kept


def masked_pair(before: dict | None, after: dict | None) -> tuple[dict | None, dict | None]:
    """Both sides with Secret values masked, so that a changed value still shows as changed."""
    if (before or after or {}).get("kind") != "Secret":
        return before, after
    one: dict[str, Any] | None = mask(before) if before else None
    other: dict[str, Any] | None = mask(after) if after else None
    for section in ("data", "stringData"):
        old = ((before or {}).get(section)) or {}
        new = ((after or {}).get(section)) or {}
        for key in set(old) & set(new):
            if old[key] != new[key] and one and other:
                one[section][key] = MASK + " (before)"
                other[section][key] = MASK + " (after)"
    return one, other


def _lines(document: dict | None) -> list[str]:
    if document is None:
        return []
    text = yaml.dump(document, Dumper=_Dumper, default_flow_style=False, sort_keys=True, allow_unicode=True, width=1000)
    return text.splitlines(keepends=True)
