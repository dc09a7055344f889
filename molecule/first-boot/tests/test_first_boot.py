# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the inventory to Pis that answer: cards are written, put into Pis, and mixed up. Each test needs the last."""

from __future__ import annotations

import re
import shutil
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
IMAGES = {name: f"bramble-lab/node:{values['lab_release']}" for name, values in HOSTS.items()}
BOOKWORM = [name for name, values in HOSTS.items() if values.get("cards_release") == "bookworm"]
NETWORK = "bramble-first-boot"
KNOWN = STATE / "first-boot-known-hosts"
SECRETS = ("a secret 'word'", "not in the clear")


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
        f"--dhcp-host={values['lab_mac']},{values['ansible_host']}"
        for values in HOSTS.values()
        if "base_static_address" not in values
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
    arguments = [f"first-boot-{pi}", IMAGES[pi], NETWORK, strange, "Raspberry Pi 5 Model B Rev 1.0"]
    subprocess.run(
        [ROOT / "lab/node/start", *arguments, STATE, card, HOSTS[pi]["lab_mac"]], check=True, capture_output=True
    )


def by_imager(pi: str, folder: Path) -> Path:
    """The card of a Pi with bookworm as the Imager writes it, after the first of its boots.

    rpi-imager (downloadthread.cpp) adds to cmdline.txt what makes systemd run /boot/firstrun.sh. In that boot, the
    initramfs corrects the place and replaces the script's end (raspberrypi-sys-mods, imager_fixup).
    """
    card = folder.with_name(f"{pi}-card")
    card.mkdir()
    script = (folder / "firstrun.sh").read_text().splitlines(keepends=True)
    ends = [number for number, line in enumerate(script) if re.search(r"rm.*firstrun\.sh$", line)]
    script[ends[0] if ends else len(script) :] = [
        "rm -f /boot/firmware/firstrun.sh\n",
        "sed -i 's| systemd\\.[^ ]*||g' /boot/firmware/cmdline.txt\n",
        "exit 0\n",
    ]
    (card / "firstrun.sh").write_text("".join(script))
    (card / "firstrun.sh").chmod(0o755)  # as everything on FAT is
    command = ["docker", "run", "--rm", "--entrypoint=cat", IMAGES[pi], "/boot/firmware/cmdline.txt"]
    parameters = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    (card / "cmdline.txt").write_text(
        f"{parameters} systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot "
        "systemd.unit=kernel-command-line.target"
    )
    return card


