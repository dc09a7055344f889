# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cards are written with keys that this computer knows, the same at each run, and no secret is seen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from made_card import make_card

from ansible_collections.bramble.kube.plugins.action import pi_card

ROOT = Path(__file__).resolve().parents[3]
WIFI, SUDO = "5ecret-radio", "5ecret-sudo"
INVENTORY = {
    "bramble": {
        "children": {
            "master": {"hosts": {"k8s-master": {"ansible_host": "192.168.13.7"}}},
            "node": {"hosts": {"k8s-node1": {"ansible_host": "192.168.13.8"}}},
        },
        "vars": {
            "ansible_user": "pi",
            "ansible_become_password": SUDO,
            "base_wifi_ssid": "1234",
            "base_wifi_password": WIFI,
            "base_wifi_country": "NO",
        },
    }
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An inventory, a vault password, and the user's own key."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True)
    # SSH itself takes the home of the password database, whatever HOME says.
    ways = {"base_known_hosts": str(tmp_path / "known_hosts"), "cards_public_key": str(tmp_path / "id.pub")}
    (tmp_path / "inventory").mkdir()
    inventory = {"bramble": {**INVENTORY["bramble"], "vars": {**INVENTORY["bramble"]["vars"], **ways}}}
    (tmp_path / "inventory/hosts.yml").write_text(yaml.safe_dump(inventory))
    (tmp_path / "vault").write_text("vault-password\n")
    return tmp_path


def play(folder: Path, *arguments: str, vault: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(folder / "inventory")),
            *(["--vault-password-file", str(folder / "vault")] if vault else []),
            *(str(ROOT / "playbooks/cards.yml"), *arguments),
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in (folder / "inventory").rglob("*")
        if path.is_file()
    }


def test_the_cards_of_an_inventory(folder: Path) -> None:
    before = state(folder)
    check = play(folder, "--check", "--diff")
    assert check.returncode == 0, check.stdout + check.stderr
    assert state(folder) == before and not (folder / "known_hosts").exists()
    assert "+hostname: k8s-node1" in check.stdout and "+  ed25519_private: (content withheld)" in check.stdout

    done = play(folder, "--diff", "-vvv")
    assert done.returncode == 0, done.stdout + done.stderr
    first, cards = state(folder), folder / "inventory/.cards"
    secrets = [WIFI, SUDO]
    for host in ("k8s-master", "k8s-node1"):
        user_data = yaml.safe_load((cards / host / "user-data").read_text())
        network = yaml.safe_load((cards / host / "network-config").read_text())["network"]
        (key,) = network["wifis"]["wlan0"]["access-points"].values()
        private = user_data["ssh_keys"]["ed25519_private"]
        secrets += [key["password"], user_data["user"]["hashed_passwd"], private.splitlines()[2]]
        assert user_data["hostname"] == host
        assert user_data["user"]["ssh_authorized_keys"] == [(folder / "id.pub").read_text().strip()]
        # The private half belongs to the public one, which this computer knows by the host's address.
        (folder / "private").write_text(private)
        (folder / "private").chmod(0o600)
        public = subprocess.run(
            ["ssh-keygen", "-y", "-f", folder / "private"], capture_output=True, text=True, check=True
        )
        address = INVENTORY["bramble"]["children"]["master" if host == "k8s-master" else "node"]["hosts"][host]
        known = subprocess.run(
            ["ssh-keygen", "-F", address["ansible_host"], "-f", folder / "known_hosts"], capture_output=True, text=True
        )
        assert public.stdout.split()[1] in known.stdout
        assert (cards / f"{host}.pub").read_text().split()[1] == public.stdout.split()[1]
        assert first[f"inventory/.cards/{host}.key"][1].startswith(b"$ANSIBLE_VAULT;")
        assert f"--cloudinit-userdata {cards}/{host}/user-data" in done.stdout
    assert not [secret for secret in secrets if secret in check.stdout + done.stdout + check.stderr + done.stderr]
    readable = {name for name, (mode, _content) in first.items() if mode != 0o600} - set(before)
    assert readable == {f"inventory/.cards/{name}" for name in (".gitignore", "k8s-master.pub", "k8s-node1.pub")}

    again = play(folder)
    assert again.stdout.count("changed=0") == 2 and state(folder) == first, again.stdout
    # Cards that were written are removed; their keys are kept.
    for path in (cards / "k8s-node1").iterdir():
        path.unlink()
    assert play(folder, "--limit", "k8s-node1").returncode == 0
    assert state(folder) == first


