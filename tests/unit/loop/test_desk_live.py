# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes reach whoever looks on, in words, and nobody who may no longer."""

from __future__ import annotations

import asyncio
import json

import live
import pytest
from live import Change, Hub, TooMany, difference


def release(phase: str = "Waiting", **spec) -> dict:
    return {
        "metadata": {"name": "digits-7"},
        "spec": {"model": "digits", "evidence": {"scores": {}}, **spec},
        "status": {"phase": phase},
    }


BY = {"by": "ben", "verdict": "approved"}


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        (release(), release(decision=BY), "live.approved"),
        (release(), release(decision={**BY, "verdict": "refused"}), "live.refused"),
        (release(decision=BY), release("Live", decision=BY), "live.live"),
        (release("Live", decision=BY), release("Live", decision=BY, rollback=BY), "live.rollback"),
        (release(), release(reviews={"ben": {}}), "live.reviewed"),
        (release("Checking", evidence={}), release(), "live.waiting"),
        (None, release(), "live.waiting"),
        (release("Training", evidence={}), release("Checking", evidence={}), None),
        (release(decision=BY), release("Approved", decision=BY), None),
    ],
)
def test_what_happened(before, after, key) -> None:
    change = difference(before, after)
    assert (change.release, change.model) == ("digits-7", "digits")
    assert (change.saying.key if change.saying else None) == key


def told(change: Change) -> str:
    return "" if change.saying is None else change.saying.key


async def first(lines, count: int) -> list[bytes]:
    return [await asyncio.wait_for(lines.__anext__(), 5) for _line in range(count)]


def test_two_who_look_on() -> None:
    async def run() -> None:
        hub = Hub()
        pages = [hub.lines(person, told, lambda: True) for person in ("ada", "ben")]
        for page in pages:
            await page.__anext__()
        hub.publish(difference(release(), release(decision=BY)))
        for page in pages:
            (line,) = await first(page, 1)
            assert json.loads(line[6:]) == {
                "release": "digits-7",
                "model": "digits",
                "text": "live.approved",
                "by": "ben",
            }
        hub.end()
        for page in pages:
            with pytest.raises(StopAsyncIteration):
                await asyncio.wait_for(page.__anext__(), 5)

    asyncio.run(run())


def test_whoever_is_out_hears_nothing_more() -> None:
    async def run() -> None:
        hub = Hub()
        page = hub.lines("ada", told, lambda: False)
        await page.__anext__()
        hub.publish(Change("digits-7", "digits"))
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(page.__anext__(), 5)

    asyncio.run(run())


def test_a_silent_line_beats(monkeypatch) -> None:
    monkeypatch.setattr(live, "BEAT", 0.01)

    async def run() -> None:
        page = Hub().lines("ada", told, lambda: True)
        assert (await first(page, 2))[1] == b": still here\n\n"

    asyncio.run(run())


def test_a_slow_reader_costs_no_memory(monkeypatch) -> None:
    monkeypatch.setattr(live, "WAITING", 3)

    async def run() -> None:
        hub = Hub()
        page = hub.lines("ada", told, lambda: True)
        await page.__anext__()
        for number in range(100):
            hub.publish(Change(f"digits-{number}", "digits"))
        await asyncio.sleep(0.05)
        assert [json.loads(line[6:])["release"] for line in await first(page, 3)] == [
            "digits-97",
            "digits-98",
            "digits-99",
        ]

    asyncio.run(run())


def test_one_person_has_so_many_pages(monkeypatch) -> None:
    monkeypatch.setattr(live, "EACH", 2)

    async def run() -> None:
        hub = Hub()
        pages = [hub.lines("ada", told, lambda: True) for _page in range(3)]
        await pages[0].__anext__()
        await pages[1].__anext__()
        with pytest.raises(TooMany):
            await pages[2].__anext__()
        await hub.lines("ben", told, lambda: True).__anext__()
        await pages[0].aclose()
        await hub.lines("ada", told, lambda: True).__anext__()

    asyncio.run(run())
