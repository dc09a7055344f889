"""Fixed addresses and name servers: what each manager is told, and the trial that goes back by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.pi import network, trial
from ansible_collections.bramble.kube.plugins.module_utils.pi.network import Wanted
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import address, resolver

WANTED = Wanted("eth0", "192.168.13.7/24", "192.168.13.1", ("192.168.13.1", "9.9.9.9"))
UUID = "2186398b-e9df-47aa-851a-0b0f5c4558e3"


def has(pi, where: str = "192.168.13.50/24") -> None:
    """Give the Pi an address."""
    own, _slash, length = where.partition("/")
    pi.programs["ip -json -4 address show dev eth0"] = (
        f'[{{"ifname":"eth0","address":"dc:a6:32:00:00:01","addr_info":[{{"local":"{own}","prefixlen":{length}}}]}}]'
    )
    pi.programs["ip -json -4 route get"] = f'[{{"dev":"eth0","gateway":"192.168.13.1","prefsrc":"{own}"}}]'
    pi.put("/sys/class/net/eth0/address", "dc:a6:32:00:00:01\n")


def managed_by_nm(pi, values: str) -> None:
    pi.programs["nmcli -g GENERAL.CON-UUID device show eth0"] = UUID + "\n"
    pi.programs["nmcli -g ipv4.method"] = values


def test_network_manager_is_told_and_knows_the_way_back(pi) -> None:
    has(pi)
    managed_by_nm(pi, "auto\n\n\n\nno\n")
    plan = network.plan(pi, WANTED)
    assert plan.manager == "NetworkManager"
    assert not plan.files
    modify, up = plan.apply
    assert modify[:5] == ["nmcli", "connection", "modify", "uuid", UUID]
    told = dict(zip(modify[5::2], modify[6::2]))
    assert told["ipv4.method"] == "manual"
    assert told["ipv4.addresses"] == "192.168.13.7/24"
    assert told["ipv4.dns"] == "192.168.13.1,9.9.9.9"
    assert up == ["nmcli", "connection", "up", "uuid", UUID]
    back = dict(zip(plan.restore[0][5::2], plan.restore[0][6::2]))
    assert back == {**dict.fromkeys(network.NM_FIELDS, ""), "ipv4.method": "auto", "ipv4.ignore-auto-dns": "no"}


def test_nothing_is_to_do_once_it_is_so(pi) -> None:
    has(pi, WANTED.address)
    managed_by_nm(pi, "manual\n192.168.13.7/24\n192.168.13.1\n192.168.13.1,9.9.9.9\nyes\n")
    assert not network.plan(pi, WANTED)
    has(pi)
    assert network.plan(pi, WANTED), "the settings are right, but the interface has another address"


def test_netplan_gets_a_file_of_our_own(pi) -> None:
    has(pi)
    pi.put("/etc/netplan/50-cloud-init.yaml", "network: {}\n")
    plan = network.plan(pi, WANTED)
    assert plan.apply == plan.restore == [["netplan", "apply"]]
    text = plan.files[network.NETPLAN_FILE]
    assert "  ethernets:\n    eth0:\n      dhcp4: false\n      addresses: [192.168.13.7/24]\n" in text
    assert "{to: default, via: 192.168.13.1}" in text
    assert "wifis:" in network.netplan_text(Wanted("wlan0", "10.0.0.2/24", "10.0.0.1"))


def test_dhcpcd_gets_a_block_that_is_replaced(pi) -> None:
    has(pi)
    pi.programs["systemctl is-active dhcpcd"] = "active\n"
    pi.put(network.DHCPCD_FILE, "hostname\n")
    text = network.plan(pi, WANTED).files[network.DHCPCD_FILE]
    assert text.startswith("hostname\n# bramble.kube: begin")
    assert "static routers=192.168.13.1\nstatic domain_name_servers=192.168.13.1 9.9.9.9\n" in text
    again = network.with_block(text, ["interface wlan0"])
    assert again.count("bramble.kube: begin") == 1
    assert "eth0" not in again
    assert network.with_block(again, []) == "hostname\n"


def test_another_manager_is_refused(pi) -> None:
    has(pi)
    with pytest.raises(Stop, match="is not managed by NetworkManager, netplan or dhcpcd"):
        address.run(pi, {**_options(), "address": "192.168.13.7/24"}, check_mode=True)


def _options() -> dict:
    return {name: option.get("default") for name, option in address.OPTIONS.items()}


def test_what_is_not_given_stays_as_it_is(pi) -> None:
    has(pi)
    pi.put("/etc/resolv.conf", "nameserver 127.0.0.1\nnameserver 10.0.0.53\n")
    assert address.wanted(pi, {**_options(), "address": "192.168.13.7/24"}) == Wanted(
        "eth0", "192.168.13.7/24", "192.168.13.1", ("10.0.0.53",)
    )
    with pytest.raises(Stop, match="wlan9 is not there; the machine has eth0"):
        address.wanted(pi, {**_options(), "address": "192.168.13.7/24", "interface": "wlan9"})


@pytest.mark.parametrize(
    ("where", "gateway", "servers", "words"),
    [
        ("192.168.13.7", "", [], "does not include the network's length"),
        ("192.168.13.300/24", "", [], "not an IPv4 address"),
        ("192.168.13.0/24", "", [], "is the network 192.168.13.0/24 itself"),
        ("192.168.13.7/24", "192.168.14.1", [], "not in the network 192.168.13.0/24"),
        ("192.168.13.7/24", "192.168.13.7", [], "the Pi's own address"),
        ("192.168.13.7/24", "router", [], "gateway: 'router' is not"),
        ("192.168.13.7/24", "192.168.13.1", ["router"], "nameservers: 'router'"),
    ],
)
def test_wrong_addresses_have_a_sentence(where: str, gateway: str, servers: list, words: str) -> None:
    assert words in network.problem(where, gateway, servers)
    assert network.problem("192.168.13.7/24", "192.168.13.1", ["192.168.13.1"]) is None


def test_whoever_writes_resolv_conf_is_told(pi) -> None:
    pi.put("/etc/resolv.conf", "search home\nnameserver 192.168.13.1\n# mine\n")
    plain = network.resolver(pi, ["9.9.9.9"])
    assert plain.path == "/etc/resolv.conf"
    assert plain.text == network.HEADER + "search home\n# mine\nnameserver 9.9.9.9\n"
    pi.put("/etc/resolv.conf", plain.text)
    assert network.resolver(pi, ["9.9.9.9"]).text == plain.text
    pi.programs["systemctl is-active dhcpcd"] = "active\n"
    pi.put(network.DHCPCD_FILE, "hostname\ninterface eth0\n")
    text = network.resolver(pi, ["9.9.9.9"]).text
    assert text == "static domain_name_servers=9.9.9.9 # bramble.kube\nhostname\ninterface eth0\n"
    pi.put(network.DHCPCD_FILE, text)
    assert network.resolver(pi, ["1.1.1.1"]).text.count("domain_name_servers") == 1
    pi.programs["systemctl is-active NetworkManager"] = "active\n"
    assert network.resolver(pi, ["9.9.9.9", "1.1.1.1"]).text.endswith("servers=9.9.9.9,1.1.1.1\n")
    pi.put("/run/systemd/resolve/stub-resolv.conf", "nameserver 127.0.0.53\n")
    pi.put("/run/systemd/resolve/resolv.conf", "nameserver 10.0.0.53\n")
    Path(pi.path("/etc/resolv.conf")).unlink()
    os.symlink(pi.path("/run/systemd/resolve/stub-resolv.conf"), pi.path("/etc/resolv.conf"))
    assert network.resolver(pi, ["9.9.9.9"]).path == network.RESOLVED_DNS_FILE
    assert network.nameservers(pi) == ["10.0.0.53"]


def test_name_servers_that_cannot_serve_containers_are_refused() -> None:
    assert "the Pi itself" in resolver.problem(["127.0.0.1"])
    assert "3 at most" in resolver.problem(["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"])
    assert resolver.problem(["192.168.13.1", "fd00::1"]) is None


def test_cloud_init_leaves_the_network_alone_where_it_is_installed(pi) -> None:
    assert network.cloud_init_file(pi) is None
    pi.put("/etc/cloud/cloud.cfg", "")
    assert network.cloud_init_file(pi) == (network.CLOUD_INIT_FILE, network.HEADER + "network: {config: disabled}\n")


class Trial:
    """The trial's scripts in a folder of the test, with programs that only write down that they were called."""

    def __init__(self, folder: Path, apply: str = "apply", seconds: int = 1) -> None:
        self.folder, self.calls, self.file = folder / "trial", folder / "calls", folder / "settings"
        self.programs = folder / "bin"
        for path in (self.folder, self.programs):
            path.mkdir()
        for name in ("apply", "restore", "systemctl"):
            program = self.programs / name
            program.write_text(f'#!/bin/sh\necho {name} "$(cat {self.file})" >> {self.calls}\n')
            program.chmod(0o755)
        self.file.write_text("old")
        plan = network.Plan("x", {str(self.file): "new"}, [[apply]], [["restore"]])
        (self.folder / "after-0").write_text("new")
        (self.folder / "before-0").write_text("old")
        for name, text in trial.scripts(plan, {str(self.file): b"old"}, {str(self.file): 0o640}, seconds).items():
            here = text.replace(trial.FOLDER, str(self.folder)).replace("sleep 3", "sleep 0")
            here = here.replace(trial.UNIT_FILE, str(folder / "unit")).replace(trial.LOG, str(folder / "log"))
            (self.folder / name).write_text(here)
        (self.folder / "pending").touch()

    def start(self, script: str = "try.sh") -> subprocess.Popen:
        path = f"{self.programs}:{os.environ['PATH']}"
        return subprocess.Popen(["sh", str(self.folder / script)], env={**os.environ, "PATH": path})

    def called(self) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if not line.startswith("systemctl")]


