# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role base leaves behind, whatever state a Pi was in: looked at from outside of Ansible."""

from __future__ import annotations

import os
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

SCENARIO = Path(__file__).absolute().parents[1]
ROOT = SCENARIO.parents[1]
INVENTORY = yaml.safe_load((SCENARIO / "inventory" / "hosts.yml").read_text())["bramble"]
HOSTS = {
    name: values for group in INVENTORY["children"].values() for name, values in (group.get("hosts") or {}).items()
}
#: Those that this run looks at: all, or the part that BRAMBLE_PIS names, as molecule.yml does.
STARTED = sorted(
    name for name in HOSTS if any(fnmatch(name, part) for part in os.environ.get("BRAMBLE_PIS", "*").split(","))
)


@pytest.fixture(params=STARTED)
def name(request):
    """Each Pi of the scenario that runs."""
    return request.param


@pytest.fixture
def pi(pis, name):
    """Its SSH connection."""
    return pis[name]


def cmdline_file(pi):
    return "/boot/cmdline.txt" if pi.system_info.codename == "bullseye" else "/boot/firmware/cmdline.txt"


def test_it_rebooted_exactly_once(name):
    """The engine counts how often a Pi went down by itself and came up again."""
    if "base_cut" in HOSTS[name]:
        pytest.skip("its power was cut")
    container = f"{INVENTORY['vars']['lab_instance']}-{name}"
    count = subprocess.run(
        ["docker", "inspect", "--format", "{{ .RestartCount }}", container], capture_output=True, text=True, check=True
    )
    assert count.stdout.strip() == "1"


def test_names(pi, name):
    assert pi.check_output("hostname") == name
    assert pi.file("/etc/hostname").content_string == name + "\n"
    lines = pi.check_output(f"for name in {' '.join(HOSTS)}; do getent ahostsv4 $name | head -n 1; done").splitlines()
    assert [line.split()[0] for line in lines] == [values["ansible_host"] for values in HOSTS.values()]
    text = pi.file("/etc/hosts").content_string
    assert "10.99.0.1" not in text or re.search(r"^10\.99\.0\.1\s+printer$", text, re.MULTILINE)
    assert "localhost" in text


def test_kernel_parameters(pi):
    text = pi.file(cmdline_file(pi)).content_string
    assert text.count("\n") == 1
    assert "\r" not in text
    words = text.split()
    assert sum(word.startswith("root=PARTUUID=") for word in words) == 1
    assert {"console=serial0,115200", "console=tty1", "rootwait", "cgroup_enable=memory"} <= set(words)
    assert len(words) == len(set(words))
    assert "cgroup_enable=memory" in pi.file("/proc/cmdline").content_string.split()
    assert re.search(r"^memory\s+\d+\s+\d+\s+1$", pi.file("/proc/cgroups").content_string, re.MULTILINE)


def test_no_swap_now_or_later(pi):
    assert len(pi.file("/proc/swaps").content_string.splitlines()) == 1
    assert not re.search(r"^[^#]\S+\s+\S+\s+swap", pi.file("/etc/fstab").content_string, re.MULTILINE)
    assert not pi.file("/swapfile").exists
    assert not pi.file("/var/swap").exists
    for unit in ("own-swap.service", "own-swap-again.timer"):
        assert pi.run(f"systemctl is-enabled {unit}").stdout.strip() != "enabled"
    if pi.system_info.codename == "trixie":
        text = pi.check_output("cat /etc/rpi/swap.conf /etc/rpi/swap.conf.d/*.conf")
        assert re.findall(r"^Mechanism=(.*)$", text, re.MULTILINE)[-1] == "none"
    else:
        assert "CONF_SWAPSIZE=0" in pi.file("/etc/dphys-swapfile").content_string.splitlines()
        assert pi.run("systemctl is-enabled dphys-swapfile").stdout.strip() == "disabled"


def test_sudo_asks_where_it_did(pi, name):
    asks = HOSTS[name].get("base_damage") == "sudo_password"
    assert (pi.run("sudo -n id").rc != 0) == asks


def test_packages_are_whole(pi):
    assert pi.check_output("dpkg --audit") == ""
    assert "less" in pi.check_output("apt-mark showhold").split()
    for package in ("ca-certificates", "conntrack", "ethtool"):
        assert pi.package(package).is_installed


