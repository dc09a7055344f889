# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster's years in half an hour: two releases, a newer containerd, newer packages, and a power cut in the middle.

The tests stand on each other, in this order.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import steady_clients
from lab_cluster import ROOT, Cluster, changes, cut_power, environment, playbook_command, run_playbook

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
CLUSTER = Cluster("upgrade")
OLD, MIDDLE, NEW = "1.35.4", "1.36.3", "1.37.2"
EARLIER = "docker_apt_repository=http://192.168.22.2/earlier/linux/debian"
NODES = ("k8s-master", "k8s-node1", "k8s-node2")


def upgrade(release: str, *more: str, ok: bool | None = True) -> str:
    """Run upgrade.yml and say how long it took."""
    start = time.monotonic()
    output = run_playbook(INVENTORY, "playbooks/upgrade.yml", "-e", f"kubeadm_version={release}", *more, ok=ok)
    print(f"upgrade.yml to {release}: {time.monotonic() - start:.0f} s")
    return output


def begin(release: str) -> subprocess.Popen:
    """Start upgrade.yml and do not wait for it; a Pi without power is noticed soon."""
    return subprocess.Popen(
        playbook_command(INVENTORY, "playbooks/upgrade.yml", "-e", f"kubeadm_version={release}", "-e", EARLIER),
        cwd=ROOT,
        env=environment(PYTHONUNBUFFERED="1", ANSIBLE_SSH_RETRIES="0", ANSIBLE_TIMEOUT="5"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that Ctrl-C can reach all of its processes, as a terminal's does
    )


def releases() -> dict[str, str]:
    """Node → release of its kubelet."""
    nodes = CLUSTER.objects("nodes")
    return {n["metadata"]["name"]: n["status"]["nodeInfo"]["kubeletVersion"].removeprefix("v") for n in nodes}


def cordoned() -> set[str]:
    """Nodes that get no Pods."""
    return {n["metadata"]["name"] for n in CLUSTER.objects("nodes") if n["spec"].get("unschedulable")}


def config_maps() -> int:
    """How many of the thousand are there."""
    return len(CLUSTER.kubectl("-n", "kept", "get", "configmaps", "-l", "kept=yes", "-o", "name").split())


@pytest.fixture(scope="module", autouse=True)
def old_cluster() -> None:
    """A cluster of some time ago, on which a Service is called and that keeps a thousand ConfigMaps.

    One that is there already, because somebody runs these tests one by one, is gone on with.
    """
    made = ["docker", "exec", "upgrade-k8s-master", "test", "-e", "/etc/kubernetes/admin.conf"]
    if subprocess.run(made, check=False, capture_output=True).returncode == 0:
        return
    run_playbook(INVENTORY, "site.yml", "-e", f"kubeadm_version={OLD}", "-e", EARLIER)
    steady_clients.start(CLUSTER)
    CLUSTER.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}})
    CLUSTER.apply(
        *(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"kept-{number}", "namespace": "kept", "labels": {"kept": "yes"}},
                "data": {"number": str(number)},
            }
            for number in range(1000)
        )
    )


def test_a_skipped_release_is_refused_and_the_next_one_named() -> None:
    output = upgrade(NEW, "-e", EARLIER, ok=False)
    assert f"From Kubernetes {OLD} there is no step to {NEW}" in output
    assert f"set kubeadm_version to {MIDDLE} first" in " ".join(output.split())  # long lines are folded
    assert set(releases().values()) == {OLD}


def test_site_yml_says_which_playbook_upgrades() -> None:
    output = run_playbook(INVENTORY, "site.yml", "-e", f"kubeadm_version={MIDDLE}", "-e", EARLIER, ok=False)
    assert "by the playbook upgrade.yml" in output
    assert changes(output) == {"0"}


def test_check_says_what_is_due_and_changes_nothing() -> None:
    output = upgrade(MIDDLE, "--check", "-e", EARLIER)
    assert f"Due until every Pi has Kubernetes {MIDDLE} and the newest packages:" in output
    assert all(f"{node}: " in output for node in NODES)
    assert set(releases().values()) == {OLD}
    assert cordoned() == set()


def test_a_second_run_is_refused_and_told_who_has_the_cluster() -> None:
    first = begin(OLD)
    for line in first.stdout:
        if "Compare the current state" in line:
            break
    first.send_signal(signal.SIGSTOP)  # else it is through before the second has looked at the Pis
    output = upgrade(OLD, "-e", EARLIER, ok=False)
    assert "Another run is active on this cluster" in output
    assert f"(process {first.pid})" in output
    first.kill()
    first.wait()
    assert "Nothing is due" in upgrade(OLD, "-e", EARLIER)


