# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that sets a Pi with bookworm up; scenario first-boot runs it, cut short at every command."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.pi import firstrun, wifi
from ansible_collections.bramble.kube.plugins.module_utils.pi.cards import WITHHELD, Card

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZGh2oxObTG3aeL3VNmIo9IIGupQr88+YRCzegzjhn1"
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\naC1rZXk=\n-----END OPENSSH PRIVATE KEY-----\n"
PLAIN = Card("k8s-node1", "pi", (f"{PUBLIC} me@laptop",), (PRIVATE, f"{PUBLIC} k8s-node1"))
WIFI = replace(PLAIN, wifi_country="GB", wifi_ssid="Café 'x'", wifi_password="in the clear")
FIXED = {"address": "192.168.13.8/24", "gateway": "192.168.13.1", "nameservers": ("192.168.13.1", "fd00::1")}
FULL = replace(
    WIFI,
    public_keys=(f"{PUBLIC} it's \\me", f"{PUBLIC} $(reboot)"),
    password_hash="$6$rounds=100000$0123456789abcdef$abc",
    timezone="Europe/London",
    locale="en_GB.UTF-8",
    **FIXED,
)
CARDS = {"plain": PLAIN, "wifi": WIFI, "full": FULL, "cable": replace(FULL, interface="eth0")}
STOCK = b"console=serial0,115200 console=tty1 root=PARTUUID=7d5a1b2c-02 rootfstype=ext4 rootwait init=/x/firstboot"


@pytest.fixture(params=CARDS)
def card(request: pytest.FixtureRequest) -> Card:
    return CARDS[request.param]


def connections(card: Card) -> dict[str, configparser.ConfigParser]:
    found = {}
    for file in firstrun.connections(card):
        assert file.mode == 0o600
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(file.text)
        found[Path(file.path).name] = parser
    return found


def test_a_shell_reads_every_value_as_it_is(card: Card) -> None:
    values = firstrun.script(card).partition("connections() {")[0]
    names = ("hostname", "user", "password", "keys", "host_key", "host_key_public", "timezone", "locale", "country")
    show = "printf '%s\\0' " + " ".join(f'"${name}"' for name in names)
    done = subprocess.run(["sh", "-euc", values + show], capture_output=True, text=True, check=True)
    assert dict(zip(names, done.stdout.split("\0"))) == {
        "hostname": card.hostname,
        "user": card.user,
        "password": card.password_hash,
        "keys": "\n".join(card.public_keys),
        "host_key": PRIVATE.rstrip("\n"),
        "host_key_public": f"{PUBLIC} k8s-node1",
        "timezone": card.timezone,
        "locale": card.locale,
        "country": card.wifi_country,
    }


def test_the_script_is_good(card: Card, tmp_path: Path) -> None:
    (tmp_path / "firstrun.sh").write_text(firstrun.script(card))
    assert subprocess.run(["sh", "-n", tmp_path / "firstrun.sh"], capture_output=True, check=True).stderr == b""
    if shutil.which("shellcheck"):
        command = ["shellcheck", "--severity=warning", tmp_path / "firstrun.sh"]
        assert subprocess.run(command, capture_output=True, text=True).stdout == ""


def test_the_initramfs_of_bookworm_leaves_it_whole(card: Card) -> None:
    assert not re.search(r"(?m)rm.*firstrun\.sh$", firstrun.script(card))


def test_no_secret_is_shown_and_no_wifi_password_written(card: Card) -> None:
    written = firstrun.script(card)
    shown = firstrun.shown(written)
    secrets = ["b3BlbnNz\naC1rZXk="]
    if card.password_hash:
        secrets.append(card.password_hash)
    if card.wifi_ssid:
        secrets.append(wifi.psk(card.wifi_ssid, card.wifi_password))
    assert all(secret in written and secret not in shown for secret in secrets)
    assert shown.count(WITHHELD) == len(secrets) and "in the clear" not in written
    assert PUBLIC in shown and "set_user" in shown


