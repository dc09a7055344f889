# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the inventory to Pis that answer: cards are written, put into Pis, and mixed up. Each test needs the last."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from lab_cluster import ROOT, STATE, changes, environment, playbook_command, run_playbook

SCENARIO = Path(__file__).resolve().parents[1]
GROUP = yaml.safe_load((SCENARIO / "inventory" / "hosts.yml").read_text())["bramble"]
HOSTS = {name: values for group in GROUP["children"].values() for name, values in group["hosts"].items()}
NETWORK = "bramble-first-boot"
KNOWN = STATE / "first-boot-known-hosts"
PASSWORD = HOSTS["k8s-node2"]["ansible_become_password"]


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenario's inventory in a folder of its own, where nobody has made cards yet."""
    folder = tmp_path_factory.mktemp("my") / "inventory"
    folder.mkdir()
    (folder / "hosts.yml").write_text((SCENARIO / "inventory" / "hosts.yml").read_text())
    (folder / "group_vars").symlink_to((SCENARIO / "inventory" / "group_vars").resolve())
    (folder.parent / "password").write_text("quiet as a mouse\n")
    (folder.parent / "password").chmod(0o600)
    KNOWN.unlink(missing_ok=True)
    return folder


def cards(inventory: Path, *more: str) -> str:
    """Run cards.yml."""
    vault = f"--vault-password-file={inventory.parent / 'password'}"
    return run_playbook(inventory, "playbooks/cards.yml", vault, *more)


@pytest.fixture(scope="module")
def router() -> Iterator[None]:
    """What a home's router does: each Pi gets the address that is reserved for it."""
    reserved = [
        f"--dhcp-host={HOSTS[name]['lab_mac']},{HOSTS[name]['ansible_host']}" for name in HOSTS if "node" in name
    ]
    options = [
        "--keep-in-foreground",
        "--port=0",
        "--user=root",
        "--dhcp-range=192.168.31.0,static,255.255.255.0",
        *reserved,
    ]
    options += ["--dhcp-option=option:router,192.168.31.1", "--log-facility=-", "--log-dhcp"]
    name = "first-boot-router"
    subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
    command = ["docker", "run", "--pull=never", "--detach", "--name", name, "--network", NETWORK, "--ip=192.168.31.3"]
    command += [
        "--cap-add=NET_ADMIN",
        "--cap-add=NET_RAW",
        "--entrypoint=/usr/sbin/dnsmasq",
        "bramble-lab/node:trixie-card",
    ]
    subprocess.run([*command, *options], check=True, capture_output=True)
    yield
    print(subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=False).stderr[-4000:])
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)


def switch_on(pi: str, card: Path) -> None:
    """Put a card into a Pi and give it power; until its network is up, it has an address that nobody knows."""
    subprocess.run(["docker", "rm", "--force", "--volumes", f"first-boot-{pi}"], capture_output=True, check=True)
    strange = HOSTS[pi]["ansible_host"].replace(".31.", ".31.10")
    arguments = [f"first-boot-{pi}", "bramble-lab/node:trixie-card", NETWORK, strange, "Raspberry Pi 5 Model B Rev 1.0"]
    subprocess.run(
        [ROOT / "lab/node/start", *arguments, STATE, card, HOSTS[pi]["lab_mac"]], check=True, capture_output=True
    )


