# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""trixie's own cloud-init reads the files of a card as they were meant."""

from __future__ import annotations

import configparser
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from cloud_init import cloud_init, netplan

from ansible_collections.bramble.kube.plugins.action.pi_card import texts
from ansible_collections.bramble.kube.plugins.module_utils.pi.cards import Card

KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END OPENSSH PRIVATE KEY-----\n",
    "ssh-ed25519 AAAA a",
)
PLAIN = Card("k8s-node1", "pi", ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== me@laptop",), KEY)
#: What YAML 1.1 would take for numbers and truths, were it not in quotes.
FULL = replace(
    PLAIN,
    hostname="0123",
    password_hash="$6$rounds=100000$0123456789abcdef$abc",
    timezone="Europe/Oslo",
    locale="nb_NO.UTF-8",
    wifi_country="NO",
    wifi_ssid="1234",
    wifi_password="7" * 64,
    address="192.168.13.8/24",
    gateway="192.168.13.1",
    nameservers=("192.168.13.1", "192.168.13.2"),
)
CARDS = {
    "plain": PLAIN,
    "full": FULL,
    "cable": replace(FULL, interface="eth0"),
    "foreign": replace(FULL, wifi_ssid='Café: "yes" #1 \'\U0001f600'),
    "truth": replace(FULL, wifi_ssid="on", hostname="yes"),
}

RENDER = """
import sys
from cloudinit import util
from cloudinit.net import netplan, network_state
config = util.load_yaml(open(sys.argv[1]).read())["network"]
renderer = netplan.Renderer({"netplan_path": "netplan.yaml"})
state = network_state.parse_net_config_data(config, renderer=renderer)
renderer.render_network_state(state, target=sys.argv[2])
"""
READ = """
import json, sys
from cloudinit import helpers, util
from cloudinit.distros import ug_util
from cloudinit.sources.DataSourceNoCloud import DataSourceNoCloud
class Distro:
    def get_default_user(self):
        return {"name": "pi", "groups": ["sudo", "gpio"], "lock_passwd": True, "sudo": ["ALL=(ALL) NOPASSWD:ALL"]}
seed, state = sys.argv[1:]
source = DataSourceNoCloud(
    {"datasource": {"NoCloud": {"seedfrom": f"file://{seed}/", "fs_label": None}}},
    Distro(),
    helpers.Paths({"cloud_dir": state, "run_dir": state}),
)
found = source._get_data()
settings = util.load_yaml(source.userdata_raw) or {}
users, _groups = ug_util.normalize_users_groups(settings, Distro())
print(json.dumps({"found": found, "meta": source.metadata, "settings": settings, "users": users}))
"""


@pytest.fixture(params=CARDS)
def card(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Card, Path]:
    wanted = CARDS[request.param]
    for name, text in texts(wanted).items():
        (tmp_path / name).write_text(text)
    return wanted, tmp_path


def judge(file: Path, kind: str) -> tuple[int, str]:
    done = cloud_init("-m", "cloudinit.cmd.main", "schema", "--config-file", file, "--schema-type", kind)
    return done.returncode, (done.stdout + done.stderr).replace(str(file), "FILE").strip()


def test_the_schema_has_nothing_to_say(card: tuple[Card, Path]) -> None:
    assert judge(card[1] / "user-data", "cloud-config") == (0, "Valid schema FILE")


def test_the_schema_says_of_the_network_only_that_it_does_not_know_radios(card: tuple[Card, Path]) -> None:
    """cloud-init's schema has no wifis, whoever writes them; its renderer, which passes them to netplan, does."""
    file = card[1] / "network-config"
    network = yaml.safe_load(file.read_text())["network"]
    code, said = judge(file, "network-config")
    assert (code == 0) == ("wifis" not in network)
    assert (
        code == 0 or "Cloud config schema errors: network: Additional properties are not allowed ('wifis' was" in said
    )
    for name, radio in network.pop("wifis", {}).items():
        only_radio = ("access-points", "regulatory-domain")
        network["ethernets"][name] = {key: value for key, value in radio.items() if key not in only_radio}
    file.write_text(yaml.safe_dump({"network": network}))
    assert judge(file, "network-config") == (0, "Valid schema FILE")


def test_the_schema_would_say_something(tmp_path: Path) -> None:
    (tmp_path / "user-data").write_text("#cloud-config\nssh_keys: {ed25519_privat: a}\nuser: 1\n")
    done = cloud_init("-m", "cloudinit.cmd.main", "schema", "--config-file", tmp_path / "user-data")
    assert done.returncode != 0 and "ed25519_privat" in done.stdout + done.stderr


def test_the_network_that_its_renderer_writes_for_netplan(card: tuple[Card, Path]) -> None:
    wanted, folder = card
    done = cloud_init("-c", RENDER, folder / "network-config", folder)
    assert done.returncode == 0, done.stderr
    file = folder / "netplan.yaml"
    assert file.stat().st_mode & 0o777 == 0o600
    # netplan takes every value as text (libyaml's scalars), so quotes are looked at there, and types here.
    network = yaml.safe_load(file.read_text())["network"]
    cable, radio = network["ethernets"]["eth0"], network.get("wifis", {}).get("wlan0")
    fixed = cable if wanted.interface == "eth0" else radio
    if wanted is PLAIN:
        assert network == {"version": 2, "ethernets": {"eth0": {"dhcp4": True, "dhcp6": True, "optional": True}}}
        return
    assert fixed["addresses"] == ["192.168.13.8/24"] and fixed["dhcp4"] is False
    assert fixed["routes"] == [{"to": "default", "via": "192.168.13.1"}]
    assert fixed["nameservers"] == {"addresses": ["192.168.13.1", "192.168.13.2"]}
    assert (radio["dhcp4"], cable["dhcp4"]) == (fixed is cable, fixed is radio)
    assert radio["regulatory-domain"] == "NO"
    assert radio["access-points"] == {wanted.wifi_ssid: {"password": "7" * 64}}
    assert f"password: '{'7' * 64}'" in file.read_text() and "regulatory-domain: 'NO'" in file.read_text()


def test_the_connections_that_netplan_makes_of_it_for_networkmanager(card: tuple[Card, Path]) -> None:
    wanted, folder = card
    done = cloud_init("-c", RENDER, folder / "network-config", folder)
    assert done.returncode == 0, done.stderr
    (folder / "etc/netplan").mkdir(parents=True)
    (folder / "netplan.yaml").rename(folder / "etc/netplan/50-cloud-init.yaml")
    # Who manages the network is the image's to say.
    manager = folder / "etc/netplan/00-network-manager-all.yaml"
    manager.write_text("network: {version: 2, renderer: NetworkManager}\n")
    manager.chmod(0o600)
    done = netplan(folder)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    found = {}
    for file in (folder / "run/NetworkManager/system-connections").iterdir():
        connection = configparser.ConfigParser(interpolation=None)
        connection.read_string(file.read_text())
        found[connection["connection"]["interface-name"]] = connection
    assert sorted(found) == (["eth0"] if wanted is PLAIN else ["eth0", "wlan0"])
    fixed = None if wanted is PLAIN else "eth0" if wanted.interface == "eth0" else "wlan0"
    for name, connection in found.items():
        ipv4 = dict(connection["ipv4"])
        if name != fixed:
            assert ipv4 == {"method": "auto"}
            continue
        assert (ipv4["method"], ipv4["address1"]) == ("manual", "192.168.13.8/24")
        assert (ipv4["dns"], ipv4["route1"]) == ("192.168.13.1;192.168.13.2;", "0.0.0.0/0,192.168.13.1")
    if wanted is not PLAIN:
        radio = found["wlan0"]
        assert radio["wifi"]["ssid"] == wanted.wifi_ssid
        assert radio["wifi-security"]["psk"] == "7" * 64
        regulatory = (folder / "run/systemd/system/netplan-regdom.service").read_text()
        assert "reg set NO\n" in regulatory


def test_what_it_reads_at_the_first_boot_and_after(card: tuple[Card, Path], tmp_path_factory) -> None:
    wanted, folder = card

    def read() -> dict:
        done = cloud_init("-c", READ, folder, tmp_path_factory.mktemp("state"))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    first = read()
    assert first["found"] and first["meta"]["local-hostname"] == wanted.hostname == first["settings"]["hostname"]
    assert first["settings"]["ssh_keys"] == {"ed25519_private": KEY[0], "ed25519_public": KEY[1]}
    user = first["users"]["pi"]
    assert user["groups"] == "gpio,sudo" and user["default"] is True
    assert user["ssh_authorized_keys"] == list(wanted.public_keys)
    assert user.get("hashed_passwd", "") == wanted.password_hash
    assert (user["lock_passwd"], user["sudo"]) == (
        (False, None) if wanted.password_hash else (True, ["ALL=(ALL) NOPASSWD:ALL"])
    )
    # At its end, the first boot empties user-data; the next ones have to find the same instance, which is set up.
    shell, option, command = first["settings"]["runcmd"][-1]
    assert (shell, option) == ("sh", "-c")
    (folder / "user-data").write_text("#cloud-config\n")
    assert command == "printf '#cloud-config\\n' >/boot/firmware/user-data"
    again = read()
    assert again["found"] and again["meta"]["instance-id"] == first["meta"]["instance-id"]
    assert again["settings"] == {}
