# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that was made with one master gets an address, grows to three, is upgraded and shrinks, while it is used.

The tests stand on each other, in this order, and begin with what test_ha.py has left.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import steady_clients
import testinfra
from lab_cluster import (
    ROOT,
    Cluster,
    changes,
    cut_power,
    environment,
    playbook_command,
    run_playbook,
    write_inventory,
)
from steady_writer import Writer

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import parse_kubeconfig

CLUSTER = Cluster("ha")
OLD, NEW = "1.36.3", "1.37.2"
ADDRESS, OWN = "192.168.37.5", "192.168.37.7"
MASTERS, WORKERS = ("k8s-master1", "k8s-master2", "k8s-master3"), ("k8s-node1", "k8s-node2")
#: Seconds for which writes may fail when the address moves, and when the only API server and its etcd restart.
GAP, RESTART = 15, 90
Pis = dict[str, testinfra.host.Host]


@pytest.fixture(scope="module")
def inventories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One master without an address, one with it, and three."""

    def written(name: str, masters: tuple[str, ...], **more: str) -> Path:
        places = {
            host: {"ansible_host": f"192.168.37.{7 + number}"} for number, host in enumerate((*MASTERS, *WORKERS))
        }
        groups = {"master": masters, "node": WORKERS}
        children = {group: {"hosts": {host: places[host] for host in hosts}} for group, hosts in groups.items()}
        return write_inventory(
            tmp_path_factory.mktemp(name), children, "ha", "192.168.37", kubeflow_components=[], **more
        )

    address = {"kubeadm_api_address": ADDRESS}
    return {
        "alone": written("alone", MASTERS[:1]),
        "addressed": written("addressed", MASTERS[:1], **address),
        "three": written("three", MASTERS, **address),
    }


@pytest.fixture(scope="module", autouse=True)
def one_master(inventories: dict[str, Path]) -> None:
    """A cluster of some time ago with one master, on which a Service is called."""
    confirmed = ("-e", f"reset_confirm={MASTERS[0]}")
    run_playbook(inventories["three"], "playbooks/reset.yml", *confirmed)
    site(inventories["alone"])
    steady_clients.start(CLUSTER)


def site(inventory: Path, release: str = OLD, playbook: str = "site.yml", ok: bool = True) -> str:
    """Run a playbook for a release."""
    return run_playbook(inventory, playbook, "-e", f"kubeadm_version={release}", ok=ok)


@contextmanager
def used(pis: Pis, what: str, seconds: float) -> Iterator[None]:
    """Call a Service and write meanwhile: no call fails, no write for longer than so many seconds, and none is lost."""
    before = steady_clients.counts(pis)
    with Writer(CLUSTER, what) as writer:
        writer.wait(20)
        yield
        writer.wait(50)
    failed = sum(writer.failures.values())
    print(f"{what}: {writer.longest:.1f} s without an answer, {failed} of {len(writer.acknowledged)} {writer.failures}")
    assert steady_clients.failures(pis, before) == []
    assert writer.longest <= seconds
    assert writer.lost() == set()


def test_somebody_elses_keepalived_is_named_before_anything_changes(pis: Pis, inventories: dict[str, Path]) -> None:
    with pis[MASTERS[0]].sudo():
        pis[MASTERS[0]].check_output(
            "mkdir -p /etc/keepalived && echo 'vrrp_instance theirs' > /etc/keepalived/keepalived.conf"
        )
        try:
            output = site(inventories["addressed"], ok=False)
        finally:
            pis[MASTERS[0]].check_output("rm /etc/keepalived/keepalived.conf")
    assert "something else has configured keepalived on it" in " ".join(output.split())
    assert changes(output) <= {"0"}


def test_an_address_that_is_set_later_is_in_certificates_and_kubeconfigs(
    pis: Pis, inventories: dict[str, Path]
) -> None:
    there = {name: pis[name] for name in (MASTERS[0], *WORKERS)}
    assert parse_kubeconfig(CLUSTER.kubeconfig.read_text()).server == f"https://{OWN}:6443"
    with used(there, "an-address-later", RESTART):
        site(inventories["addressed"])
    assert parse_kubeconfig(CLUSTER.kubeconfig.read_text()).server == f"https://{ADDRESS}:6443"
    assert len(CLUSTER.ready()) == 3, "its certificate holds for the address"
    for name in WORKERS:
        with pis[name].sudo():
            assert f"server: https://{ADDRESS}:6443" in pis[name].file("/etc/kubernetes/kubelet.conf").content_string
    assert (
        pis[MASTERS[0]].check_output("kubectl config view --minify --output jsonpath={..server}")
        == f"https://{ADDRESS}:6443"
    )
    assert changes(site(inventories["addressed"])) == {"0"}


def test_one_master_becomes_three(pis: Pis, inventories: dict[str, Path]) -> None:
    there = {name: pis[name] for name in (MASTERS[0], *WORKERS)}
    with used(there, "one-becomes-three", GAP):
        site(inventories["three"])
    assert CLUSTER.ready() == dict.fromkeys((*MASTERS, *WORKERS), "True")
    CLUSTER.settle()
    assert changes(site(inventories["three"])) == {"0"}


def test_an_upgrade_through_three_masters_is_finished_after_a_power_cut(pis: Pis, inventories: dict[str, Path]) -> None:
    """It takes the second one in the middle of `kubeadm upgrade node`."""
    with used(pis, "upgrade", GAP):
        running = subprocess.Popen(
            playbook_command(inventories["three"], "playbooks/upgrade.yml", "-e", f"kubeadm_version={NEW}"),
            cwd=ROOT,
            env=environment(ANSIBLE_SSH_RETRIES="0", ANSIBLE_TIMEOUT="5"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        begun = "until sudo test -e /etc/kubernetes/kubeadm-upgrade.unfinished; do sleep 0.2; done; sleep 8"
        pis[MASTERS[1]].check_output("timeout 1500 sh -c %s", begun)
        cut_power(f"ha-{MASTERS[1]}")
        assert running.wait(timeout=900) != 0
        run_playbook(inventories["three"], "lab/playbooks/create.yml")  # waits until the Pi has started
        site(inventories["three"], NEW, "playbooks/upgrade.yml")
    nodes = CLUSTER.objects("nodes")
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes} == {f"v{NEW}"}
    assert not [node["metadata"]["name"] for node in nodes if node["spec"].get("unschedulable")]
    for pod in CLUSTER.objects("pods", "--namespace=kube-system", "--selector=tier=control-plane"):
        if pod["metadata"]["labels"]["component"] != "etcd":
            assert pod["spec"]["containers"][0]["image"].endswith(f":v{NEW}"), pod["metadata"]["name"]
    for name in MASTERS:
        assert pis[name].service("keepalived").is_running
    CLUSTER.settle()
    assert "Nothing is due" in site(inventories["three"], NEW, "playbooks/upgrade.yml")
    assert changes(site(inventories["three"], NEW)) == {"0"}


def test_masters_get_new_packages_and_a_reboot_one_after_the_other(pis: Pis, inventories: dict[str, Path]) -> None:
    boots = {}
    for name in MASTERS:
        boots[name] = pis[name].check_output("cat /proc/sys/kernel/random/boot_id")
        pis[name].check_output("sudo touch /run/reboot-required")
    with used(pis, "reboots", GAP):
        site(inventories["three"], NEW, "playbooks/upgrade.yml")
    assert all(pis[name].check_output("cat /proc/sys/kernel/random/boot_id") != boots[name] for name in MASTERS)


def test_three_masters_become_one(pis: Pis, inventories: dict[str, Path]) -> None:
    there = {name: pis[name] for name in (MASTERS[0], *WORKERS)}
    with used(there, "three-become-one", GAP):
        given = ("--limit", ",".join(MASTERS[1:]), "-e", f"reset_confirm={MASTERS[0]}")
        run_playbook(inventories["three"], "playbooks/reset.yml", *given)
        site(inventories["addressed"], NEW)
    assert CLUSTER.ready() == dict.fromkeys((MASTERS[0], *WORKERS), "True")
    run_playbook(
        inventories["addressed"], "playbooks/status.yml", "-e", "status_strict=true", "-e", "status_drill_days=0"
    )
    assert changes(site(inventories["addressed"], NEW)) == {"0"}
