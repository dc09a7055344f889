"""The action plugins: what they ask the machine, what they send, and what they fill in."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.parsing.vault import VaultSecret

from ansible_collections.bramble.kube.plugins.action import (
    control_plane_backup,
    control_plane_drill,
    control_plane_restore,
)
from ansible_collections.bramble.kube.plugins.module_utils.backup.archive import Description
from ansible_collections.bramble.kube.plugins.module_utils.backup.restore import LEAST_BUMP
from ansible_collections.bramble.kube.plugins.module_utils.backup.rotation import Cluster, file_name
from ansible_collections.bramble.kube.plugins.plugin_utils import sealed

LOADER = SimpleNamespace(_vault=SimpleNamespace(secrets=[("default", VaultSecret(b"secret"))]))


class Wire:
    """Stands for the SSH session, and notes what goes through it."""

    sent: list[bytes]

    def __init__(self, content: bytes = b"") -> None:
        self.content, self.sent, self.removed = content, [], []

    def __call__(self, _action) -> Wire:
        return self

    def send(self, content: bytes, _path: str) -> None:
        self.sent.append(content)

    def fetch(self, _path: str, _sha256: str) -> bytes:
        return self.content

    def remove(self, path: str) -> None:
        self.removed.append(path)


def plugin(module, answer, check: bool = False, **arguments):
    """An action plugin whose module answers as the test wants; it notes with which arguments it was called, and how."""
    task = SimpleNamespace(args=arguments, check_mode=check, async_val=0, action="x", diff=False, delegate_to=None)
    made = module.ActionModule(task, SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)), None, LOADER, None, None)
    made.calls = []

    def execute(module_args=None, task_vars=None):
        made.calls.append((bool(task.check_mode), dict(module_args or {})))
        return dict(answer(module_args, task.check_mode))

    made._execute_module = execute
    return made


@pytest.fixture
def kept(packed: bytes, of: Description, tmp_path: Path) -> Path:
    """A folder with one backup."""
    cluster = Cluster.of(of.node_name, of.cluster_ca_sha256)
    path = tmp_path / "kept" / file_name(cluster, of.created, of.kubernetes)
    sealed.write(LOADER, packed, path, cluster.prefix)
    return path


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch, packed: bytes) -> Wire:
    made = Wire(packed)
    monkeypatch.setattr(sealed, "Stream", made)
    return made


GIVEN = {"node_name": "k8s-master", "address": "192.168.13.7"}


def test_a_restore_asks_first_and_begins_above_the_one_before(kept: Path, wire: Wire, packed: bytes, of) -> None:
    made = []
    for revision in (0, 9 * 10**15):
        action = plugin(control_plane_restore, lambda *_, r=revision: {"revision": r}, src=str(kept.parent), **GIVEN)
        result = action.run(task_vars={})
        assert result["path"] == str(kept)
        (asked, _first), (done, arguments) = action.calls
        assert (asked, done) == (True, False)
        assert arguments["sha256"] == hashlib.sha256(packed).hexdigest()
        made.append(arguments["first_revision"])
    assert wire.sent == [packed, packed]
    assert made[0] >= of.revision + LEAST_BUMP
    assert made[1] >= made[0] + LEAST_BUMP
    last = plugin(control_plane_restore, lambda *_: {}, src=str(kept.parent), **GIVEN)
    last.run(task_vars={})
    assert last.calls[-1][1]["first_revision"] >= 9 * 10**15 + LEAST_BUMP, "what the machine said is not noted"


def test_what_the_machine_refuses_is_not_sent(kept: Path, wire: Wire) -> None:
    for module in (control_plane_restore, control_plane_drill):
        action = plugin(module, lambda *_: {"failed": True, "msg": "no"}, src=str(kept), **GIVEN)
        assert action.run(task_vars={})["failed"]
        assert len(action.calls) == 1
    assert wire.sent == []
    assert list(kept.parent.iterdir()) == [kept]


def test_a_dry_run_sends_nothing(kept: Path, wire: Wire) -> None:
    for module in (control_plane_restore, control_plane_drill):
        action = plugin(module, lambda *_: {"changed": True}, True, src=str(kept), **GIVEN)
        assert action.run(task_vars={})["backup"]["kubernetes"] == "1.37.2"
    assert wire.sent == []


def test_a_newer_backup_by_another_master_is_not_passed_over(kept: Path, wire: Wire) -> None:
    newer = kept.name.replace("k8s-master_", "k8s-master2_")
    newer = re.sub(r"_\d{8}T", time.strftime("_%Y%m%dT", time.gmtime(time.time() - 86400)), newer)
    (kept.parent / newer).touch()
    action = plugin(control_plane_restore, lambda *_: {}, src=str(kept.parent), **GIVEN)
    told = action.run(task_vars={})["msg"]
    assert f"another master of this cluster has made a newer backup, {newer}: name that" in told
    assert action.calls == []
    action = plugin(control_plane_restore, lambda *_: {}, src=str(kept), **GIVEN)
    assert "failed" not in action.run(task_vars={}), "it was named"


def test_a_damaged_backup_is_refused_before_the_machine_is_asked(kept: Path, wire: Wire) -> None:
    kept.write_bytes(kept.read_bytes()[:-1])
    for module, words in ((control_plane_restore, "Nothing was restored"), (control_plane_drill, "There was no drill")):
        action = plugin(module, lambda *_: {}, src=str(kept), **GIVEN)
        told = action.run(task_vars={})
        assert told["msg"].startswith(words)
        assert action.calls == []
    assert wire.sent == []


def test_a_drill_leaves_nothing_on_the_pi(kept: Path, wire: Wire, packed: bytes) -> None:
    def answer(arguments, check):
        if not check:
            raise RuntimeError("the session was cut")
        assert arguments["size"] > len(packed)
        return {}

    action = plugin(control_plane_drill, answer, src=str(kept), node_name="k8s-master")
    with pytest.raises(RuntimeError):
        action.run(task_vars={})
    assert wire.sent == [packed]
    assert len(wire.removed) == 1
    assert abs(action.calls[-1][1]["now"] - time.time()) < 100


def test_a_backup_has_the_laptops_time_and_keeps_what_was_just_written(
    kept: Path, wire: Wire, of: Description, tmp_path: Path
) -> None:
    def answer(arguments, _check):
        backup = vars(replace(of, created=arguments["created"]))
        return {"spool": "/spool", "sha256": "", "backup": backup}

    # A backup that is dated in the future, and one of another cluster whose master has the same name.
    ca = Cluster.of(of.node_name, of.cluster_ca_sha256)
    future, other = file_name(ca, time.time() + 10**7, "1.37.2"), file_name(Cluster(ca.node, "1" * 12), 1, "1.37.2")
    for name in (future, other):
        (kept.parent / name).touch()
    action = plugin(control_plane_backup, answer, dest=str(kept.parent), keep=1)
    result = action.run(task_vars={})
    assert abs(action.calls[0][1]["created"] - time.time()) < 100
    assert result["removed"] == [kept.name]
    assert {path.name for path in kept.parent.iterdir()} == {future, other, Path(result["path"]).name}


def test_a_backup_that_could_not_be_restored_removes_none(kept: Path, wire: Wire, of: Description) -> None:
    wire.content = wire.content[:-9]
    action = plugin(
        control_plane_backup,
        lambda *_: {"spool": "/s", "sha256": "", "backup": vars(of)},
        dest=str(kept.parent),
        keep=1,
    )
    result = action.run(task_vars={})
    assert "could not be restored" in result["msg"]
    assert list(kept.parent.iterdir()) == [kept]


@pytest.mark.parametrize("keep", ["many", -1, "", None])
def test_how_many_are_kept_is_a_number(kept: Path, wire: Wire, keep: object) -> None:
    action = plugin(control_plane_backup, lambda *_: {}, dest=str(kept.parent), keep=keep)
    assert action.run(task_vars={}) == {"failed": True, "msg": f"keep is {keep}; use a number, or 0 for all."}
    assert action.calls == []


def test_seven_are_kept_unless_somebody_wants_another_number(kept: Path, wire: Wire, of: Description) -> None:
    ca = Cluster.of(of.node_name, of.cluster_ca_sha256)
    for day in range(7):
        (kept.parent / file_name(ca, of.created - 86400 * (day + 1), "1.37.2")).touch()
    newest = vars(replace(of, created=of.created + 1))
    action = plugin(
        control_plane_backup, lambda *_: {"spool": "/s", "sha256": "", "backup": newest}, dest=str(kept.parent)
    )
    result = action.run(task_vars={})
    assert (result["changed"], len(result["removed"]), len(list(kept.parent.iterdir()))) == (True, 2, 7)
    assert result["size"] == Path(result["path"]).stat().st_size
    assert wire.removed == ["/s"]


@pytest.mark.parametrize("answer", [{"failed": True, "msg": "no", "spool": "/s"}, {"changed": True}])
def test_what_the_module_did_not_pack_is_not_carried(kept: Path, wire: Wire, answer: dict) -> None:
    action = plugin(control_plane_backup, lambda *_: answer, dest=str(kept.parent))
    assert action.run(task_vars={}) == answer
    assert wire.removed == []
