# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people said at the loop's desk in a backup of the control plane, and back from it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import sqlite3
import sys
import tarfile
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from played_machine import Clock, Played
from test_actions import GIVEN, LOADER, Wire, kept, plugin, wire
from test_archive import changed
from test_back_up_and_restore import NAME, master, options, snapshot

from ansible_collections.bramble.kube.plugins.action import control_plane_backup, desk_restore
from ansible_collections.bramble.kube.plugins.module_utils.backup import (
    archive,
    back_up,
    machine,
    record,
)
from ansible_collections.bramble.kube.plugins.module_utils.backup import desk_restore as step
from ansible_collections.bramble.kube.plugins.module_utils.backup.rotation import Cluster, file_name
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.plugin_utils import sealed

__all__ = ["kept", "master", "wire"]


def tar(**files: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as made:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return target.getvalue()


def database(*statements: str) -> bytes:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        for statement in ("CREATE TABLE comments (text TEXT)", *statements):
            made.execute(statement)
        return made.serialize()


DESK = tar(**{"desk.sqlite": database("INSERT INTO comments VALUES ('hi')"), "corrections/digits.jsonl": b"{}\n"})
FILES = record.contents(DESK)


def with_desk(packed: bytes, of: archive.Description, desk: bytes = DESK, says: dict | None = None) -> bytes:
    """A backup with a record added."""
    of = replace(of, desk=FILES if says is None else says)

    def change(member: tarfile.TarInfo, data: bytes):
        return member, of.to_json() if member.name == archive.DESCRIPTION else data

    target = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(changed(packed, change)), mode="r:gz") as old,
        tarfile.open(fileobj=target, mode="w:gz") as new,
    ):
        for member in old:
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
        info = tarfile.TarInfo(archive.RECORD)
        info.size = len(desk)
        new.addfile(info, io.BytesIO(desk))
    return target.getvalue()


# Taking one -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def looped(master: Played) -> Played:
    """A control plane whose cluster has the loop."""
    master.says("get deployment desk", "deployment.apps/desk\n")
    master.says("record.py copy", record.said(DESK))
    return master


def test_a_backup_has_what_people_said(looped: Played) -> None:
    result = back_up.run(looped, options(), False)
    packed = looped.at(machine.ARCHIVE).read_bytes()
    assert archive.desk_of(io.BytesIO(packed)) == DESK
    assert asdict(archive.check(io.BytesIO(packed)))["desk"] == result["backup"]["desk"] == FILES
    assert result["without_desk"] == ""
    with tarfile.open(fileobj=io.BytesIO(packed)) as found:
        assert found.getmember(archive.RECORD).mode == 0o600
        assert b'"format": 2' in found.extractfile(archive.DESCRIPTION).read()
    order = [word for line in looped.asked for word in ("record.py copy", "snapshot save") if word in line]
    assert order == ["record.py copy", "snapshot save"], "it must not speak of a release that the snapshot lacks"


def test_without_a_loop_the_backup_is_as_it_always_was(master: Played) -> None:
    result = back_up.run(master, options(), False)
    packed = master.at(machine.ARCHIVE).read_bytes()
    assert (result["backup"]["desk"], result["without_desk"]) == ({}, "")
    with tarfile.open(fileobj=io.BytesIO(packed)) as found:
        assert archive.RECORD not in found.getnames()
        description = found.extractfile(archive.DESCRIPTION).read()
    assert b'"format": 1' in description and b"desk" not in description
    assert not any("exec" in line for line in master.asked)


OLD = "python: can't open file '/desk/record.py': [Errno 2] No such file\ncommand terminated with exit code 2"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Done(1, "", 'error: unable to upgrade connection: container not found ("desk")'), "container not found"),
        (
            Done(3, "", "there is no desk.sqlite on the volume\ncommand terminated with exit code 3"),
            "desk.sqlite on the v",
        ),
        (Done(2, "", OLD), "older release of this collection: run playbooks/loop.yml once"),
        (Done(124, "", "Command timed out after 300 seconds"), "timed out"),
        (record.said(DESK)[:-100], "did not arrive whole"),
        (record.said(tar(**{"desk.sqlite": b"x" * 4096})), "its desk.sqlite is damaged: file is not a database"),
        (record.said(b"x"), "it is damaged"),
    ],
)
def test_a_desk_that_gives_no_copy_does_not_prevent_the_backup_which_says_so(looped, answer, words: str) -> None:
    looped.says("record.py copy", answer)
    looped.says("snapshot save", lambda given: str(looped.put(given[given.index("save") + 1], etcd_with_desk()))[:0])
    result = back_up.run(looped, options(), False)
    assert words in result["without_desk"] and "terminated" not in result["without_desk"]
    assert result["backup"]["desk"] == archive.check(io.BytesIO(looped.at(machine.ARCHIVE).read_bytes())).desk == {}


