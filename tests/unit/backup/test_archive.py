"""What goes into a backup, and which archives are refused."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.backup.archive import (
    DESCRIPTION,
    FILES,
    SNAPSHOT,
    BackupError,
    Description,
    check,
    read_description,
    saved_paths,
    unpack_file,
    unpack_files,
)


def changed(content: bytes, change) -> bytes:
    """The archive with members changed: `change` gets (TarInfo, content) and returns the same, or None to drop it."""
    target = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as old,
        tarfile.open(fileobj=target, mode="w:gz") as new,
    ):
        for member in old:
            data = old.extractfile(member).read() if member.isreg() else b""
            kept = change(member, data)
            if kept:
                kept[0].size = len(kept[1])
                new.addfile(kept[0], io.BytesIO(kept[1]))
    return target.getvalue()


def test_saved_is_what_makes_the_control_plane_and_nothing_of_its_pods(machine: Path) -> None:
    assert set(saved_paths(str(machine))) == {
        "/etc/kubernetes/admin.conf",
        "/etc/kubernetes/pki/ca.key",
        "/etc/kubernetes/pki/ca.crt",
        "/etc/kubernetes/manifests/etcd.yaml",
        "/var/lib/kubelet/config.yaml",
        "/var/lib/kubelet/pki/kubelet-client-2026.pem",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
    }


def test_there_and_back_again(packed: bytes, content: bytes, of: Description, tmp_path: Path) -> None:
    assert check(io.BytesIO(packed)) == of
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        unpack_file(archive, SNAPSHOT, str(tmp_path / "snapshot"))
        unpack_files(archive, "/etc/kubernetes", str(tmp_path / "new"))
        unpack_files(archive, "/var/lib/kubelet/pki", str(tmp_path / "pki"))
        # again, over what is there
        unpack_files(archive, "/var/lib/kubelet/pki", str(tmp_path / "pki"))
    assert (tmp_path / "snapshot").read_bytes()[:-32] == content
    assert (tmp_path / "snapshot").stat().st_mode & 0o777 == 0o600
    for name, mode in (("pki/ca.key", 0o600), ("pki/ca.crt", 0o644), ("admin.conf", 0o600)):
        assert (tmp_path / "new" / name).read_text() == f"etc/kubernetes/{name}"
        assert (tmp_path / "new" / name).stat().st_mode & 0o777 == mode
    assert os.readlink(tmp_path / "pki" / "kubelet-client-current.pem").endswith("kubelet-client-2026.pem")


def _cut_snapshot(member, data):
    return (member, data[:-7]) if member.name == SNAPSHOT else (member, data)


def _changed_snapshot(member, data):
    return (member, b"x" + data[1:]) if member.name == SNAPSHOT else (member, data)


def _without(name):
    return lambda member, data: None if member.name == name else (member, data)


def _stranger(name, **attributes):
    def change(member, data):
        if not member.name.endswith("admin.conf"):
            return member, data
        member.name = name
        for key, value in attributes.items():
            setattr(member, key, value)
        return member, (b"" if attributes else data)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_cut_snapshot, "snapshot of etcd fails verification: it is cut off"),
        (_changed_snapshot, "snapshot of etcd fails verification: its content does not fit"),
        (_without(SNAPSHOT), "etcd.db is missing"),
        (_without(DESCRIPTION), "no backup of a control plane"),
        (_without(FILES + "/etc/kubernetes/pki/ca.key"), "does not hold /etc/kubernetes/pki/ca.key"),
        (_without(FILES + "/etc/kubernetes/manifests/etcd.yaml"), "does not hold /etc/kubernetes/manifests/etcd.yaml"),
        (_stranger(FILES + "/etc/kubernetes/../passwd"), "no part of a control plane"),
        (_stranger(FILES + "/etc/passwd"), "no part of a control plane"),
        (_stranger("/etc/passwd"), "no part of a control plane"),
        (_stranger(FILES + "/etc/kubernetesx"), "no part of a control plane"),
        (
            _stranger(FILES + "/etc/kubernetes/x", type=tarfile.SYMTYPE, linkname="../passwd"),
            "no part of a control plane",
        ),
        (_stranger(FILES + "/etc/kubernetes/x", type=tarfile.CHRTYPE), "no part of a control plane"),
    ],
)
def test_refused(packed: bytes, change, words: str) -> None:
    with pytest.raises(BackupError, match=words):
        check(io.BytesIO(changed(packed, change)))


@pytest.mark.parametrize("cut", [0, 1, 40, 0.5, 0.99])
def test_a_truncated_or_foreign_file(packed: bytes, cut: float) -> None:
    with pytest.raises(BackupError):
        check(io.BytesIO(packed[: int(cut * len(packed)) if cut < 1 else int(cut)]))
    with pytest.raises(BackupError):
        check(io.BytesIO(b"x" * 5000))


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"format": 1}', b'{"format": 2}'])
def test_descriptions_that_cannot_be_read(text: bytes) -> None:
    with pytest.raises(BackupError):
        read_description(text)
