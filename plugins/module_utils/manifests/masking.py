# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Keeps the values of Secrets out of results and logs."""

from __future__ import annotations

from typing import Any

MASK = "********"


def mask(value: Any) -> Any:
    """A copy in which the values of every Secret are masked; YAML text that holds a Secret is masked whole.

    :param value: an object, a list of objects, or a text, as the option ``definition`` takes them.
    """
    if isinstance(value, (list, tuple)):
        return [mask(entry) for entry in value]
    if isinstance(value, str):
        return MASK if "Secret" in value else value
    if not isinstance(value, dict):
        return value
    if value.get("kind") == "Secret":
        masked = dict(value)
        for section in ("data", "stringData"):
            if isinstance(masked.get(section), dict):
                masked[section] = dict.fromkeys(masked[section], MASK)
        metadata = masked.get("metadata")
        if isinstance(metadata, dict) and metadata.get("annotations"):
            # The last-applied annotation repeats the data.
            masked["metadata"] = dict(metadata, annotations=dict.fromkeys(metadata["annotations"], MASK))
        return masked
    if isinstance(value.get("items"), list):
        return dict(value, items=[mask(entry) for entry in value["items"]])
    return value
