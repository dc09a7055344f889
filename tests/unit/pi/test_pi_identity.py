"""Copies of one card, and who of them keeps the identity."""

from __future__ import annotations

from ansible_collections.bramble.kube.plugins.module_utils.pi.clones import cloned
from ansible_collections.bramble.kube.plugins.modules import pi_identity


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


def test_staged_keys_are_of_the_kinds_that_are_there(pi) -> None:
    assert "ed25519" in pi_identity.kinds(pi)
    pi.put("/etc/ssh/ssh_host_ed25519_key", "SECRET")
    pi.put("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAA root@a")
    assert pi_identity.kinds(pi) == ["ed25519"]
    pi.put(pi_identity.STAGE + "/ssh_host_ed25519_key.pub", "ssh-ed25519 BBBB root@b\n")
    pi.put(pi_identity.STAGE + "/ssh_host_ed25519_key", "SECRET")
    assert pi_identity.public_keys(pi, pi_identity.STAGE) == ["ssh-ed25519 BBBB"]
