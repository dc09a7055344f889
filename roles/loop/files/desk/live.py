# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who looks on right now: a change reaches every open page at once, as a server-sent event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import board as rules
from board import Saying

BEAT = 20.0  # seconds after which a silent line is used, so that nobody on the way cuts it
WAITING = 50  # messages that a slow reader may be behind; whoever is more behind reads the page again
EACH = 24  # open pages of one person


@dataclass(frozen=True)
class Change:
    """Something happened to a release; `saying` tells a person what, where it is worth it."""

    release: str
    model: str
    saying: Saying | None = None
    by: str = ""


class TooMany(Exception):
    """This person has too many pages open."""


class Hub:
    """Hands changes to the open pages. `publish` may be called from every thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queues: dict[asyncio.Queue[Change | None], str] = {}
        self._ended = False

    def publish(self, change: Change) -> None:
        """Tell everybody who looks on."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._put, change)

    def end(self) -> None:
        """Close all lines, so that the server can end."""
        self._ended = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._put, None)

    def _put(self, change: Change | None) -> None:
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(change)

    async def lines(
        self, person: str, text: Callable[[Change], str], still: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        """The stream for one open page.

        :param text: a change in the reader's words.
        :param still: whether this person may go on looking; asked in a thread of its own at each beat and change.
        :raises TooMany: at the first line.
        """
        self._loop = asyncio.get_running_loop()
        if list(self._queues.values()).count(person) >= EACH:
            raise TooMany
        queue: asyncio.Queue[Change | None] = asyncio.Queue(WAITING)
        self._queues[queue] = person
        try:
            yield b"retry: 2000\n\n"
            while not self._ended:
                try:
                    change = await asyncio.wait_for(queue.get(), BEAT)
                except asyncio.TimeoutError:
                    change = Change("", "")
                if change is None or not await asyncio.to_thread(still):
                    return
                if not change.release:
                    yield b": still here\n\n"
                    continue
                data = {"release": change.release, "model": change.model, "text": text(change), "by": change.by}
                yield f"data: {json.dumps(data)}\n\n".encode()
        finally:
            self._queues.pop(queue, None)


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Change:
    """What changed from one form of a release to the next, for those who look on."""
    name, model = rules.name_of(after), rules.spec(after).get("model", "")
    old, new = rules.spec(before or {}), rules.spec(after)
    if new.get("rollback") and not old.get("rollback"):
        by = new["rollback"]["by"]
        return Change(name, model, Saying("live.rollback", {"by": by, "release": name}), by)
    if new.get("decision") and not old.get("decision"):
        by, verdict = new["decision"]["by"], new["decision"]["verdict"]
        return Change(name, model, Saying(f"live.{verdict}", {"by": by, "release": name}), by)
    reviewed = sorted(set(new.get("reviews") or {}) - set(old.get("reviews") or {}))
    if reviewed and before is not None:
        return Change(name, model, Saying("live.reviewed", {"by": reviewed[0], "release": name}), reviewed[0])
    if rules.waits(after) and not rules.waits(before or {"metadata": {"name": name}}):
        return Change(name, model, Saying("live.waiting", {"release": name}))
    if before is not None and rules.phase(before) != "Live" and rules.phase(after) == "Live":
        return Change(name, model, Saying("live.live", {"release": name}))
    return Change(name, model)
