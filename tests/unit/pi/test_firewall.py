"""What a firewall drops; the rules are what iptables-save and nft print of ufw, firewalld and an nftables.conf."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.pi import facts, firewall

FOLDER = Path(__file__).parent / "firewalls"
ALL = ["6443/tcp", "10250/tcp", "8472/udp"]
PACKETS = [packet for packet in firewall.PACKETS if str(packet) in ALL]
UFW = (FOLDER / "ufw.rules").read_text()
FIREWALLD = (FOLDER / "firewalld.json").read_text()
NFTABLES = (FOLDER / "nftables.json").read_text()
PORT_22 = '{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}'


def by_iptables(*more: str, saved: str = UFW) -> list[str]:
    """What is dropped with these rules before those of ufw's user."""
    rules = "".join(rule + "\n" for rule in more)
    text = saved.replace("-A ufw-user-input", rules + "-A ufw-user-input", 1)
    assert not more or text != saved
    return firewall.iptables(text).dropped(PACKETS)


def by_nft(listed: str, old: str = "", new: str = "") -> list[str]:
    """What is dropped with a part replaced."""
    assert old in listed
    return firewall.nft(listed.replace(old, new, 1) if old else listed).dropped(PACKETS)


def test_firewalls_that_only_let_ssh_in() -> None:
    assert by_iptables() == ALL
    assert by_nft(FIREWALLD) == ALL
    assert by_nft(NFTABLES) == ALL


@pytest.mark.parametrize(
    ("rule", "dropped"),
    [
        ("", ["2379/tcp", "2380/tcp", "vrrp"]),
        ("-A ufw-user-input -p vrrp -j ACCEPT", ["2379/tcp", "2380/tcp"]),
        ("-A ufw-user-input -p 112 -j ACCEPT", ["2379/tcp", "2380/tcp"]),
        ("-A ufw-user-input -p tcp -m multiport --dports 2379:2380 -j ACCEPT", ["vrrp"]),
    ],
)
def test_what_masters_need_of_each_other(rule: str, dropped: list) -> None:
    packets = [packet for packet in firewall.PACKETS if str(packet) in firewall.MASTERS]
    text = UFW.replace("-A ufw-user-input", f"{rule}\n-A ufw-user-input" if rule else "-A ufw-user-input", 1)
    assert firewall.iptables(text).dropped(packets) == dropped
    assert firewall.nft(NFTABLES).dropped(packets) == list(firewall.MASTERS)


@pytest.mark.parametrize(
    ("rule", "dropped"),
    [
        ("-A ufw-user-input -s 192.168.13.0/24 -j ACCEPT", []),
        ("-A ufw-user-input -p tcp -m multiport --dports 80,443,6443 -j ACCEPT", ["10250/tcp", "8472/udp"]),
        ("-A ufw-user-input -p tcp -m tcp --dport 6000:11000 -j ACCEPT", ["8472/udp"]),
        ("-A ufw-user-input ! -p udp -j ACCEPT", []),
        ('-A ufw-user-input -p udp -m udp --dport 8472 -m comment --comment "don\'t -j DROP" -j ACCEPT', ALL[:2]),
        ("-A ufw-user-input -i eth0 -m set --match-set home src -j ACCEPT", []),
        ("-A ufw-user-input -m conntrack --ctstate ESTABLISHED -j ACCEPT", ALL),
        ("-A ufw-user-input -p 17 -j RETURN", ALL),
    ],
)
def test_what_else_iptables_lets_in(rule: str, dropped: list) -> None:
    assert by_iptables(rule) == dropped


def test_a_policy_that_accepts_and_rules_that_hold_at_times() -> None:
    assert by_iptables(saved=UFW.replace(":INPUT DROP", ":INPUT ACCEPT")) == []
    assert by_iptables("-A ufw-user-input -s 10.0.0.1 -j DROP", saved=UFW.replace(":INPUT DROP", ":INPUT ACCEPT")) == []
    assert by_iptables("-A ufw-user-input -j DROP", saved=UFW.replace(":INPUT DROP", ":INPUT ACCEPT")) == ALL
    forward = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n-A FORWARD -j DROP\nCOMMIT\n*nat\n:INPUT DROP [0:0]\n"
    assert firewall.iptables(forward).dropped(PACKETS) == [], "Docker's is no trouble"


@pytest.mark.parametrize(
    ("old", "new", "dropped"),
    [
        ('"right": 22}', '"right": {"set": [22, {"range": [6000, 7000]}]}}', ["10250/tcp", "8472/udp"]),
        (PORT_22, '{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth0"}}', []),
        (PORT_22, '{"match": {"op": "!=", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}}', ALL[:2]),
        (PORT_22, '{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}', ALL),
        (PORT_22, '{"xt": null}', []),
        ('"right": 22}', '"right": "@mine"}', ["8472/udp"]),
    ],
)
def test_what_else_nft_lets_in(old: str, new: str, dropped: list) -> None:
    assert by_nft(FIREWALLD, old, new) == dropped


def test_a_map_of_verdicts() -> None:
    assert by_nft(NFTABLES, "[80, ", "[10250, ") == ["6443/tcp", "8472/udp"]
    assert by_nft(NFTABLES, '[["invalid", {"drop": null}]', '[["new", {"accept": null}]') == []


@pytest.mark.parametrize("text", ["", "{}", "nonsense", '{"nftables": [{"rule": {"family": "ip6"}}]}'])
def test_nothing_is_no_firewall(text: str) -> None:
    assert firewall.nft(text).dropped(PACKETS) == firewall.iptables(text).dropped(PACKETS) == []


def test_the_fact_names_the_service(pi) -> None:
    assert facts.firewall_state(pi, {}) == {"service": "", "drops": []}
    pi.programs = {"iptables-save": UFW, "nft --json list ruleset": NFTABLES}
    states = {"ufw.service": {"active": True, "loaded": True, "enabled": True}}
    assert facts.firewall_state(pi, states) == {
        "service": "ufw",
        "drops": [*ALL, "179/tcp", *firewall.MASTERS, *firewall.SPEAKERS],
    }