def test_a_trial_that_nobody_confirms_goes_back(tmp_path: Path) -> None:
    one = Trial(tmp_path)
    assert one.start().wait(20) == 0
    assert one.called() == ["apply new", "restore old"]
    assert one.file.read_text() == "old"
    assert one.file.stat().st_mode & 0o777 == 0o640
    assert not one.folder.exists()


def test_a_trial_that_cannot_be_applied_goes_back_at_once_and_leaves_the_reason(tmp_path: Path) -> None:
    one = Trial(tmp_path, apply="no-such-program", seconds=60)
    assert one.start().wait(20) == 0
    assert one.called() == ["restore old"]
    assert one.file.read_text() == "old"
    assert "no-such-program" in (tmp_path / "log").read_text()


def test_a_confirmed_trial_stays(tmp_path: Path) -> None:
    one = Trial(tmp_path, seconds=60)
    job = one.start()
    while not (one.folder / "applied").exists():
        assert job.poll() is None
    (one.folder / "pending").rename(one.folder / "confirmed")
    shutil.rmtree(one.folder)
    assert job.wait(20) == 0
    assert one.called() == ["apply new"]
    assert one.file.read_text() == "new"


def test_the_next_boot_goes_back_after_a_power_cut(tmp_path: Path) -> None:
    one = Trial(tmp_path)
    one.file.write_text("new")
    assert one.start("back.sh").wait(20) == 0
    assert one.called() == ["restore old"]
    assert one.file.read_text() == "old"
    assert "ExecStart=/bin/sh " + trial.FOLDER + "/back.sh" in trial._UNIT_TEXT


@pytest.mark.parametrize("server", ["127.0.0.1", "127.0.0.53", "::1", "0.0.0.0", "::"])
def test_a_name_server_that_is_the_machine_itself(server: str) -> None:
    assert network.is_own(server)
    assert "is the Pi itself, which containers cannot reach" in (resolver.problem(["192.168.13.1", server]) or "")


@pytest.mark.parametrize("server", ["192.168.13.1", "fe80::1%eth0", "2001:db8::53", "router"])
def test_a_name_server_that_is_another_machine(server: str) -> None:
    assert not network.is_own(server)
