"""Backups on the laptop: nothing unencrypted on its disk, no half file, the right sentence without the password."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.parsing.vault import VaultSecret

from ansible_collections.bramble.kube.plugins.module_utils.backup.archive import Description
from ansible_collections.bramble.kube.plugins.module_utils.backup.rotation import file_name
from ansible_collections.bramble.kube.plugins.plugin_utils import sealed


def loader(*passwords: str) -> SimpleNamespace:
    """A loader with vault passwords, as ansible-playbook makes it."""
    secrets = [("default", VaultSecret(password.encode())) for password in passwords]
    return SimpleNamespace(_vault=SimpleNamespace(secrets=secrets))


def test_there_and_back_again(packed: bytes, of: Description, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "one"
    sealed.write(loader("secret"), packed, path)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]
    assert sealed.read(loader("wrong", "secret"), path) == (packed, of)


def test_wrong_password_damage_and_none(packed: bytes, of: Description, tmp_path: Path) -> None:
    path = tmp_path / "one"
    sealed.write(loader("secret"), packed, path)
    with pytest.raises(sealed.SealedError, match="another vault password"):
        sealed.read(loader("wrong"), path)
    with pytest.raises(sealed.SealedError, match="no vault password was given"):
        sealed.read(loader(), path)
    text = path.read_bytes()
    path.write_bytes(text[:-100])
    with pytest.raises(sealed.SealedError, match="damaged"):
        sealed.read(loader("secret"), path)
    path.write_bytes(b"something else")
    with pytest.raises(sealed.SealedError, match="no encrypted backup"):
        sealed.read(loader("secret"), path)
    sealed.write(loader("secret"), b"not an archive", path)
    with pytest.raises(sealed.SealedError, match="cannot be restored"):
        sealed.read(loader("secret"), path)


def test_nothing_is_written_without_a_password(tmp_path: Path) -> None:
    with pytest.raises(sealed.SealedError, match="--ask-vault-pass"):
        sealed.write(loader(), b"content", tmp_path / "one")
    assert not list(tmp_path.iterdir())


def test_a_folder_gives_its_newest_backup_of_this_cluster(tmp_path: Path) -> None:
    names = [file_name("k8s-master", 10, "1.37.2"), file_name("k8s-master", 20, "1.36.3"), file_name("b", 99, "1.37.2")]
    for name in names:
        (tmp_path / name).touch()
    assert sealed.choose(str(tmp_path), "k8s-master").name == names[1]
    assert sealed.choose(str(tmp_path / names[0]), "k8s-master").name == names[0]
    with pytest.raises(sealed.SealedError, match="no backup of the cluster c"):
        sealed.choose(str(tmp_path), "c")
    with pytest.raises(sealed.SealedError, match="there is no backup at"):
        sealed.choose(str(tmp_path / "nowhere"), "c")


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
