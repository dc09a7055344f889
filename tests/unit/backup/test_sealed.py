"""Backups on the laptop: nothing unencrypted on its disk, no half file, the right sentence without the password."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from hypothesis import strategies as st
from played_machine import Played

from ansible_collections.bramble.kube.plugins.module_utils.backup.archive import BackupError, Description
from ansible_collections.bramble.kube.plugins.module_utils.backup.restorer import Restorer
from ansible_collections.bramble.kube.plugins.module_utils.backup.rotation import Cluster, file_name
from ansible_collections.bramble.kube.plugins.plugin_utils import sealed


def loader(*passwords: str) -> SimpleNamespace:
    """A loader with vault passwords, as ansible-playbook makes it."""
    secrets = [("default", VaultSecret(password.encode())) for password in passwords]
    return SimpleNamespace(_vault=SimpleNamespace(secrets=secrets))


MINE = Cluster.of("k8s-master", "sha256:" + "00" * 32)
OTHER = Cluster.of("k8s-master", "sha256:" + "11" * 32)


def test_there_and_back_again(packed: bytes, of: Description, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "one"
    sealed.write(loader("secret"), packed, path, MINE.prefix)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]
    assert sealed.read(loader("wrong", "secret"), path) == (packed, of)


def test_wrong_password_damage_and_none(packed: bytes, of: Description, tmp_path: Path) -> None:
    path = tmp_path / "one"
    sealed.write(loader("secret"), packed, path, MINE.prefix)
    with pytest.raises(sealed.SealedError, match="another vault password"):
        sealed.read(loader("wrong"), path)
    with pytest.raises(sealed.SealedError, match="no vault password was given"):
        sealed.read(loader(), path)
    text = path.read_bytes()
    path.write_bytes(text[:-100])
    with pytest.raises(sealed.SealedError, match="damaged"):
        sealed.read(loader("secret"), path)
    path.write_bytes(b"something else")
    with pytest.raises(sealed.SealedError, match="not an encrypted backup"):
        sealed.read(loader("secret"), path)
    path.write_bytes(VaultLib().encrypt(b"not an archive", secret=VaultSecret(b"secret")))
    with pytest.raises(sealed.SealedError, match="cannot be restored"):
        sealed.read(loader("secret"), path)


def test_nothing_is_written_without_a_password(packed: bytes, tmp_path: Path) -> None:
    with pytest.raises(sealed.SealedError, match="--ask-vault-pass"):
        sealed.write(loader(), packed, tmp_path / "kept" / "one", MINE.prefix)
    assert not (tmp_path / "kept").exists()


def test_what_could_not_be_restored_is_not_written(packed: bytes, tmp_path: Path) -> None:
    with pytest.raises(sealed.SealedError, match="what came from the Pi could not be restored"):
        sealed.write(loader("secret"), packed[:-1], tmp_path / "kept" / "one", MINE.prefix)
    assert not (tmp_path / "kept").exists()


def test_what_is_there_is_not_replaced(packed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_text("older")
    with pytest.raises(sealed.SealedError, match="already exists"):
        sealed.write(loader("secret"), packed, path, MINE.prefix)
    assert path.read_text() == "older"


def test_what_a_cut_run_has_left_goes_with_the_next_one(packed: bytes, tmp_path: Path) -> None:
    (tmp_path / f".{MINE.prefix}x1.part").touch()
    others = {tmp_path / f".{OTHER.prefix}x1.part", tmp_path / "mine.part"}
    for other in others:
        other.touch()
    before = set(tmp_path.iterdir()) - {tmp_path / f".{MINE.prefix}x1.part"}
    sealed.write(loader("secret"), packed, tmp_path / "one", MINE.prefix)
    assert set(tmp_path.iterdir()) == {tmp_path / "one", *before}


def test_a_power_cut_finds_the_new_backup_before_the_older_ones_are_gone(
    packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content to the disk, then its name, then the folder, and only then is something removed."""
    old, new = tmp_path / file_name(MINE, 10, "1.37.2"), tmp_path / file_name(MINE, 20, "1.37.2")
    old.touch()
    done = []

    def noted(name: str, what) -> None:
        real = getattr(os, name)

        def call(*arguments, **more):
            done.append((name, what(*arguments)))
            return real(*arguments, **more)

        monkeypatch.setattr(os, name, call)

    noted("fsync", lambda number: Path(os.readlink(f"/proc/self/fd/{number}")).suffix or "folder")
    noted("rename", lambda _part, path: Path(path).name)
    noted("unlink", lambda path, **_more: Path(path).name)
    sealed.write(loader("secret"), packed, new, MINE.prefix)
    assert sealed.rotate(new, 1) == [old.name]
    assert done == [("fsync", ".part"), ("rename", new.name), ("fsync", "folder"), ("unlink", old.name)]