def test_what_was_there_before_is_shown_only_if_it_is_ours() -> None:
    assert firstrun.shown("#!/bin/sh\necho a token\n") == ""
    assert firstrun.shown("root=/dev/sda2\n") == "root=/dev/sda2\n"


def test_connections() -> None:
    assert connections(PLAIN) == {}
    [(name, radio)] = connections(WIFI).items()
    key = wifi.psk(WIFI.wifi_ssid, WIFI.wifi_password)
    [bases] = [file for file in wifi.files("NetworkManager", "GB", WIFI.wifi_ssid, key, False) if file.secret]
    assert firstrun.connections(WIFI) == [bases], "role base has nothing to change"
    [(name, radio)] = connections(FULL).items()
    assert name == "bramble-kube-card-wlan0.nmconnection" and radio["connection"]["type"] == "wifi"
    octets = [int(number) for number in radio["wifi"]["ssid"].rstrip(";").split(";")]
    assert bytes(octets).decode() == FULL.wifi_ssid and radio["wifi-security"]["psk"] == key
    both = connections(CARDS["cable"])
    assert sorted(both) == ["bramble-kube-card-eth0.nmconnection", "bramble-kube-wifi.nmconnection"]
    cable = both["bramble-kube-card-eth0.nmconnection"]
    assert cable["connection"]["type"] == "ethernet"
    assert both["bramble-kube-wifi.nmconnection"]["ipv4"]["method"] == "auto"
    for connection in (radio, cable):
        assert dict(connection["ipv4"]) == {
            "method": "manual",
            "address1": "192.168.13.8/24,192.168.13.1",
            "dns": "192.168.13.1;",
        }
        assert dict(connection["ipv6"]) == {"method": "auto", "dns": "fd00::1;"}


def test_cmdline_makes_the_next_boot_run_it() -> None:
    wanted = STOCK + (
        b" systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot"
        b" systemd.unit=kernel-command-line.target\n"
    )
    assert firstrun.with_script(STOCK + b"\n") == wanted == firstrun.with_script(wanted)
    # As Imager has written it with a script of its own.
    old = b" systemd.run=/boot/firstrun.sh systemd.run_success_action=poweroff systemd.unit=kernel-command-line.target"
    assert sorted(firstrun.with_script(STOCK + old).split()) == sorted(wanted.split())


@pytest.mark.parametrize("country", ["", "GB"])
@pytest.mark.parametrize("before", [b"", b" cfg80211.ieee80211_regdom=NO"])
def test_the_end_of_the_script_gives_cmdline_back(country: str, before: bytes, tmp_path: Path) -> None:
    end = firstrun.script(PLAIN).partition("# In place, and in one sector")[2].partition("\n")[2]
    (tmp_path / "firstrun.sh").write_text(f"boot=${{0%/*}} country={country}\n{end}")
    (tmp_path / "cmdline.txt").write_bytes(firstrun.with_script(STOCK + before))
    place = (tmp_path / "cmdline.txt").stat()
    subprocess.run(["sh", tmp_path / "firstrun.sh"], check=True)
    after = (tmp_path / "cmdline.txt").stat()
    assert (place.st_ino, place.st_size) == (after.st_ino, after.st_size)
    regdom = f" cfg80211.ieee80211_regdom={country}".encode() if country else before
    assert (tmp_path / "cmdline.txt").read_bytes().strip() == STOCK + regdom
    assert not (tmp_path / "firstrun.sh").exists()


def test_a_cmdline_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    end = firstrun.script(PLAIN).partition("# In place, and in one sector")[2].partition("\n")[2]
    (tmp_path / "firstrun.sh").write_text(f"boot=${{0%/*}} country=GB\n{end}")
    (tmp_path / "cmdline.txt").write_bytes(b"")
    assert subprocess.run(["sh", tmp_path / "firstrun.sh"]).returncode == 1
    assert (tmp_path / "cmdline.txt").read_bytes() == b"" and (tmp_path / "firstrun.sh").exists()
