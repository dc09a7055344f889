"""preflight asks the Pi's own apt, as an ordinary user, whether it takes the release that is wanted."""

from __future__ import annotations

import pytest
from apt_repositories import GOOD, OLD_VERSION, Key, package, publish
from conftest import PORT, Machine


@pytest.mark.lab
def test_the_oldest_release_that_this_os_takes_is_named(machine: Machine, key: Key) -> None:
    for minor, how in ((30, OLD_VERSION), (31, OLD_VERSION), (32, GOOD)):
        deb = package(machine.work, "kubeadm", f"1.{minor}.1-1.1")
        publish(machine.served / f"v1.{minor}/deb", key, how, [deb])

    def source(minor: int) -> dict:
        url = f"http://127.0.0.1:{PORT}/v1.{minor}/deb/"
        apt = {"url": url, "suite": "/", "settings": "kubeadm_apt"}
        apt.update(key_url=f"{url}Release.key", key_fingerprints=[key.fingerprint])
        wanted = {"name": "the Kubernetes package repository", "urls": [f"{url}Packages"]}
        return {**wanted, "package": "kubeadm", "version": f"1.{minor}.1", "apt": apt}

    (answer,) = machine.do(
        {"bramble.kube.source_probe": {"repositories": [source(30), source(32)], "registries": []}, "remote_user": "pi"}
    )
    old, new = answer["sources"]
    assert not new["refused"] + new["trouble"] + old["trouble"]
    if "trixie" in machine.name:
        assert "has an outdated signature (version 3), which this OS no longer accepts" in old["refused"]
        assert old["refused"].endswith("The oldest release after it that this OS takes is 1.32.")
    else:
        assert not old["refused"]