@pytest.mark.parametrize(("number", "stops"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_folder_that_cannot_be_synced(
    packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, stops: bool
) -> None:
    """Some file systems have no such thing; but an error of the disk stops before something older is removed."""

    def fail(_path: str) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sealed.atomic_file, "sync_folder", fail)
    try:
        sealed.write(loader("secret"), packed, tmp_path / "one", MINE.prefix)
        assert not stops
    except sealed.SealedError as error:
        assert stops and "Input/output error" in str(error)


#: Damage is chosen by chance; what fails is printed with the seed, and can be repeated.
BY_CHANCE = hypothesis.settings(
    max_examples=250, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=[None, "home"])
def sealed_text(packed: bytes, request: pytest.FixtureRequest) -> bytes:
    """A backup as ansible-vault seals it, without and with a vault id."""
    return VaultLib().encrypt(packed, secret=VaultSecret(b"secret"), vault_id=request.param)


@BY_CHANCE
@hypothesis.given(data=st.data())
def test_any_byte_that_is_changed_missing_or_cut_off_is_found(
    sealed_text: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    """On the laptop, in the file as it is; except for the label of a vault id, which is no part of the backup."""
    text, path = sealed_text, tmp_path / "damaged"
    at = data.draw(st.one_of(st.integers(0, 40), st.integers(0, len(text) - 1)), label="byte")
    damage = data.draw(st.sampled_from(["changed", "missing", "cut", "added"]), label="damage")
    if damage == "changed":
        new = data.draw(st.integers(0, 255).filter(lambda value: value != text[at]), label="to")
        damaged = text[:at] + bytes([new]) + text[at + 1 :]
    else:
        added = bytes([data.draw(st.integers(0, 255), label="added")]) if damage == "added" else b""
        damaged = text[:at] + (b"" if damage == "cut" else added + text[at + (damage == "missing") :])
    hypothesis.assume(damaged != text)
    path.write_bytes(damaged)
    label = text.partition(b"\n")[0].split(b";")[3:]
    if label and damaged.partition(b"\n")[2] == text.partition(b"\n")[2] and damaged.startswith(text[:26]):
        return
    with pytest.raises(sealed.SealedError) as found:
        sealed.read(loader("secret"), path)
    assert len(str(found.value)) < 600


@BY_CHANCE
@hypothesis.given(data=st.data())
def test_any_byte_that_is_changed_or_cut_off_is_found_on_the_pi_before_anything_is_done(
    packed: bytes, played: Played, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(packed) - 1), label="byte")
    new = data.draw(st.one_of(st.none(), st.integers(0, 255).filter(lambda value: value != packed[at])), label="to")
    played.put("/archive", packed[:at] + (b"" if new is None else bytes([new]) + packed[at + 1 :]))
    with pytest.raises(BackupError, match="did not arrive whole"):
        Restorer(played).restore("/archive", hashlib.sha256(packed).hexdigest(), 0, 0)
    assert played.asked == []
    assert list(played.files()) == ["/archive"]


def test_a_folder_gives_its_newest_backup_of_this_cluster(tmp_path: Path) -> None:
    names = [file_name(MINE, 10, "1.37.2"), file_name(MINE, 20, "1.36.3"), file_name(Cluster("b", MINE.ca), 99, "1")]
    for name in names:
        (tmp_path / name).touch()
    assert sealed.choose(str(tmp_path), "k8s-master").name == names[1]
    assert sealed.choose(str(tmp_path / names[0]), "k8s-master").name == names[0]
    with pytest.raises(sealed.SealedError, match=r"no backup of the cluster c in .*, but of b, k8s-master: of several"):
        sealed.choose(str(tmp_path), "c")
    with pytest.raises(sealed.SealedError, match="there is no backup at"):
        sealed.choose(str(tmp_path / "nowhere"), "c")


def test_of_two_clusters_with_one_name_the_machine_tells_which_is_its(tmp_path: Path) -> None:
    mine, other = file_name(MINE, 10, "1.37.2"), file_name(OTHER, 20, "1.37.2")
    for name in (mine, other):
        (tmp_path / name).touch()
    assert sealed.choose(str(tmp_path), "k8s-master", lambda: "sha256:" + "00" * 32).name == mine
    assert sealed.choose(str(tmp_path), "k8s-master", lambda: "sha256:" + "11" * 32).name == other
    with pytest.raises(sealed.SealedError, match=f"belongs to none of them.*restore_from .*{mine}, {other}"):
        sealed.choose(str(tmp_path), "k8s-master", lambda: "")
    with pytest.raises(sealed.SealedError, match="none of them is this machine's cluster"):
        sealed.choose(str(tmp_path), "k8s-master", lambda: "sha256:" + "22" * 32)


def test_where_a_restore_begins_is_noted_and_only_goes_up(tmp_path: Path) -> None:
    note = sealed.RevisionNote(tmp_path, MINE)
    assert note.read() == 0
    assert note.write(70) == ""
    assert note.write(60) == ""
    assert sealed.RevisionNote(tmp_path, MINE).read() == 70
    assert sealed.RevisionNote(tmp_path, OTHER).read() == 0
    assert sealed.RevisionNote(tmp_path, Cluster("k8s-master2", MINE.ca)).read() == 70, (
        "another master of the same cluster"
    )
    next(tmp_path.iterdir()).write_text("?")
    assert note.read() == 0
    (tmp_path / "file").touch()
    assert "has to rely on this computer's clock" in sealed.RevisionNote(tmp_path / "file", MINE).write(1)


class FakeAction:
    """An action plugin whose connection notes whether it was told to be silent."""

    def __init__(self, result: dict) -> None:
        self._connection = SimpleNamespace(_play_context=SimpleNamespace(no_log=False))
        self.result, self.silent, self.sent = result, [], None

    def _low_level_execute_command(self, command: str, sudoable: bool, in_data: bytes | None = None) -> dict:
        self.silent.append(self._connection._play_context.no_log)
        self.sent = in_data
        return {"rc": 0, "stdout": "", "stderr": "", **self.result}


def test_what_passes_through_the_connection_is_not_logged_and_arrives_whole() -> None:
    content = bytes(range(256)) * 100
    action = FakeAction({"stdout": base64.encodebytes(content).decode()})
    assert sealed.Stream(action).fetch("/spool", hashlib.sha256(content).hexdigest()) == content
    sealed.Stream(action).send(content, "/spool/archive")
    assert base64.b64decode(action.sent) == content
    assert action.silent == [True, True]
    assert action._connection._play_context.no_log is False
    with pytest.raises(sealed.SealedError, match="whole"):
        sealed.Stream(action).fetch("/spool", "0" * 64)
    with pytest.raises(sealed.SealedError, match="No space left"):
        sealed.Stream(FakeAction({"rc": 1, "stderr": "sh: write error: No space left\n"})).send(b"x", "/spool/a")
