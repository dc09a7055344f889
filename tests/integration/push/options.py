"""The module's options with their defaults, for tests that call it in their own process."""

from __future__ import annotations

from typing import Any

DEFAULTS: dict[str, Any] = {
    "src": [],
    "definition": None,
    "dest": None,
    "namespace": None,
    "apply_set": None,
    "apply_set_takeover": False,
    "prune": False,
    "prune_in_use": [],
    "method": "auto",
    "force_conflicts": False,
    "take_over": [],
    "recreate": False,
    "drop_unknown_fields": False,
    "modernize": True,
    "select": None,
    "exclude": None,
    "images": {},
    "labels": {},
    "wait": False,
    "wait_timeout": 30,
    "wait_for": [],
    "workers": 4,
    "timeout": 20,
    "return_objects": "all",
}
