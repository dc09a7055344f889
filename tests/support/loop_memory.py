# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server in memory for the loop's programs, which can kill its caller before or after any call."""

from __future__ import annotations

import copy
import random

from kube import Conflict, NotFound


class Killed(BaseException):
    """The program is no more."""


def merged(old, change):
    """RFC 7386."""
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


class FakeKube:
    """Objects in memory.

    :ivar kill: chance that a write kills its caller, half of the time before and half of the time after it was done.
    :ivar done: the writes that were done, as (verb, kind, name).
    """

    def __init__(self, seed: int = 0, kill: float = 0.0) -> None:
        self.dice, self.kill = random.Random(seed), kill
        self.stored: dict[tuple[str, str], dict] = {}
        self.done: list[tuple[str, str, str]] = []
        self.version = 0
        self.clock = "2026-01-01T00:00:00Z"

    def _around(self, act):
        fate = self.dice.random()
        if fate < self.kill / 2:
            raise Killed
        told = act()
        if fate < self.kill:
            raise Killed
        return told

    def _write(self, verb, kind, name, item):
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self.stored[kind, name] = item
        self.done.append((verb, kind, name))
        return copy.deepcopy(item)

    def objects(self, kind):
        """Name → object."""
        return {name: copy.deepcopy(item) for (of, name), item in self.stored.items() if of == kind}

    def get(self, kind, name):
        if (kind, name) not in self.stored:
            raise NotFound(404, "NotFound", f"{kind} {name} not found")
        return copy.deepcopy(self.stored[kind, name])

    def list(self, kind, selector=""):
        wanted = dict(part.split("=") for part in selector.split(",") if "=" in part)
        items = [
            item
            for item in self.objects(kind).values()
            if wanted.items() <= (item["metadata"].get("labels") or {}).items()
        ]
        return items, str(self.version)

    def create(self, item):
        def act():
            name = item["metadata"]["name"]
            if (item["kind"], name) in self.stored:
                raise Conflict(409, "AlreadyExists", f"{name} exists")
            made = copy.deepcopy(item)
            made["metadata"]["creationTimestamp"] = self.clock
            return self._write("create", item["kind"], name, made)

        return self._around(act)

    def as_person(self, kind, name, change):
        """A change by somebody who is not killed."""
        item = self.get(kind, name)
        version = (change.get("metadata") or {}).get("resourceVersion")
        if version and version != item["metadata"]["resourceVersion"]:
            raise Conflict(409, "Conflict", f"{name} has changed")
        return self._write("patch", kind, name, merged(item, change))

    def patch(self, kind, name, change):
        return self._around(lambda: self.as_person(kind, name, change))

    def patch_status(self, kind, name, status, version=None):
        change = {"status": status, **({"metadata": {"resourceVersion": version}} if version else {})}
        return self.patch(kind, name, change)

    def delete(self, kind, name):
        def act():
            if self.stored.pop((kind, name), None):
                self.done.append(("delete", kind, name))

        return self._around(act)


def phases(release) -> list[str]:
    """The phases that a release went through."""
    return [entry["phase"] for entry in (release.get("status") or {}).get("history") or []]
