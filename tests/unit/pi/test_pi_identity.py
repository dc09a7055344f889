"""Copies of one card, and who of them keeps the identity."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.pi.clones import cloned
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import identity


def values(machine: str, keys: list, server: str = "") -> dict:
    return {
        "ansible_facts": {
            "pi_machine_id_sha256": machine,
            "pi_host_key_fingerprints": keys,
            "pi_kubernetes": {"kubelet_server": server},
        }
    }


def test_the_first_of_several_copies_keeps_its_identity() -> None:
    hostvars = {"a": values("1", ["x", "y"]), "b": values("1", ["y"]), "c": values("2", ["z"])}
    assert [cloned(list(hostvars), hostvars, name) for name in hostvars] == [[], ["machine_id", "host_keys"], []]


def test_a_host_of_a_cluster_keeps_its_identity() -> None:
    hostvars = {"a": values("1", ["x"]), "b": values("1", ["x"], "https://192.168.13.7:6443")}
    assert cloned(["a", "b"], hostvars, "a") == ["machine_id", "host_keys"]
    assert cloned(["a", "b"], hostvars, "b") == []


def test_hosts_without_an_identity_are_no_copies() -> None:
    hostvars = {"a": values("", []), "b": values("", []), "c": {}}
    assert cloned(["a", "b", "c"], hostvars, "b") == []
    assert cloned(["a", "b", "c"], hostvars, "c") == []


KINDS = ("ed25519", "rsa")
OLD, NEW = [[f"ssh-{kind} {word}" for kind in KINDS] for word in ("OLD", "NEW")]


def usual(played) -> None:
    """A machine with host keys and a machine-id, and an ssh-keygen that makes what it is asked for."""

    def make(words: list[str]) -> str:
        path = words[words.index("-f") + 1]
        Path(path).write_text("SECRET of " + words[words.index("-t") + 1])
        Path(path + ".pub").write_text(f"ssh-{words[words.index('-t') + 1]} NEW {words[words.index('-C') + 1]}\n")
        return ""

    played.says("ssh-keygen", make)
    played.put("/etc/ssh/sshd_config")
    for kind in KINDS:
        played.put(f"/etc/ssh/ssh_host_{kind}_key", "SECRET", 0o600)
        played.put(f"/etc/ssh/ssh_host_{kind}_key.pub", f"ssh-{kind} OLD root@a\n")
    played.put("/proc/sys/kernel/random/uuid", "01234567-89ab-cdef-0123-456789abcdef\n")


def done(played, check_mode: bool = False, **options) -> dict:
    return identity.run(played, {"host_keys": None, "machine_id": False, **options}, check_mode)


@pytest.mark.parametrize(
    ("in_use", "staged", "missing"),
    [
        ([], [], ["ecdsa", "ed25519", "rsa"]),
        (["ssh_host_rsa_key", "ssh_host_rsa_key.pub", "moduli"], [], ["rsa"]),
        (["ssh_host_rsa_key", "ssh_host_ed25519_key"], ["ssh_host_rsa_key.pub"], ["ed25519"]),
        (["ssh_host_rsa_key"], ["ssh_host_rsa_key"], ["rsa"]),
        (["ssh_host_rsa_key"], ["ssh_host_rsa_key", "ssh_host_rsa_key.pub"], []),
    ],
)
def test_keys_are_made_of_the_kinds_that_are_there_until_their_public_half_is(
    in_use: list, staged: list, missing: list
) -> None:
    assert identity.missing_kinds(in_use, staged) == missing


def test_new_keys_are_made_beside_those_in_use_and_then_take_their_place(played, synced: list) -> None:
    usual(played)
    played.put(identity.STAGE + "/ssh_host_rsa_key", "cut")
    first = done(played, host_keys="staged")
    assert (first["changed"], first["public_keys"], first["old_public_keys"]) == (True, NEW, OLD)
    assert [line.split()[:4] for line in played.asked] == [["ssh-keygen", "-q", "-t", kind] for kind in KINDS]
    assert all(" -N  -C " in line for line in played.asked)  # no passphrase
    assert synced == [played.path(identity.STAGE)]
    assert not done(played, host_keys="staged")["changed"]
    used = done(played, host_keys="active")
    assert (used["changed"], used["public_keys"], used["old_public_keys"]) == (True, [], NEW)
    assert not used["reboot_required"]
    assert played.asked[-1] == "systemctl try-reload-or-restart ssh.service"
    assert synced[1:] == [played.path(identity.SSH)]
    assert played.files("/etc/ssh") == {
        "/etc/ssh/ssh_host_ed25519_key": "SECRET of ed25519",
        "/etc/ssh/ssh_host_ed25519_key.pub": f"ssh-ed25519 NEW root@{os.uname().nodename}\n",
        "/etc/ssh/ssh_host_rsa_key": "SECRET of rsa",
        "/etc/ssh/ssh_host_rsa_key.pub": f"ssh-rsa NEW root@{os.uname().nodename}\n",
        "/etc/ssh/sshd_config": "x",
    }
    assert not played.exists(identity.STAGE)
    asked = list(played.asked)
    assert not done(played, host_keys="active")["changed"]
    assert played.asked == asked


def test_staged_keys_are_nobody_elses_to_read(played) -> None:
    usual(played)
    done(played, host_keys="staged")
    assert played.mode(identity.STAGE) == 0o700


def test_a_machine_id_is_made_and_so_is_its_copy(played) -> None:
    usual(played)
    played.put(identity.MACHINE_ID_OF_DBUS, "old")
    told = done(played, machine_id=True)
    assert told["changed"] and told["reboot_required"]
    for path in (identity.MACHINE_ID, identity.MACHINE_ID_OF_DBUS):
        assert played.at(path).read_text() == "0123456789abcdef0123456789abcdef\n"
        assert played.mode(path) == 0o444


@pytest.mark.parametrize("linked", [True, False])
def test_no_second_machine_id_is_made(played, linked: bool) -> None:
    usual(played)
    played.put(identity.MACHINE_ID, "old")
    copy = played.at(identity.MACHINE_ID_OF_DBUS)
    if linked:
        copy.parent.mkdir(parents=True)
        copy.symlink_to(played.at(identity.MACHINE_ID))
    done(played, machine_id=True)
    assert copy.is_symlink() == linked
    assert copy.exists() == linked


def test_check_mode_and_no_wish_leave_everything(played) -> None:
    usual(played)
    before = played.files()
    assert done(played, True, host_keys="staged", machine_id=True)["changed"]
    assert not done(played)["changed"]
    assert (played.files(), played.asked) == (before, [])
    played.put(identity.STAGE + "/ssh_host_rsa_key", "SECRET")
    before = played.files()
    assert done(played, True, host_keys="active")["changed"]
    assert played.files() == before


def test_what_ssh_keygen_refuses_is_said(played) -> None:
    usual(played)
    played.says("ssh-keygen", Done(1, "", "No space left on device\n"))
    with pytest.raises(Stop, match=r"^ssh-keygen .* failed: No space left on device$"):
        done(played, host_keys="staged")
