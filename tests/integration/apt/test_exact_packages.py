"""Packages stay at exactly the wanted release after every step, although the repository has a newer one."""

from __future__ import annotations

import pytest
from apt_repositories import Key, package, publish
from conftest import PORT, Machine

KUBERNETES = ("kubeadm", "kubelet", "kubectl")
RELEASES = ("1.36.3-1.1", "1.37.1-1.1", "1.37.2-1.1")


@pytest.fixture(scope="module")
def repository(machine: Machine, key: Key) -> Machine:
    """A machine that knows a repository with three releases of Kubernetes, and with Docker's containerd."""
    debs = [package(machine.work, name, release) for name in KUBERNETES for release in RELEASES]
    debs.append(package(machine.work, "containerd", "1.7.24-1"))
    debs.append(package(machine.work, "runc", "1.1.15-1"))
    debs.append(package(machine.work, "containerd.io", "2.1.0-1", Conflicts="containerd, runc"))
    publish(machine.served / "packages", key, debs=debs)
    machine.run("sh", "-c", "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*")
    url = f"http://127.0.0.1:{PORT}/packages/"
    arguments = {"name": "test", "label": "it", "url": url, "suite": "/", "settings": "test_apt"}
    arguments.update(key_url=f"{url}Release.key", key_fingerprints=[key.fingerprint])
    (added,) = machine.do({"bramble.kube.apt_source": arguments})
    assert added["changed"], added
    return machine


def install(*names: str, release: str = "", **options: object) -> dict:
    """A task that installs and holds packages."""
    wanted = [f"{name}={release}-*" if release else name for name in names]
    return {"bramble.kube.pi_packages": {"names": wanted, "hold": True, **options}}


def state(machine: Machine) -> dict[str, str]:
    """Version and hold of each Kubernetes package."""
    lines = machine.run("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Want}\n").splitlines()
    words = [line.split() for line in lines]
    return {name: f"{version} {want}" for name, version, want in words if name in KUBERNETES}


UPGRADE = {"bramble.kube.pi_packages": {"upgrade": True, "upgrade_valid": 0}}


@pytest.mark.lab
def test_every_step_of_an_upgrade_to_an_older_patch(repository: Machine) -> None:
    (first,) = repository.do(install(*KUBERNETES, release="1.36.3"))
    assert first["changed"]
    assert set(state(repository).values()) == {"1.36.3-1.1 hold"}
    again, kubeadm = repository.do(install(*KUBERNETES, release="1.36.3"), install("kubeadm", release="1.37.1"))
    assert not again["changed"]
    assert kubeadm["changes"] == ["kubeadm 1.36.3-1.1 -> 1.37.1-1.1"]
    assert state(repository)["kubeadm"] == "1.37.1-1.1 hold"
    repository.do(UPGRADE)
    assert state(repository)["kubeadm"] == "1.37.1-1.1 hold"
    assert state(repository)["kubelet"] == "1.36.3-1.1 hold"
    repository.do(install("kubelet", "kubectl", release="1.37.1"), UPGRADE)
    assert set(state(repository).values()) == {"1.37.1-1.1 hold"}


@pytest.mark.lab
def test_a_power_cut_between_installing_and_holding(repository: Machine) -> None:
    repository.do(install(*KUBERNETES, release="1.37.1"))
    repository.run("apt-mark", "unhold", *KUBERNETES)
    (upgraded,) = repository.do(UPGRADE)
    assert set(state(repository).values()) == {"1.37.1-1.1 hold"}
    assert upgraded["changes"] == ["kubeadm held", "kubectl held", "kubelet held"]


@pytest.mark.lab
def test_the_newest_is_had_where_it_is_wanted(repository: Machine) -> None:
    newest, exact = repository.do(install(*KUBERNETES, newest=True), install(*KUBERNETES, release="1.37.2"))
    assert newest["changed"]
    assert not exact["changed"]
    assert set(state(repository).values()) == {"1.37.2-1.1 hold"}


@pytest.mark.lab
def test_nothing_is_removed_for_what_is_installed(repository: Machine) -> None:
    repository.run("apt-get", "-q", "-y", "install", "containerd", "runc")
    foreseen, refused = repository.do({**install("containerd.io"), "check_mode": True}, install("containerd.io"))
    assert refused["msg"].startswith(
        "Installing containerd.io would remove containerd, runc, so nothing was installed."
        " Remove them yourself first if nothing needs them any more."
    )
    assert repository.run("dpkg-query", "-W", "-f", "${Status}", "runc") == "install ok installed"
    assert foreseen["changed"]