def etcd_with_desk() -> bytes:
    content = snapshot()[:-32] + record.KEY + bytes(512 - len(record.KEY))
    return content + hashlib.sha256(content).digest()


def test_an_api_server_that_does_not_answer_matters_only_where_etcd_has_a_desk(master: Played) -> None:
    master.says("get deployment desk", Done(1, "", "The connection to the server was refused"))
    assert back_up.run(master, options(), False)["without_desk"] == ""
    master.says("snapshot save", lambda given: str(master.put(given[given.index("save") + 1], etcd_with_desk()))[:0])
    assert back_up.run(master, options(), False)["without_desk"] == (
        "the API server does not say whether there is one: The connection to the server was refused"
    )


def test_a_backup_without_what_people_said_removes_no_older_one(kept: Path, wire: Wire, of) -> None:
    for without, removed in (("no answer", []), ("", [kept.name])):
        newest = vars(replace(of, created=of.created + 1 + len(removed)))
        answer = {"spool": "/s", "sha256": "", "backup": newest, "without_desk": without}
        action = plugin(control_plane_backup, lambda *_, a=answer: a, dest=str(kept.parent), keep=1)
        result = action.run(task_vars={})
        assert (result["without_desk"], kept.name in result["removed"]) == (without, bool(removed))


# What is refused ------------------------------------------------------------------------------------------------------


def test_a_whole_one_is_read(packed: bytes, of: archive.Description) -> None:
    assert archive.check(io.BytesIO(with_desk(packed, of))).desk == FILES


@pytest.mark.parametrize(
    ("desk", "says", "words"),
    [
        (DESK, {"desk.sqlite": "0" * 64}, r"record of the loop's desk \(desk.tar\) is not that of its description"),
        (DESK[:6000], None, "its record of the loop's desk|is not that of its description"),
        (tar(**{"desk.sqlite": database()}), None, "is not that of its description"),
        (tar(**{"desk.sqlite": b""}), None, "its record of the loop's desk: its desk.sqlite is damaged: it is empty"),
        (tar(other=b"x"), None, "its desk.sqlite is damaged: it is empty"),
        (b"x" * 600, None, "its record of the loop's desk: it is damaged"),
    ],
)
def test_a_record_that_is_damaged_or_another_is_refused(packed: bytes, of, desk: bytes, says, words: str) -> None:
    with pytest.raises(archive.BackupError, match=words):
        archive.check(io.BytesIO(with_desk(packed, of, desk, says)))


def test_a_record_that_is_missing_is_refused(packed: bytes, of: archive.Description) -> None:
    def change(member: tarfile.TarInfo, data: bytes):
        return None if member.name == archive.RECORD else (member, data)

    with pytest.raises(archive.BackupError, match="is not that of its description"):
        archive.check(io.BytesIO(changed(with_desk(packed, of), change)))


def test_a_page_of_the_database_that_was_overwritten_is_found() -> None:
    content = bytearray(database(*(f"INSERT INTO comments VALUES ('{'x' * 3000}')" for _row in range(30))))
    content[8192:8300] = b"\xff" * 108
    with pytest.raises(record.RecordError, match=r"its desk\.sqlite is damaged"):
        record.contents(tar(**{"desk.sqlite": bytes(content)}))


def test_on_a_pi_with_an_old_python_the_digests_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        def close(self) -> None: ...

    monkeypatch.setattr(sqlite3, "connect", lambda _where: Old())
    assert record.contents(DESK) == FILES
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    assert record.contents(DESK) == FILES


# Bringing it back -----------------------------------------------------------------------------------------------------


def given(of: archive.Description, **more: object) -> dict:
    return {"src": "/kept/b1", "node_name": NAME, "timeout": 30, "backup": asdict(of), "sha256": "", **more}


@pytest.fixture
def mine(looped: Played, of: archive.Description) -> archive.Description:
    """A backup of this cluster with a record that waits in the spool."""
    looped.put(step.SPOOLED, record.said(DESK), 0o600)
    return replace(of, desk=FILES, cluster_ca_sha256=machine.look(looped, NAME, "").ca)


