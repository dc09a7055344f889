# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What base, docker and kubeadm leave behind where programs are for arm64, as on a real Pi."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).absolute().parents[3]
#: e_machine of an ELF header: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html, and ARM's 183
AARCH64 = "183"
PACKAGES = {
    "containerd.io": ("containerd", "containerd-shim-runc-v2", "runc"),
    "docker-ce": ("dockerd", "docker-proxy"),
    "docker-ce-cli": ("docker",),
    "kubeadm": ("kubeadm",),
    "kubelet": ("kubelet",),
    "kubectl": ("kubectl",),
}


def test_the_os_is_arm64_alone(host):
    assert host.check_output("dpkg --print-architecture") == "arm64"
    assert host.check_output("dpkg --print-foreign-architectures") == ""
    found = host.check_output("dpkg-query --show --showformat '${Architecture}\\n' | sort -u").split()
    assert found == ["all", "arm64"]


@pytest.mark.parametrize("package", [*PACKAGES, "kubernetes-cni", "conntrack", "ethtool"])
def test_packages_are_installed_for_arm64(host, package):
    state = host.check_output(f"dpkg-query --show --showformat '${{Architecture}} ${{db:Status-Status}}' {package}")
    assert state == "arm64 installed"


@pytest.mark.parametrize("program", [program for programs in PACKAGES.values() for program in programs])
def test_programs_are_for_arm64(host, program):
    assert host.check_output(f"od -An -t u2 -j 18 -N 2 /usr/bin/{program}").strip() == AARCH64


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_held(host, package):
    assert package in host.check_output("apt-mark showhold").split()


def test_kubeadm_is_the_release_asked_for(host):
    wanted = yaml.safe_load((ROOT / "roles/kubeadm/defaults/main.yml").read_text())["kubeadm_version"]
    version = json.loads(host.check_output("kubeadm version --output json"))["clientVersion"]
    assert (version["gitVersion"], version["platform"]) == (f"v{wanted}", "linux/arm64")


@pytest.mark.parametrize("service", ["containerd", "docker", "kubelet", "chrony"])
def test_services_start_at_every_boot(host, service):
    assert host.check_output(f"systemctl is-enabled {service}") == "enabled"


def test_containerd_is_configured_for_the_kubelet(host):
    """The program reads its own configuration, whether it can run containers here or not."""
    dump = host.check_output("sudo containerd config dump")
    assert "SystemdCgroup = true" in dump
    assert host.file("/etc/containerd/certs.d/registry.k8s.io/hosts.toml").exists


def test_memory_is_counted_since_the_reboot(host):
    text = host.file("/boot/firmware/cmdline.txt").content_string
    assert text.count("\n") == 1
    assert "cgroup_enable=memory" in text.split()
    assert "cgroup_enable=memory" in host.file("/proc/cmdline").content_string.split()


def test_no_swap_now_or_later(host):
    assert len(host.file("/proc/swaps").content_string.splitlines()) == 1
    files = host.check_output("cat /etc/rpi/swap.conf /etc/rpi/swap.conf.d/*.conf")
    assert re.findall(r"^Mechanism=(.*)$", files, re.MULTILINE)[-1] == "none"


def test_the_clock_is_synchronised(host):
    assert host.check_output("sudo chronyc -n -c tracking").split(",")[-1] == "Normal"