def test_the_clock_is_synchronised_with_the_server_asked_for(pi):
    assert pi.check_output("systemctl is-enabled chrony") == "enabled"
    tracking = pi.check_output("sudo chronyc -n -c tracking").split(",")
    assert tracking[-1] == "Normal"
    assert tracking[1] == INVENTORY["vars"]["lab_network"] + ".2"


def test_pods_can_reach_each_other(pi):
    for setting in ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables"):
        assert pi.check_output(f"/usr/sbin/sysctl --values {setting}") == "1"
    assert pi.file("/etc/modules-load.d/90-bramble-kube.conf").content_string.split("\n")[1:3] == [
        "overlay",
        "br_netfilter",
    ]


def test_the_card_is_spared(pi):
    assert "SystemMaxUse=100M" in pi.check_output("systemd-analyze cat-config systemd/journald.conf").splitlines()
    assert pi.check_output("systemctl is-enabled fstrim.timer") == "enabled"


#: What base is answerable for; boot and identity differ from Pi to Pi.
STATE = r"""
cat /etc/hostname /etc/hosts /boot/firmware/cmdline.txt /proc/cmdline
tail -n +2 /proc/swaps
for folder in /etc/rpi /etc/modules-load.d /etc/sysctl.d /etc/systemd/journald.conf.d /etc/chrony/sources.d; do
    find $folder -type f | sort | xargs sha256sum
done
/usr/sbin/sysctl net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables
systemctl is-enabled chrony fstrim.timer
sudo dpkg --audit
dpkg-query --show --showformat '${Package} ${Version} ${Status}\n'
"""


def test_a_power_cut_leaves_no_trace(pis, name):
    """Whenever it came: the next run brings the Pi to the state of one whose power was never cut."""
    if "base_cut" not in HOSTS[name]:
        pytest.skip("its power was not cut")

    def state(of):
        return [line for line in pis[of].check_output(STATE).splitlines() if line != of]

    assert state(name) == state("pi-clean")


def test_each_task_was_cut_once():
    """A Pi more than there are tasks, whose power is cut at the end, shows that none is left out."""
    cuts = {name: values["base_cut"] for name, values in HOSTS.items() if "base_cut" in values}
    if not cuts or "random" in cuts.values() or len(STARTED) < len(HOSTS):
        pytest.skip("a sample")
    tasks = {name: (ROOT / ".lab" / "power-cuts" / name).read_text().splitlines() for name in cuts}
    assert any(len(tasks[name]) <= number for name, number in cuts.items())
    assert sorted(cuts.values()) == list(range(len(cuts)))


def test_a_fixed_address_is_kept_by_the_network_s_manager(pi, name):
    address = HOSTS[name].get("base_static_address")
    if not address:
        pytest.skip("no fixed address")
    connection = pi.check_output("nmcli -g GENERAL.CON-UUID device show eth0")
    values = pi.check_output(f"nmcli -g ipv4.method,ipv4.addresses connection show uuid {connection}").splitlines()
    assert values == ["manual", address]
    assert not pi.file("/var/lib/bramble.kube/address-trial").exists
    assert not pi.file("/etc/systemd/system/bramble-kube-address-trial.service").exists


def test_a_dropped_release_gets_its_packages_from_the_archive(pi, name):
    archive = HOSTS[name].get("base_debian_archive")
    if not archive:
        pytest.skip("its mirrors have it")
    sources = pi.file("/etc/apt/sources.list").content_string
    assert f"deb {archive}/debian bullseye main" in sources
    assert "ftp.debian.org" not in sources
    assert 'Check-Valid-Until "false"' in pi.file("/etc/apt/apt.conf.d/90bramble-kube-archive").content_string


def test_no_two_pis_have_one_identity(pis):
    for path in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub"):
        found = [pis[name].file(path).content_string.split()[:2][-1] for name in STARTED]
        assert len(set(found)) == len(found)


def test_nothing_half_written_is_left(pi):
    left = pi.check_output("sudo find /boot /etc /var/lib/bramble.kube -name '*.bramble-new' -o -name '.*.new'")
    assert left == ""
