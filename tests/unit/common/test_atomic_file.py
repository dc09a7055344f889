"""Files come to their content whole, and services are known that have not read them yet."""

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.pi import restarts


@pytest.fixture
def me():
    return (os.getuid(), os.getgid())


def test_write_then_no_difference(tmp_path, me):
    wanted = place.Wanted(str(tmp_path / "new" / "folder" / "file"), b"text", 0o600, me)
    assert place.differs(wanted)
    place.write(wanted)
    assert not place.differs(wanted)
    assert stat.S_IMODE(os.stat(wanted.path).st_mode) == 0o600


def test_another_mode_is_a_difference(tmp_path, me):
    wanted = place.Wanted(str(tmp_path / "file"), b"text", 0o600, me)
    place.write(wanted)
    os.chmod(wanted.path, 0o644)
    assert place.differs(wanted)


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path, me, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def no_rename(*_arguments):
        raise OSError("power cut")

    monkeypatch.setattr(os, "replace", no_rename)
    with pytest.raises(OSError, match="power cut"):
        place.write(place.Wanted(str(path), b"new", 0o644, me))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_secret_gets_a_folder_for_its_owner_alone(tmp_path, me):
    place.write(place.Wanted(str(tmp_path / ".kube" / "config"), b"key", 0o600, me, secret=True))
    assert stat.S_IMODE(os.stat(tmp_path / ".kube").st_mode) == 0o700


def test_removal(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    gone = place.Wanted(str(path), None)
    assert place.differs(gone)
    place.write(gone)
    assert not place.differs(gone)


def test_a_service_is_pending_until_it_starts_anew(tmp_path):
    ids = {"docker": "one", "stopped": ""}
    folder = str(tmp_path / "run")
    restarts.note(["docker", "stopped"], ids.get, folder)
    assert restarts.pending(["docker", "stopped", "other"], lambda name: ids.get(name, ""), folder) == ["docker"]
    ids["docker"] = "two"
    assert restarts.pending(["docker"], ids.get, folder) == []
