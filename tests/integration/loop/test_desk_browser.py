# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The desk in a real Chromium, with axe on every page; tests/support/browser.py says what it needs."""

from __future__ import annotations

import time
from pathlib import Path

import desk_samples
from apiserver import ApiServer
from browser import drive, needs_browser
from desk_rig import Desk
from loop_api import PEOPLE, Person


@needs_browser
def test_in_a_browser(api: ApiServer, people: dict[str, Person], ready, tmp_path: Path) -> None:
    desk = Desk(
        api, api.kubectl("create", "token", "desk", "-n", "loop").strip(), tmp_path, [one["name"] for one in PEOPLE]
    )
    pictures = tmp_path / "pictures"
    pictures.mkdir()

    def checked(model: str, accuracy: float, cases: dict, before: str) -> str:
        named = desk_samples.save(desk.data, f"{model}-{time.monotonic_ns()}", cases)
        evidence = desk_samples.evidence(f"{model}{accuracy}", accuracy, named, before)
        return ready(model, scores=evidence.pop("scores"), **evidence)

    live = checked("digits", 0.953, desk_samples.digits(first=True), "")
    people["ben"].decide(live, "ben")
    people["switch"].phase(live, "Live")
    names = [checked("digits", accuracy, desk_samples.digits(), live) for accuracy in (0.944, 0.957, 0.961)]
    own = checked("care", 0.9, desk_samples.machines(), "")
    try:
        desk.start()
        result = drive(
            Path(__file__).with_name("desk_browser.mjs"),
            DESK_URL=f"http://127.0.0.1:{desk.port}",
            DESK_PICTURES=str(pictures),
            DESK_OWN=own,
            **dict(zip(("DESK_RELEASE", "DESK_PLAIN", "DESK_PHONE"), names)),
        )
    finally:
        desk.stop()
    assert result["errors"] == []
    assert result["axe"] == []
    assert result["wide"] == []
    assert result["heard"] == []
    assert len(result["done"]) == 13 and result["looked"] == 3 + 6 * 13
    for name, by in ((names[0], "ben"), (names[1], "cleo")):
        assert people["admin"].get(name)["spec"]["decision"]["by"] == by
    assert people["admin"].get(names[2])["spec"]["reviews"]["ben"]["judged"] == 20
