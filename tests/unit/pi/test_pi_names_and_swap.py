"""The texts of /etc/hosts, of cloud-init's settings and of the swap managers'."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.pi import names, swap
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import clock, kernel
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import names as names_step
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import swap as swap_step

STOCK = "127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\n\n127.0.1.1\traspberrypi\n"
ADDRESSES = {"k8s-master": "192.168.13.7", "k8s-node1": "192.168.13.8"}
BLOCK = f"{names.BEGIN}\n192.168.13.7\tk8s-master\n192.168.13.8\tk8s-node1\n{names.END}\n"


def entries(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_the_stock_file_gets_all_hosts() -> None:
    text = names.hosts_text(STOCK, "k8s-node1", ADDRESSES)
    assert text.endswith(BLOCK)
    assert "raspberrypi" not in text
    assert ["127.0.0.1", "localhost"] in entries(text)
    assert names.hosts_text(text, "k8s-node1", ADDRESSES) == text


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("10.0.0.9 k8s-node1", None),
        ("10.0.0.9 printer", "10.0.0.9 printer"),
        ("10.0.0.9 printer k8s-node1 # old", "10.0.0.9\tprinter # old"),
        ("# 10.0.0.9 k8s-node1", "# 10.0.0.9 k8s-node1"),
        ("127.0.1.1 k8s-node1 raspberrypi", None),
    ],
)
def test_stale_names_go_and_others_stay(line: str, kept: str | None) -> None:
    text = names.hosts_text(f"127.0.0.1 localhost\n{line}\n", "k8s-node1", ADDRESSES)
    assert text == "127.0.0.1 localhost\n" + (kept + "\n" if kept else "") + "\n" + BLOCK


def test_a_file_that_was_lost_has_localhost_again() -> None:
    assert names.hosts_text("", "k8s-node1", ADDRESSES) == "127.0.0.1\tlocalhost\n\n" + BLOCK


def test_a_host_that_is_not_asked_keeps_its_address() -> None:
    before = names.hosts_text(STOCK, "k8s-node1", ADDRESSES)
    assert names.hosts_text(before, "k8s-node1", {**ADDRESSES, "k8s-master": ""}) == before


def test_a_host_without_a_known_address_knows_itself() -> None:
    assert ["127.0.1.1", "pi.lan", "pi"] in entries(names.hosts_text(STOCK, "pi.lan", {"pi.lan": ""}))


def test_imagers_user_data_loses_its_say_in_etc_hosts() -> None:
    text = "#cloud-config\nhostname: raspberrypi\nmanage_etc_hosts: true\nusers:\n- name: pi\n"
    assert names.user_data_text(text) == text.replace("hosts: true", "hosts: false")
    assert names.user_data_text(names.user_data_text(text)) == names.user_data_text(text)


@pytest.mark.parametrize(
    ("hostname", "addresses", "words"),
    [
        ("Pi One", {}, "small letters"),
        ("-pi", {}, "small letters"),
        ("a" * 65, {}, "small letters"),
        ("pi", {"pi": "192.168.13.300"}, "not an IP address"),
    ],
)
def test_wrong_names_and_addresses_are_refused(hostname: str, addresses: dict, words: str) -> None:
    assert words in names_step.problem(hostname, addresses)


def test_right_names_are_not() -> None:
    assert names_step.problem("k8s-node1.local", {"k8s-node1.local": "", "b": "fd00::1"}) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("CONF_SWAPSIZE=100\nCONF_MAXSWAP=2048\n", "CONF_SWAPSIZE=0\nCONF_MAXSWAP=2048\n"),
        ("#CONF_SWAPSIZE=\n", "CONF_SWAPSIZE=0\n"),
        ("", "CONF_SWAPSIZE=0\n"),
        ("# mine", "# mine\nCONF_SWAPSIZE=0\n"),
        ("CONF_SWAPSIZE=100\nCONF_SWAPSIZE=200\n", "CONF_SWAPSIZE=0\n"),
    ],
)
def test_dphys_swapfile(before: str, after: str) -> None:
    assert swap.dphys_text(before) == after
    assert swap.dphys_text(after) == after


def test_fstab_keeps_its_swap_lines_as_comments() -> None:
    text = "proc /proc proc defaults 0 0\n/swapfile none swap sw 0 0\n/dev/zram0 none swap sw 0 0\n"
    off = swap.fstab_text(text, keep_zram=False)
    assert off.count("# switched off by bramble.kube: ") == 2
    assert swap.fstab_text(off, keep_zram=False) == off
    assert swap.fstab_text(text, keep_zram=True).count("switched off") == 1


def test_every_swap_manager_on_the_machine_is_told(pi) -> None:
    pi.put("/etc/rpi/swap.conf", "[Main]\n")
    pi.put("/etc/dphys-swapfile", "CONF_SWAPSIZE=100\n")
    pi.put("/etc/fstab", "/swapfile none swap sw 0 0\n")
    files = swap_step.wanted_files(pi, "off")
    assert files[swap.RPI_SWAP_FILE].endswith("[Main]\nMechanism=none\n")
    assert files["/etc/dphys-swapfile"] == "CONF_SWAPSIZE=0\n"
    assert files["/etc/fstab"].startswith("# ")
    assert swap_step.wanted_files(pi, "zram")[swap.RPI_SWAP_FILE].endswith("Mechanism=zram\n")


def test_zram_generator_is_told_of_every_device(pi) -> None:
    assert swap_step.wanted_files(pi, "off") == {}
    pi.put("/usr/lib/systemd/zram-generator.conf", "# x\n[zram0]\n")
    pi.put("/etc/systemd/zram-generator.conf.d/mine.conf", "[zram1]\nzram-size = ram / 2\n")
    text = swap_step.wanted_files(pi, "off")[swap.ZRAM_GENERATOR_FILE]
    assert text.count("host-memory-limit = 0") == 2
    assert swap_step.wanted_files(pi, "zram") == {}


def test_only_swap_is_removed_from_the_card(pi) -> None:
    pi.put("/etc/dphys-swapfile", "CONF_SWAPFILE=/var/swap\n")
    pi.put("/var/swap", b"\0" * 4086 + b"SWAPSPACE2" + b"\0" * 100)
    pi.put("/etc/fstab", "/home/notes none swap sw 0 0\n")
    pi.put("/home/notes", "no swap at all")
    assert swap_step.leftover_files(pi, [], "off") == ["/var/swap"]


def test_the_time_service_that_runs_is_told_its_servers() -> None:
    states = {
        "chrony.service": {"loaded": True, "active": False},
        "systemd-timesyncd.service": {"loaded": True, "active": True},
    }
    assert clock.service_to_use(states) == "systemd-timesyncd"
    assert clock.service_to_use({"chrony.service": {"loaded": True, "active": False}}) == "chrony"
    assert clock.service_to_use({}) == ""
    assert clock.wanted_file("systemd-timesyncd", ["a", "b"])[1].endswith("[Time]\nNTP=a b\n")
    assert "server a iburst" in clock.wanted_file("chrony", ["a"])[1]
    assert clock.wanted_file("chrony", []) is None


def test_where_kernel_settings_are() -> None:
    assert kernel.setting_path("net.ipv4.ip_forward") == "/proc/sys/net/ipv4/ip_forward"
    assert kernel.setting_path("net/ipv4/conf/eth0.1/forwarding") == "/proc/sys/net/ipv4/conf/eth0.1/forwarding"
    assert kernel.setting_path("net.ipv4.conf.eth0/1.forwarding") == "/proc/sys/net/ipv4/conf/eth0.1/forwarding"
    assert kernel.value_text(True) == "1"
    assert kernel.value_text("4096\t16384 x") == "4096 16384 x"


def test_modules_of_another_kernel_wait_for_the_reboot(pi) -> None:
    assert not kernel.kernel_was_replaced(pi)
    pi.put("/lib/modules/9.9.9-new/modules.dep", "")
    assert kernel.kernel_was_replaced(pi)
