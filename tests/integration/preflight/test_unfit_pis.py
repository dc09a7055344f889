"""Virtual Pis that are not fit: preflight names what is wrong with which, and changes nothing.

Needs the lab's image (`make lab`); starts two Pis of its own and removes them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAMS = Path(sys.executable).parent
NETWORK = "192.168.27"
HOSTS = f"""\
bramble:
  children:
    master: {{hosts: {{k8s-master: {{ansible_host: {NETWORK}.7}}}}}}
    node: {{hosts: {{k8s-node1: {{ansible_host: {NETWORK}.8}}}}}}
  vars:
    lab_instance: preflight
    lab_network: {NETWORK}
    kubeadm_pod_cidr: 10.244.0.0/16
"""


def has_image() -> bool:
    command = ["docker", "image", "inspect", "bramble-lab/node:trixie"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = [pytest.mark.lab, pytest.mark.skipif(not has_image(), reason="the lab has no image of a Pi")]


def play(inventory: Path, playbook: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [PROGRAMS / "ansible-playbook", "-i", inventory, REPOSITORY / playbook, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "ANSIBLE_FORCE_COLOR": "false", "ANSIBLE_TIMEOUT": "10", "ANSIBLE_SSH_RETRIES": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def pis(tmp_path_factory) -> Iterator[Path]:
    """The inventory of two running Pis."""
    inventory = tmp_path_factory.mktemp("inventory")
    (inventory / "hosts.yml").write_text(HOSTS, encoding="utf-8")
    (inventory / "group_vars").symlink_to(REPOSITORY / "inventories" / "lab" / "group_vars")
    created = play(inventory, "lab/playbooks/create.yml")
    try:
        assert created.returncode == 0, created.stdout + created.stderr
        yield inventory
    finally:
        play(inventory, "lab/playbooks/destroy.yml")


def on_node(*command: str) -> str:
    done = subprocess.run(
        ["docker", "exec", "preflight-k8s-node1", *command], check=True, capture_output=True, text=True
    )
    return done.stdout


def preflight(inventory: Path, *arguments: str) -> tuple[int, str]:
    """Run preflight.

    :returns: exit code and output in one line.
    """
    done = play(inventory, "playbooks/preflight.yml", *arguments)
    assert "changed=0" in done.stdout and "changed=1" not in done.stdout, done.stdout
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_fresh_pis_are_fit_and_told_what_will_change(pis):
    code, text = preflight(pis)
    assert code == 0, text
    assert "k8s-node1: its name is raspberrypi; base changes it to k8s-node1." in text
    assert "YOU MUST CHANGE IT" not in text


def test_fit_in_check_mode_too(pis):
    assert preflight(pis, "--check", "--diff")[0] == 0


def test_a_release_that_the_repository_does_not_have(pis):
    code, text = preflight(pis, "-e", "kubeadm_version=1.37.99")
    assert code != 0
    assert (
        f"there is no Kubernetes 1.37.99 at http://{NETWORK}.2/core:/stable:/v1.37/deb/Packages (the last ones there: "
        "1.37" in text
    )


def test_an_address_that_does_not_answer(pis):
    code, text = preflight(pis, "-e", f"docker_apt_repository=http://{NETWORK}.2:81/linux/debian")
    assert code != 0
    assert (
        f"the Docker package repository cannot be reached at http://{NETWORK}.2:81/linux/debian/dists/trixie/InRelease"
        in text
    )
    assert "or the variable docker_apt_repository." in text


def test_a_pod_network_that_a_pi_is_in(pis):
    on_node("ip", "address", "add", "10.244.9.1/24", "dev", "eth0")
    try:
        code, text = preflight(pis)
    finally:
        on_node("ip", "address", "delete", "10.244.9.1/24", "dev", "eth0")
    assert code != 0
    assert (
        "k8s-node1: its network 10.244.9.0/24 (eth0) overlaps the pod network 10.244.0.0/16 (kubeadm_pod_cidr)" in text
    )


def test_a_port_that_something_else_listens_on(pis):
    listener = subprocess.Popen(
        ["docker", "exec", "preflight-k8s-node1", "timeout", "120", "python3", "-m", "http.server", "10250"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        on_node("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do ss -ltn | grep -q :10250 && exit; sleep 1; done; exit 1")
        code, text = preflight(pis)
    finally:
        on_node("sh", "-c", "kill $(pgrep -f '^python3 -m http.server 10250')")
        listener.wait(30)
    assert code != 0
    assert "k8s-node1: another program listens on port 10250, which Kubernetes needs" in text
    assert "k8s-master: another program" not in text


def test_sudo_with_a_password(pis):
    rules = on_node("sh", "-c", "grep -rl NOPASSWD /etc/sudoers /etc/sudoers.d").split()
    for file in rules:
        on_node("sed", "-i.before", "s/NOPASSWD: *//", file)
    try:
        code, text = preflight(pis)
    finally:
        for file in rules:
            on_node("mv", f"{file}.before", file)
    assert code != 0
    assert "k8s-node1: sudo asks for a password: run with --ask-become-pass" in text


def test_a_node_of_another_cluster(pis):
    kubeconfig = "clusters:\n- cluster:\n    server: https://10.0.0.1:6443\n  name: other\n"
    on_node("sh", "-c", f"mkdir -p /etc/kubernetes; echo '{kubeconfig}' > /etc/kubernetes/kubelet.conf")
    try:
        code, text = preflight(pis)
    finally:
        on_node("rm", "-r", "/etc/kubernetes")
    assert code != 0
    assert "k8s-node1: it belongs to another cluster, that of https://10.0.0.1:6443: remove it there" in text


def test_a_pi_that_is_switched_off(pis):
    subprocess.run(["docker", "pause", "preflight-k8s-node1"], check=True, capture_output=True)
    try:
        code, text = preflight(pis)
    finally:
        subprocess.run(["docker", "unpause", "preflight-k8s-node1"], check=True, capture_output=True)
    assert code != 0
    assert f"k8s-node1 cannot be reached at {NETWORK}.8" in text and f"'ssh pi@{NETWORK}.8'" in text


def test_all_is_well_again(pis):
    code, text = preflight(pis)
    assert code == 0, text