def test_the_desk_takes_it_and_starts_again(looped: Played, mine: archive.Description) -> None:
    looped.asked.clear()
    assert step.run(looped, given(mine), False) == {"changed": True}
    asked = [line.partition("-n loop ")[2] for line in looped.asked if "-n loop" in line]
    assert [line.split()[0] for line in asked] == ["get", "exec", "delete", "rollout"]
    assert record.said(DESK) in looped.fed
    assert not looped.exists(machine.SPOOL)


def test_a_pod_that_comes_late_is_waited_for(looped: Played, mine: archive.Description, clock: Clock) -> None:
    away = Done(1, "", "error: unable to upgrade connection: container not found")
    looped.says("record.py bring", away, away, "")
    assert step.run(looped, given(mine), False)["changed"]
    assert clock.slept == [2, 2]
    looped.put(step.SPOOLED, record.said(DESK))
    looped.says("record.py bring", away)
    with pytest.raises(Stop, match=r"was not restored: no Pod of the desk takes it within 30 s .*container not found"):
        step.run(looped, given(mine), False)
    assert not looped.exists(machine.SPOOL)


@pytest.mark.parametrize(
    ("words", "answer", "sentence"),
    [
        ("record.py bring", Done(3, "", "it is of a newer desk\ncommand terminated with exit code 3"), "a newer desk"),
        ("record.py bring", Done(2, "", OLD), "run playbooks/loop.yml once"),
        ("delete pods", Done(1, "", "timed out waiting"), "it is in place, but the desk does not start again: timed"),
        ("rollout status", Done(1, "", "error: timed out"), "it is in place, but the desk does not start again: "),
        (
            "get deployment desk",
            "",
            "has no desk and no volume for it: run playbooks/loop.yml, then restore.yml --tags",
        ),
        ("get deployment desk", Done(1, "", "refused"), "the API server does not say whether there is one: refused"),
    ],
)
def test_what_cannot_go_on_is_one_sentence(looped: Played, mine, clock: Clock, words, answer, sentence: str) -> None:
    looped.says(words, answer)
    with pytest.raises(Stop, match=sentence):
        step.run(looped, given(mine), False)
    assert clock.slept == []


def test_that_of_another_cluster_is_refused(looped: Played, mine: archive.Description) -> None:
    looped.asked.clear()
    with pytest.raises(
        Stop, match="/kept/b1 is of another cluster, and what people said there is about other releases"
    ):
        step.run(looped, given(replace(mine, cluster_ca_sha256="sha256:" + "11" * 32)), False)
    assert not any("-n loop" in line for line in looped.asked)


def test_a_backup_without_it_asks_nobody_and_changes_nothing(looped: Played, of: archive.Description) -> None:
    looped.asked.clear()
    assert step.run(looped, given(of), False) == {"changed": False}
    assert not any("-n loop" in line for line in looped.asked)
    assert step.run(looped, given(of, backup=None), True)["cluster_ca_sha256"]


def test_a_dry_run_only_looks(looped: Played, played: Played, mine: archive.Description) -> None:
    assert step.run(looped, given(mine), True) == {"changed": True}
    assert not any("exec" in line for line in looped.asked)
    looped.at("/etc/kubernetes/admin.conf").unlink()
    looped.says("get deployment desk", Done(1, "", "no such file"))
    assert step.run(looped, given(mine), True) == {"changed": True}, "a blank master"


def test_the_laptop_sends_only_the_record_and_leaves_nothing(packed, of, tmp_path: Path, wire: Wire) -> None:
    cluster = Cluster.of(of.node_name, of.cluster_ca_sha256)
    path = tmp_path / "kept" / file_name(cluster, of.created, of.kubernetes)
    sealed.write(LOADER, with_desk(packed, of), path, cluster.prefix)
    action = plugin(desk_restore, lambda *_: {"changed": True}, src=str(path.parent), **GIVEN)
    assert action.run(task_vars={})["path"] == str(path)
    assert [record.heard(sent.decode()) for sent in wire.sent] == [DESK]
    assert wire.removed == [step.SPOOLED]
    assert [check for check, _arguments in action.calls] == [True, False]


def test_of_a_backup_without_it_nothing_is_sent(kept: Path, wire: Wire) -> None:
    action = plugin(desk_restore, lambda *_: {"changed": False}, src=str(kept), **GIVEN)
    assert action.run(task_vars={})["changed"] is False
    assert (wire.sent, wire.removed) == ([], [])
