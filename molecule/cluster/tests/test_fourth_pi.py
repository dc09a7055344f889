# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fourth Pi joins a finished cluster although its power is cut; nobody else changes, no secret is logged."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SCENARIO = Path(__file__).resolve().parents[1]
KUBECONFIG = ROOT / ".lab" / "cluster-kubeconfig"
CACHE = Path(
    os.environ.get("BRAMBLE_LAB_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bramble.kube-lab"
)
NAME, ADDRESS = "k8s-node3", "192.168.15.10"

sys.path.insert(0, str(ROOT / "tests" / "support"))

from secret_scan import secrets_in


def play(inventory: Path, *arguments: str) -> list[str]:
    """The command that runs a playbook of this checkout on the inventory with four Pis."""
    return [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory), *arguments]


def environment(**extra: str) -> dict[str, str]:
    """The checkout's own settings, without molecule's."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "MOLECULE_"))}
    return {**kept, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **extra}


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenario's inventory and one Pi more."""
    folder = tmp_path_factory.mktemp("four")
    hosts = yaml.safe_load((SCENARIO / "inventory" / "hosts.yml").read_text())
    hosts["bramble"]["children"]["node"]["hosts"][NAME] = {"ansible_host": ADDRESS}
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
    (folder / "group_vars").symlink_to(ROOT / "inventories" / "lab" / "group_vars")
    done = subprocess.run(
        play(folder, str(ROOT / "lab/playbooks/create.yml")),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return folder


@pytest.fixture(scope="module")
def cut_run(inventory: Path) -> str:
    """site.yml with the new Pi's power cut at a moment chosen by chance; what the run printed until it gave up."""
    seed = int(os.environ.get("BRAMBLE_SEED") or random.SystemRandom().randrange(10**6))
    moment = random.Random(seed).uniform(10, 75)
    print(f"seed {seed}: power of {NAME} is cut after {moment:.0f} s (BRAMBLE_SEED={seed} repeats it)")
    run = subprocess.Popen(
        play(inventory, "site.yml"),
        cwd=ROOT,
        env=environment(ANSIBLE_SSH_RETRIES="0", ANSIBLE_TIMEOUT="5"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    time.sleep(moment)
    container = f"cluster-{NAME}"
    subprocess.run(["docker", "kill", "--signal", "KILL", container], check=True, capture_output=True)
    subprocess.run(["docker", "start", container], check=True, capture_output=True)
    output, _ = run.communicate(timeout=900)
    return output


@pytest.fixture(scope="module")
def log(inventory: Path, cut_run: str) -> str:
    """What site.yml prints at -vvv when it is run again, with the kubeconfig to be fetched anew."""
    KUBECONFIG.unlink()
    done = subprocess.run(
        play(inventory, "-vvv", "site.yml"), cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (cut_run + done.stdout)[-6000:] + done.stderr
    return done.stdout + done.stderr


def test_the_fourth_pi_is_ready(log: str) -> None:
    nodes = json.loads(
        subprocess.run(
            [CACHE / "bin" / "kubectl", "--kubeconfig", KUBECONFIG, "get", "nodes", "--output=json"],
            capture_output=True,
            check=True,
        ).stdout
    )["items"]
    ready = {
        n["metadata"]["name"]: next(c["status"] for c in n["status"]["conditions"] if c["type"] == "Ready")
        for n in nodes
    }
    assert ready == dict.fromkeys(["k8s-master", "k8s-node1", "k8s-node2", NAME], "True")


def test_the_other_nodes_only_learn_its_name(cut_run: str, log: str) -> None:
    changed = set()
    for output in (cut_run, log):
        task = ""
        for line in output.splitlines():
            if line.startswith("TASK ["):
                task = line.partition("[")[2].partition("]")[0]
            elif line.startswith(("changed: [k8s-node1]", "changed: [k8s-node2]")):
                changed.add(task)
    assert len(changed) == 1, changed
    assert "name" in changed.pop().lower()


def test_no_secret_in_the_output_at_vvv(log: str) -> None:
    key = yaml.safe_load(KUBECONFIG.read_text())["users"][0]["user"]["client-key-data"]
    assert not secrets_in(log, known=[key, key[:60]])


def test_the_kubeconfig_came_back_for_its_owner_alone(log: str) -> None:
    assert KUBECONFIG.stat().st_mode & 0o777 == 0o600


def test_a_third_run_changes_nothing(inventory: Path, log: str) -> None:
    done = subprocess.run(
        play(inventory, "site.yml"), cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert set(re.findall(r"changed=(\d+)", done.stdout)) == {"0"}, done.stdout[-3000:]


def test_check_mode_works_on_the_finished_cluster(inventory: Path, log: str) -> None:
    done = subprocess.run(
        play(inventory, "site.yml", "--check", "--diff"),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert set(re.findall(r"changed=(\d+)", done.stdout)) == {"0"}, done.stdout[-3000:]