def test_nobody_is_asked_for_a_vault_password(folder: Path) -> None:
    cards, before = folder / "inventory/.cards", state(folder)
    check = play(folder, "--check", "--diff", vault=False)
    assert check.returncode == 0 and state(folder) == before, check.stdout + check.stderr
    done = play(folder, "-vvv", vault=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # A play without a task below it is a riddle to whoever reads, but for the first, whose title says what was checked.
    titles = re.findall(r"^(PLAY|TASK) \[", done.stdout, re.MULTILINE)
    assert titles.count("PLAY") == 2 and ("PLAY", "PLAY") not in zip(titles[1:], titles[2:], strict=False)
    made = cards / "vault-password"
    assert done.stdout.count(f"Keep a copy of this file, which opens the encrypted host keys: {made}\n") == 1
    assert made.stat().st_mode & 0o777 == 0o600 and len(made.read_text().strip()) > 40
    assert made.read_text().strip() not in done.stdout + done.stderr
    # git leaves it alone, and so the keys are encrypted for whoever has the repository.
    subprocess.run(["git", "init", "--quiet", str(folder / "inventory")], check=True)
    listed = ["git", "-C", str(folder / "inventory"), "ls-files", "--others", "--exclude-standard"]
    tracked = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in tracked if name.startswith(".cards")} == {
        ".cards/.gitignore",
        *(f".cards/{host}.{half}" for host in ("k8s-master", "k8s-node1") for half in ("key", "pub")),
    }
    # It is ansible-vault's own form, and stays good beside a password that is given later.
    first = state(folder)
    view = [str(Path(sys.executable).parent / "ansible-vault"), "view", "--vault-password-file", str(made)]
    shown = subprocess.run([*view, str(cards / "k8s-node1.key")], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    for given in (False, True):
        again = play(folder, vault=given)
        assert again.stdout.count("changed=0") == 2 and "Keep a copy" not in again.stdout, again.stdout
        assert state(folder) == first


def test_what_stops_it(folder: Path) -> None:
    def said(*arguments: str, **options: bool) -> str:
        done = play(folder, *arguments, **options)
        assert done.returncode != 0
        return " ".join(done.stdout.split())

    assert "is one card, but there are 2 Pis: add --limit" in said("-e", f"cards_boot={folder}")
    assert "nothing is mounted at" in said("-e", f"cards_boot={folder}", "--limit", "k8s-node1")
    assert not (folder / "inventory/.cards").exists()
    assert play(folder).returncode == 0
    assert "No card for k8s-master: no vault password was given, and the host key of a card is a secret" in said(
        vault=False
    )
    assert not (folder / "inventory/.cards/vault-password").exists()
    (folder / "vault").write_text("another\n")
    assert "k8s-master.key cannot be decrypted: it is damaged, or was made with another vault" in said()
    (folder / "inventory/.cards/k8s-master.key").unlink()
    assert "k8s-master.pub is there, but" in said()


@pytest.fixture
def card(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """What the action does with a card that is mounted: its result, and the card's files."""
    boot = folder / "boot fs"
    boot.mkdir()
    for name in ("config.txt", "cmdline.txt", "bcm2711-rpi-4-b.dtb", "user-data", "network-config", "meta-data"):
        (boot / name).write_text(f"# the image's {name}\n")
    shown = str(boot).replace(" ", "\\040")
    monkeypatch.setattr(pi_card, "mounted", lambda: f"/dev/sda1 {shown} vfat rw 0 0\n")

    def run(check: bool = False, **more: str) -> tuple[dict, dict[str, str]]:
        arguments = {"folder": folder / "cards", "boot": boot, "public_key": folder / "id.pub", **more}
        result = make_card(arguments, check)
        return result, {path.name: path.read_text() for path in boot.iterdir()}

    return run


def test_a_card_that_is_mounted(card, folder: Path) -> None:
    result, before = card(check=True)
    assert result["changed"] and set(before.values()) == {f"# the image's {name}\n" for name in before}
    result, after = card()
    assert result["changed"] and result["command"] == ""
    assert {name for name in before if before[name] != after[name]} == {"user-data", "network-config", "meta-data"}
    assert set(after) == set(before) and not (folder / "cards/k8s-node1").exists()
    assert yaml.safe_load(after["user-data"])["user"]["sudo"] == ["ALL=(ALL) NOPASSWD:ALL"]
    result, again = card()
    assert not result["changed"] and again == after


def test_a_mounted_card_of_bookworm(card, folder: Path) -> None:
    boot = folder / "boot fs"
    for name in ("user-data", "network-config", "meta-data"):
        (boot / name).unlink()
    (boot / "initramfs8").touch()
    (boot / "cmdline.txt").write_text("console=tty1 root=PARTUUID=7d5a1b2c-02 rootwait init=/x/firstboot\n")
    result, before = card(check=True, release="bookworm")
    assert result["changed"] and "firstrun.sh" not in before
    assert [Path(entry["after_header"]).name for entry in result["diff"]] == ["firstrun.sh", "cmdline.txt"]
    assert "(content withheld)\n-----END" in result["diff"][0]["after"]
    result, after = card(release="bookworm")
    assert {name for name in after if before.get(name) != after[name]} == {"firstrun.sh", "cmdline.txt"}
    assert after["cmdline.txt"].startswith(before["cmdline.txt"].strip() + " systemd.run=/boot/firmware/firstrun.sh ")
    private = after["firstrun.sh"].partition("host_key='")[2].partition("'")[0]
    (folder / "private").write_text(private + "\n")
    (folder / "private").chmod(0o600)
    public = subprocess.run(["ssh-keygen", "-y", "-f", folder / "private"], capture_output=True, text=True, check=True)
    assert public.stdout.split()[:2] == result["host_key"].split()
    result, again = card(release="bookworm")
    assert not result["changed"] and again == after


def test_cards_of_bookworm_for_the_imager(folder: Path) -> None:
    done = play(folder, "-e", "cards_release=bookworm", "--limit", "k8s-node1", "--diff", "-vvv")
    assert done.returncode == 0, done.stdout + done.stderr
    script = folder / "inventory/.cards/k8s-node1/firstrun.sh"
    assert f"sudo rpi-imager --cli --first-run-script {script} IMAGE DEVICE" in done.stdout
    text = script.read_text()
    assert [path.name for path in script.parent.iterdir()] == ["firstrun.sh"] and script.stat().st_mode & 0o777 == 0o600
    secrets = [WIFI, SUDO]
    assert not [secret for secret in secrets if secret in text]
    secrets += re.findall(r"(?m)^(?:psk=|password=')(.+?)'?$", text) + [text.partition("OPENSSH")[2].split("\n")[1]]
    assert len(secrets) == 5 and not [secret for secret in secrets if secret in done.stdout + done.stderr]
    again = play(folder, "-e", "cards_release=bookworm", "--limit", "k8s-node1")
    assert set(re.findall(r"changed=(\d+)", again.stdout)) == {"0"}, again.stdout
    assert "value of release must be one of: trixie, bookworm" in play(folder, "-e", "cards_release=buster").stdout