def test_a_budget_that_lets_no_pod_go_is_named_before_anything_is_changed() -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": steady_clients.NAMESPACE},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
    }
    CLUSTER.apply(budget)
    time.sleep(5)  # the controller writes the budget's status
    try:
        output = upgrade(MIDDLE, "-e", EARLIER, ok=False)
    finally:
        CLUSTER.kubectl("-n", steady_clients.NAMESPACE, "delete", "pdb", "web")
    assert "PodDisruptionBudget steady/web never lets Pod" in output
    assert changes(output) == {"0"}
    assert set(releases().values()) == {OLD}
    assert cordoned() == set()


def test_the_first_step_loses_no_call(pis) -> None:
    before = steady_clients.counts(pis)
    upgrade(MIDDLE, "-e", EARLIER)
    assert set(releases().values()) == {MIDDLE}
    assert CLUSTER.ready() == dict.fromkeys(NODES, "True")
    assert cordoned() == set()
    assert config_maps() == 1000
    assert steady_clients.failures(pis, before) == []


def test_the_second_step_is_finished_after_power_cuts_and_ctrl_c(pis) -> None:
    seed = int(os.environ.get("BRAMBLE_SEED") or random.SystemRandom().randrange(10**6))
    chance = random.Random(seed)
    print(f"seed {seed} (BRAMBLE_SEED={seed} repeats it)")
    moment = chance.uniform(20, 90)  # first, while much is left to do
    print(f"Ctrl-C after {moment:.0f} s")
    run = begin(NEW)
    time.sleep(moment)
    assert run.poll() is None, "it was through already"
    os.killpg(run.pid, signal.SIGINT)
    run.communicate(timeout=120)
    assert run.returncode != 0
    pis["k8s-master"].check_output("sudo flock --wait 10 /run/bramble.kube.lock true")
    for victim in ("k8s-master", chance.choice(NODES[1:])):
        moment = chance.uniform(20, 150)
        print(f"power of {victim} is cut after {moment:.0f} s")
        run = begin(NEW)
        time.sleep(moment)
        cut_power(f"upgrade-{victim}")
        run.communicate(timeout=1800)
        run_playbook(INVENTORY, "lab/playbooks/create.yml")  # waits until the Pi has started
    upgrade(NEW, "-e", EARLIER)
    assert set(releases().values()) == {NEW}
    assert CLUSTER.ready() == dict.fromkeys(NODES, "True")
    assert cordoned() == set()
    assert config_maps() == 1000
    for pi in pis.values():
        held = set(pi.check_output("apt-mark showhold").split())
        assert {"kubeadm", "kubelet", "kubectl", "containerd.io", "docker-ce", "docker-ce-cli"} <= held


def test_containerd_and_packages_come_pi_by_pi_with_a_reboot_and_lose_no_call(pis) -> None:
    """Docker's repository has a newer containerd now; libssl, which wants a reboot, has a newer version in Debian's."""
    boots = {}
    for name, pi in pis.items():
        boots[name] = pi.check_output("cat /proc/sys/kernel/random/boot_id")
        assert "2.0." in pi.check_output("containerd --version")
        older = pi.check_output("apt-cache madison libssl3t64").splitlines()[-1].split("|")[1].strip()
        pi.check_output(f"sudo apt-get install -qq --allow-downgrades libssl3t64={older} openssl={older}")
    # What a power cut leaves behind in the middle of an installation: apt refuses to work until it is finished.
    pis["k8s-node1"].check_output("sudo touch /var/lib/dpkg/updates/0001; ! sudo apt-get -qq install cron")
    before = steady_clients.counts(pis)
    output = upgrade(NEW)
    assert "the container engine (" in " ".join(output.split())  # long lines are folded
    for name, pi in pis.items():
        assert " 2.1." in pi.check_output("containerd --version").replace("v2", "2"), name
        assert pi.check_output("apt-get -s --ignore-hold upgrade | grep -c '^Inst libssl' || true") == "0"
        assert pi.check_output("cat /proc/sys/kernel/random/boot_id") != boots[name]
    assert CLUSTER.ready() == dict.fromkeys(NODES, "True")
    assert steady_clients.failures(pis, before) == []


def test_when_nothing_is_due_nothing_changes() -> None:
    output = upgrade(NEW)
    assert "Nothing is due" in output
    assert changes(output) == {"0"}
    assert changes(run_playbook(INVENTORY, "site.yml", "-e", f"kubeadm_version={NEW}")) == {"0"}