def wait_for_ssh(pi: str, seconds: float = 240) -> None:
    """Wait until something listens; nothing is said to it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((HOSTS[pi]["ansible_host"], 22), timeout=2).close()
            return
        except OSError:
            assert time.monotonic() < deadline, (
                f"{pi} does not listen: {inside(pi, 'cloud-init status --long; ip address')}"
            )
            time.sleep(1)


def inside(pi: str, script: str) -> str:
    """What a script says in a Pi, past SSH."""
    command = ["docker", "exec", f"first-boot-{pi}", "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def ansible(inventory: Path, pi: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One module on a Pi, at the first try."""
    command = [str(Path(playbook_command(inventory)[0]).with_name("ansible")), "-i", str(inventory), pi, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_cards_are_written_for_all_pis(inventory: Path) -> None:
    output = cards(inventory)
    assert output.count("sudo rpi-imager --cli") == 3
    assert changes(cards(inventory)) == {"0"}
    for name in HOSTS:
        assert (inventory / ".cards" / f"{name}.key").read_text().startswith("$ANSIBLE_VAULT;")
        assert PASSWORD not in (inventory / ".cards" / name / "user-data").read_text()


def test_the_pis_answer_as_their_cards_say(inventory: Path, router: None) -> None:
    started = time.monotonic()
    for name in HOSTS:
        switch_on(name, inventory / ".cards" / name)
    for name in HOSTS:
        wait_for_ssh(name)
        print(f"{name} listens {time.monotonic() - started:.0f} s after power")
        done = ansible(inventory, name, "-m", "ping")
        assert done.returncode == 0, done.stdout + done.stderr + inside(name, "journalctl -b --no-pager | tail -50")
    for name, values in HOSTS.items():
        assert inside(
            name, "cloud-init status --wait >/dev/null; cloud-init status --format=json | grep -c '\"errors\": \\[\\]'"
        )
        script = "id -un; hostname; cat /etc/timezone; locale -a | grep -ci nb_NO.utf8; ip -4 -o address show eth0"
        done = ansible(inventory, name, "-m", "ansible.builtin.shell", "-a", script, "-e", "ansible_become=false")
        said = done.stdout.splitlines()[1:]
        assert said[:4] == ["ada", name, "Europe/Oslo", "1"], done.stdout + done.stderr
        assert [word for line in said[4:] for word in line.split() if "/24" in word] == [f"{values['ansible_host']}/24"]
        groups = inside(name, "id -nG ada").split()
        assert "sudo" in groups and "adm" in groups
    # Root by sudo: with the password where the inventory has one, and not without it.
    for name in HOSTS:
        done = ansible(inventory, name, "-m", "ansible.builtin.command", "-a", "whoami", "--become")
        assert done.stdout.splitlines()[-1] == "root", done.stdout + done.stderr
        without = ansible(
            inventory, name, "-m", "ansible.builtin.shell", "-a", "sudo -n true", "-e", "ansible_become=false"
        )
        assert (without.returncode == 0) == (name != "k8s-node2")


def test_nothing_secret_stays_on_the_card(inventory: Path) -> None:
    for name in HOSTS:
        assert inside(name, "cat /boot/firmware/user-data") == "#cloud-config\n"
        public = (inventory / ".cards" / f"{name}.pub").read_text().split()[1]
        assert public in inside(name, "cat /etc/ssh/ssh_host_ed25519_key.pub")


def test_preflight_has_nothing_against_them(inventory: Path) -> None:
    rows = [line.split() for line in run_playbook(inventory, "playbooks/preflight.yml").splitlines()]
    for check in ("hostname", "identity"):
        assert next(row for row in rows if row[:2] == [check, "all"])[-1] == "ok"


def test_after_another_boot_all_is_the_same(inventory: Path) -> None:
    for name in HOSTS:
        subprocess.run(["docker", "restart", "--time=20", f"first-boot-{name}"], check=True, capture_output=True)
    for name in HOSTS:
        wait_for_ssh(name)
        done = ansible(inventory, name, "-m", "ping")
        assert done.returncode == 0, done.stdout + done.stderr


def test_swapped_cards_are_named(inventory: Path) -> None:
    """The cards of two Pis, written once more, go into each other's Pi."""
    cards(inventory)
    for pi, other in (("k8s-node1", "k8s-node2"), ("k8s-node2", "k8s-node1")):
        switch_on(pi, inventory / ".cards" / other)
    for pi in ("k8s-node1", "k8s-node2"):
        wait_for_ssh(pi)
    output = run_playbook(inventory, "playbooks/preflight.yml", ok=False)
    for pi, other in (("k8s-node1", "k8s-node2"), ("k8s-node2", "k8s-node1")):
        address = HOSTS[pi]["ansible_host"]
        assert f"{pi}: at {address} answers a Pi with the card of {other}: put the cards into the right Pis" in output
