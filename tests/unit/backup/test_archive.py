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
    MOST,
    SNAPSHOT,
    BackupError,
    Description,
    check,
    pack,
    read_description,
    saved_files,
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
    assert {path for path, _source in saved_files(str(machine))} == {
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
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def _cut_snapshot(member, data):
    return (member, data[:-7]) if member.name == SNAPSHOT else (member, data)


def _changed_snapshot(member, data):
    return (member, b"x" + data[1:]) if member.name == SNAPSHOT else (member, data)


def _without(name):
    return lambda member, data: None if member.name == name else (member, data)


def _etcd(old, new):
    def change(member, data):
        return member, data.replace(old, new) if member.name.endswith("etcd.yaml") else data

    return change


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
        (_changed_snapshot, "snapshot of etcd fails verification: its content does not match"),
        (_without(SNAPSHOT), "etcd.db is missing"),
        (_without(DESCRIPTION), "not a backup of a control plane"),
        (_without(FILES + "/etc/kubernetes/pki/ca.key"), "does not hold /etc/kubernetes/pki/ca.key"),
        (_without(FILES + "/etc/kubernetes/manifests/etcd.yaml"), "does not hold /etc/kubernetes/manifests/etcd.yaml"),
        (_stranger(FILES + "/etc/kubernetes/../passwd"), "not part of a control plane"),
        (_stranger(FILES + "/etc/passwd"), "not part of a control plane"),
        (_stranger("/etc/passwd"), "not part of a control plane"),
        (_stranger(FILES + "/etc/kubernetesx"), "not part of a control plane"),
        (
            _stranger(FILES + "/etc/kubernetes/x", type=tarfile.SYMTYPE, linkname="../passwd"),
            "not part of a control plane",
        ),
        (_stranger(FILES + "/etc/kubernetes/x", type=tarfile.CHRTYPE), "not part of a control plane"),
        (_stranger(FILES + "/etc/kubernetes/x", type=tarfile.LNKTYPE, linkname="x"), "not part of a control plane"),
        (_stranger(FILES + "/etc/kubernetes/pki/ca.key"), "holds files/etc/kubernetes/pki/ca.key twice"),
        (_etcd(b"k8s-master", b"pi-master"), "is not that of its description"),
        (_etcd(b"192.168.13.7", b"192.168.13.8"), "is not that of its description"),
        (_etcd(b"etcd:3.7.0-0", b"etcd:3.6.0-0"), "is not that of its description"),
        (_etcd(b"--name", b"--nome"), "names no member"),
        (_etcd(b"image", b"imago"), "names no image"),
    ],
)
def test_refused(packed: bytes, change, words: str) -> None:
    with pytest.raises(BackupError, match=words):
        check(io.BytesIO(changed(packed, change)))


def test_a_folder_without_files_comes_back(packed: bytes, tmp_path: Path) -> None:
    held = changed(packed, _stranger(FILES + "/etc/kubernetes/patches", type=tarfile.DIRTYPE))
    assert (restored(held, tmp_path / "new") / "patches").is_dir()


def whole(machine: Path, of: Description) -> bytes:
    """A backup of the machine that can be restored."""
    target = io.BytesIO()
    pack(target, of, str(machine.parent / SNAPSHOT), saved_files(str(machine)))
    assert check(io.BytesIO(target.getvalue())) == of
    return target.getvalue()


def restored(content: bytes, to: Path) -> Path:
    """What it brings to /etc/kubernetes."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        unpack_files(archive, "/etc/kubernetes", str(to))
    return to


def test_a_second_name_of_a_file_is_a_file_of_its_own(machine: Path, of: Description, tmp_path: Path) -> None:
    os.link(machine / "etc/kubernetes/pki/ca.crt", machine / "etc/kubernetes/pki/ca-again.crt")
    back = restored(whole(machine, of), tmp_path / "back")
    assert (back / "pki/ca-again.crt").read_text() == (back / "pki/ca.crt").read_text() == "etc/kubernetes/pki/ca.crt"


@pytest.mark.parametrize("moved", ["etc/kubernetes/pki", "etc/kubernetes", "etc/kubernetes/pki/ca.key"])
def test_what_lies_on_another_disk_comes_back_from_the_backup(
    machine: Path, of: Description, tmp_path: Path, moved: str
) -> None:
    (tmp_path / "disk").mkdir()
    (machine / moved).rename(tmp_path / "disk" / "there")
    (machine / moved).symlink_to(tmp_path / "disk" / "there")
    back = restored(whole(machine, of), tmp_path / "back")
    assert (back / "pki/ca.key").read_text() == "etc/kubernetes/pki/ca.key"
    assert (back / "pki/ca.key").stat().st_mode & 0o777 == 0o600
    assert not (back / "pki/ca.key").is_symlink()
    assert not (back / "pki").is_symlink()


def test_a_link_to_a_file_beside_it_stays_a_link(machine: Path, of: Description, tmp_path: Path) -> None:
    (machine / "etc/kubernetes/pki/newest.crt").symlink_to("ca.crt")
    assert os.readlink(restored(whole(machine, of), tmp_path / "back") / "pki/newest.crt") == "ca.crt"


def test_what_cannot_be_saved_is_refused_by_name(machine: Path) -> None:
    odd = machine / "etc/kubernetes/pki/odd"

    def refused(words: str) -> None:
        with pytest.raises(BackupError, match=words):
            saved_files(str(machine))
        odd.unlink()

    odd.symlink_to("../gone")
    refused("/etc/kubernetes/pki/odd is a link to ../gone, and nothing is there")
    odd.symlink_to("..")
    refused("/etc/kubernetes/pki/odd is a link to .*, which contains it")
    odd.symlink_to("odd")
    refused("/etc/kubernetes/pki/odd is a link to odd, and nothing is there")
    os.mkfifo(odd)
    refused("/etc/kubernetes/pki/odd is neither a file nor a folder")
    with odd.open("wb") as file:
        file.truncate(MOST)
    refused("/etc/kubernetes/pki brings the files beside etcd's data above 64 MiB")
    assert saved_files(str(machine))


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
