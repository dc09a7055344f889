# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wherever the power is cut while base runs, the next run brings the Pi to the same state as one without a cut."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

SCENARIO = Path(__file__).absolute().parents[1]
ROOT = SCENARIO.parents[1]
CONTAINER = "molecule-base-power-cut-pi-cut"
TASKS = ROOT / ".lab" / "power-cut-tasks"
#: What base is answerable for; boot and identity differ from Pi to Pi.
STATE = r"""
cat /etc/hostname /etc/hosts /boot/firmware/cmdline.txt /proc/cmdline
tail -n +2 /proc/swaps
for folder in /etc/rpi /etc/modules-load.d /etc/sysctl.d /etc/systemd/journald.conf.d /etc/chrony/sources.d; do
    find $folder -type f | sort | xargs sha256sum
done
sysctl net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables
systemctl is-enabled chrony fstrim.timer
dpkg --audit
dpkg-query --show --showformat '${Package} ${Status}\n'
find /boot /etc -name '*.bramble-new' -o -name '.*.new'
"""


def playbook(name: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a playbook on the scenario's Pi."""
    return subprocess.run(
        ["ansible-playbook", "-i", str(SCENARIO / "inventory"), str(ROOT / name)],
        cwd=ROOT,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "faults" / "plugins"),
            "FAULT_COMMAND": f"docker kill -s KILL {CONTAINER}; docker start {CONTAINER}",
            "FAULT_TASKS": str(TASKS),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def base(**environment: str) -> subprocess.CompletedProcess:
    """Run the role."""
    return playbook("molecule/base/converge.yml", ANSIBLE_CALLBACKS_ENABLED="fault", **environment)


def blank_pi() -> None:
    """A Pi with a fresh card."""
    for name in ("destroy", "create"):
        done = playbook(f"lab/playbooks/{name}.yml")
        assert done.returncode == 0, done.stdout


def state() -> str:
    """Everything that base sets on the Pi."""
    return subprocess.run(
        ["docker", "exec", CONTAINER, "sh", "-c", STATE], capture_output=True, text=True, check=False
    ).stdout


@pytest.fixture(scope="module")
def without_a_cut() -> tuple[str, list[str]]:
    """The state that a run without a cut leaves, and the tasks that it had."""
    blank_pi()
    done = base()
    assert done.returncode == 0, done.stdout
    return state(), TASKS.read_text().splitlines()


def test_power_cuts(without_a_cut) -> None:
    expected, tasks = without_a_cut
    assert "cgroup_enable=memory" in expected
    numbers = list(range(len(tasks)))
    sample = os.environ.get("BRAMBLE_POWER_CUTS", "all")
    if sample != "all":
        seed = os.environ.get("BRAMBLE_SEED") or str(random.randrange(1000))
        print(f"BRAMBLE_SEED={seed}")
        numbers = sorted(random.Random(int(seed)).sample(numbers, min(int(sample), len(numbers))))
    for number in numbers:
        print(f"power cut at the beginning of task {number} ({tasks[number]})", flush=True)
        blank_pi()
        cut = base(FAULT_NUMBER=str(number))
        assert len(TASKS.read_text().splitlines()) > number, cut.stdout
        started = playbook("lab/playbooks/create.yml")  # waits until the Pi answers again
        assert started.returncode == 0, started.stdout
        again = base()
        assert again.returncode == 0, f"after a cut at task {number} ({tasks[number]}):\n{again.stdout}"
        assert state() == expected, f"after a cut at task {number} ({tasks[number]})"
        third = base()
        assert "changed=0 " in third.stdout, third.stdout