def wait_for_ssh(pi: str, seconds: float = 240) -> None:
    """Wait until something listens; nothing is said to it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((HOSTS[pi]["ansible_host"], 22), timeout=2).close()
            return
        except OSError:
            script = "cloud-init status --long; cat /var/log/bramble-kube-card.log; ip address"
            assert time.monotonic() < deadline, f"{pi} does not listen: {inside(pi, script)}"
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
    assert output.count("sudo rpi-imager --cli --cloudinit-userdata") == 3
    assert output.count("sudo rpi-imager --cli --first-run-script") == 1
    assert changes(cards(inventory)) == {"0"}
    for name in HOSTS:
        assert (inventory / ".cards" / f"{name}.key").read_text().startswith("$ANSIBLE_VAULT;")
        texts = "".join(path.read_text() for path in (inventory / ".cards" / name).iterdir())
        assert not [secret for secret in SECRETS if secret in texts]


def test_the_pis_answer_as_their_cards_say(inventory: Path, router: None) -> None:
    started = time.monotonic()
    for name in HOSTS:
        folder = inventory / ".cards" / name
        switch_on(name, by_imager(name, folder) if name in BOOKWORM else folder)
    for name in HOSTS:
        wait_for_ssh(name)
        print(f"{name} listens {time.monotonic() - started:.0f} s after power")
        done = ansible(inventory, name, "-m", "ping")
        assert done.returncode == 0, done.stdout + done.stderr + inside(name, "journalctl -b --no-pager | tail -50")
    for name, values in HOSTS.items():
        assert name in BOOKWORM or inside(
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
        assert (without.returncode == 0) == ("ansible_become_password" not in HOSTS[name])


def test_the_rest_of_a_bookworm_card(inventory: Path) -> None:
    [name] = BOOKWORM
    card = (inventory / ".cards" / name / "firstrun.sh").read_text()
    [password] = re.findall(r"^password='(.*)'$", card, re.MULTILINE)
    assert inside(name, "getent shadow ada").split(":")[1] == password
    assert "LANG=nb_NO.UTF-8\n" in inside(name, "cat /etc/default/locale")
    connections = "/etc/NetworkManager/system-connections"
    assert inside(name, f"stat -c '%a %U %n' {connections}/* | sort").split() == [
        *("600", "root", f"{connections}/bramble-kube-card-eth0.nmconnection"),
        *("600", "root", f"{connections}/bramble-kube-wifi.nmconnection"),
    ]
    assert inside(name, "nmcli -g GENERAL.CONNECTION device show eth0") == "bramble-kube-card-eth0\n"
    assert inside(name, "LC_ALL=C.UTF-8 nmcli -g 802-11-wireless.ssid connection show bramble-kube-wifi") == "Café 1\n"
    assert inside(name, "nmcli radio wifi") == "enabled\n"
    assert "cfg80211.ieee80211_regdom=NO" in inside(name, "cat /proc/cmdline").split()
    assert inside(name, "ls /etc/ssh/ssh_host_*_key") == "/etc/ssh/ssh_host_ed25519_key\n"
    assert inside(name, "systemctl is-enabled regenerate_ssh_host_keys") == "disabled\n"
    assert inside(name, "systemctl is-system-running") == "running\n"
    assert inside(name, "ls /boot/firmware").split() == sorted(
        ["bcm2712-rpi-5-b.dtb", "cmdline.txt", "config.txt", "initramfs8"]
    )


def test_nothing_secret_stays_on_the_card(inventory: Path) -> None:
    for name in HOSTS:
        if name in BOOKWORM:
            assert "systemd" not in inside(name, "cat /boot/firmware/cmdline.txt")
            assert "No such file" in inside(name, "cat /boot/firmware/firstrun.sh")
        else:
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
        assert f"{pi}: the Pi at {address} has the card of {other}: put the cards into the right Pis" in output


#: Runs the script again and again, each time one command further, until a boot is a usual one; then says what is there.
CUTS = r"""
umount /etc/hosts /etc/hostname
cp /usr/lib/lab/hosts /usr/lib/lab/hostname /etc
boot=/boot/firmware cut=$1
while grep -q systemd.run= $boot/cmdline.txt; do
    : >/run/commands
    CUT=$cut setsid --wait bash -c 'set -T
        count() { printf x >>/run/commands; read -rN 9999 done </run/commands || :; ((${#done} < CUT)) || kill -9 -$$; }
        trap count DEBUG
        . "$0"' $boot/firstrun.sh
    cut=$((cut + 1))
done
echo "cuts: $((cut - $1))" >&2
unit=/etc/systemd/system/bramble-kube-card.service
sh -c "$(sed -n s/^ExecStart=//p $unit)"
find $boot /etc /home /var/lib/NetworkManager -type f ! -name '*-' ! -name .pwd.lock -exec sha256sum {} + | sort -k2
find $boot /etc /home /var/lib/NetworkManager ! -name '*-' ! -name .pwd.lock -printf '%M %u %g %p %l\n' | sort -k4
"""


def test_the_power_may_be_cut_at_every_command(inventory: Path) -> None:
    """Whatever the first boot of a Pi with bookworm was about to do when it lost its power, it ends as it should."""
    [pi] = BOOKWORM
    cards(inventory, "--limit", pi)
    card = inventory / ".cards" / f"{pi}-card"
    shutil.rmtree(card)
    by_imager(pi, inventory / ".cards" / pi)
    found = {}
    for first in (1, 9999):
        command = ["docker", "run", "--pull=never", "--rm", "--cap-add=SYS_ADMIN", "--security-opt=apparmor=unconfined"]
        command += ["--tmpfs=/run", f"--volume={card}:/card:ro", "--entrypoint=sh", IMAGES[pi], "-c"]
        script = f"cp /card/* /boot/firmware; set -- {first}; {CUTS}"
        done = subprocess.run([*command, script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found[first] = done.stdout
        print(done.stderr.splitlines()[-1])
    assert found[1] == found[9999]
    assert "/home/ada/.ssh/authorized_keys" in found[1]
    assert "firstrun" not in found[1] and ".bramble-new" not in found[1]
