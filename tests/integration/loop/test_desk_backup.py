# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of what people say at the real desk, while they say it, and back onto an empty volume.

What kubectl does in the desk's Pod is done here in the desk's own environment.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import desk_samples
import pytest
from apiserver import ApiServer
from desk_rig import FILES, Desk, Visitor
from loop_api import PEOPLE, Person

from ansible_collections.bramble.kube.plugins.module_utils.backup import desk_restore, record
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done, System

pytestmark = pytest.mark.lab


class Master(System):
    """The machine whose kubectl reaches the desk."""

    def __init__(self, root: Path, desk: Desk) -> None:
        super().__init__(str(root))
        self.desk = desk

    def call(self, arguments: Iterable[str], timeout: float | None = None, data: str = "", **_environment: str) -> Done:
        """kubectl, as far as a backup uses it."""
        words = list(arguments)
        if "get" in words:
            return Done(0, "deployment.apps/desk\n", "")
        if "delete" in words:
            self.desk.stop()
        if "rollout" in words:
            self.desk.start()
        if "exec" not in words:
            return Done(0, "", "")
        done = subprocess.run(
            [sys.executable, "-s", FILES / "desk/record.py", words[-1]],
            input=data,
            env=self.desk._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)


def test_back_up_while_people_talk_and_restore_onto_an_empty_volume(
    api: ApiServer, people: dict[str, Person], ready, tmp_path: Path
) -> None:
    token = api.kubectl("create", "token", "desk", "-n", "loop").strip()
    desk = Desk(api, token, tmp_path / "desk", [one["name"] for one in PEOPLE])
    name = ready("digits", cases=desk_samples.save(desk.data, "digits", desk_samples.digits()))
    master = Master(tmp_path / "master", desk)
    try:
        desk.start()
        ben = Visitor(desk).login("ben")
        ben.get(f"/releases/{name}/review/1")
        assert ben.post(f"/releases/{name}/review/1", {"choice": "unknown"}).status == 200
        stop, said = threading.Event(), [0]

        def talk() -> None:
            cleo = Visitor(desk).login("cleo")
            while not stop.is_set():
                cleo.get(f"/releases/{name}")
                answer = cleo.post(f"/releases/{name}/talk", {"text": f"number {said[0]}."})
                assert answer.status == 200
                said[0] += 1

        talker = threading.Thread(target=talk)
        talker.start()
        try:
            while said[0] < 3:
                assert talker.is_alive()
            before = said[0]
            content = record.copied(master)
            after = said[0]
            while said[0] < after + 2:
                assert talker.is_alive()
        finally:
            stop.set()
            talker.join()

        desk.stop()
        shutil.rmtree(desk.data)
        desk.data.mkdir()
        desk_samples.save(desk.data, "digits", desk_samples.digits())
        desk.start()
        assert Visitor(desk).login("ben").get(f"/releases/{name}").body.count("number ") == 0
        new = Visitor(desk).login("vic")
        new.get(f"/releases/{name}")
        new.post(f"/releases/{name}/talk", {"text": "said on the empty volume"})

        desk_restore.bring(master, record.said(content), 30)
        assert ben.get("/").body.count("password"), "sessions ended"
        page = Visitor(desk).login("ben").get(f"/releases/{name}").body
        kept = sum(f"number {number}." in page for number in range(said[0]))
        assert before <= kept <= after + 1
        assert "said on the empty volume" not in page
        assert (desk.data / "before-restore/desk.sqlite").exists()
        assert "number 0." in Visitor(desk).login("ben").get(f"/releases/{name}/record.json").body
        goes_on = Visitor(desk).login("ben").get(f"/releases/{name}/review").body
        assert "<h1" in goes_on and "Case 2 of " in goes_on
        assert "the record of a backup is in its place" in desk.log()
    finally:
        desk.stop()
