# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What base, docker and kubeadm leave behind on a Pi, looked at from outside of Ansible."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def wanted_version():
    """The release that the role installs when nobody asks for another."""
    return yaml.safe_load((ROOT / "roles/kubeadm/defaults/main.yml").read_text())["kubeadm_version"]


@pytest.fixture
def kernel_parameters(host):
    """What the kernel of this boot was told."""
    return host.file("/proc/cmdline").content_string.split()


class TestBase:
    """The operating system."""

    def test_hostname_is_the_inventory_name(self, host):
        assert host.check_output("hostname") == "k8s-master"
        assert host.file("/etc/hostname").content_string.strip() == "k8s-master"

    def test_every_pi_is_known_by_name(self, host):
        assert host.check_output("getent ahostsv4 k8s-master").split()[0] == "192.168.14.7"

    def test_hosts_file_does_not_name_the_first_boot_any_more(self, host):
        assert "raspberrypi" not in host.file("/etc/hosts").content_string

    def test_memory_is_counted_since_the_reboot(self, host, kernel_parameters):
        memory = [word for word in kernel_parameters if re.fullmatch(r"cgroup_(enable|disable)=memory", word)]
        assert memory[-1] == "cgroup_enable=memory"
        enabled = {
            line.split()[0]: line.split()[3] for line in host.file("/proc/cgroups").content_string.splitlines()[1:]
        }
        assert enabled["memory"] == "1"

    def test_stock_parameters_survived(self, kernel_parameters):
        """A cmdline.txt without root= does not boot again."""
        assert any(word.startswith("root=PARTUUID=") for word in kernel_parameters)
        assert {"console=serial0,115200", "console=tty1", "rootfstype=ext4", "fsck.repair=yes", "rootwait"} <= set(
            kernel_parameters
        )

    def test_cmdline_is_one_line(self, host):
        text = host.file("/boot/firmware/cmdline.txt").content_string
        assert text.strip()
        assert text.rstrip("\n").count("\n") == 0

    def test_no_swap_now(self, host):
        assert len(host.file("/proc/swaps").content_string.splitlines()) == 1

    def test_no_swap_after_the_next_boot(self, host):
        files = host.check_output("cat /etc/rpi/swap.conf /etc/rpi/swap.conf.d/*.conf")
        assert re.findall(r"^Mechanism=(.*)$", files, re.MULTILINE)[-1] == "none"

    @pytest.mark.parametrize(
        "setting", ["net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"]
    )
    def test_packets_of_pods_are_forwarded(self, host, setting):
        assert host.check_output(f"/usr/sbin/sysctl --values {setting}") == "1"

    def test_time_server_is_the_one_asked_for(self, host):
        sources = host.check_output("sudo chronyc -n -c sources")
        assert "192.168.14.2" in [line.split(",")[2] for line in sources.splitlines()]


class TestLab:
    """What must hold for the machine under the virtual Pis."""

    def test_swap_of_the_machine_is_out_of_reach(self, host):
        """Even the real swapon, which a node still has under another name, cannot give the machine a swap file."""
        before = Path("/proc/swaps").read_text()
        host.check_output(
            "sudo sh -c 'umask 077; dd if=/dev/zero of=/var/real.swap bs=1M count=2; mkswap /var/real.swap'"
        )
        # swapon fails with 255, which would look like a failure of SSH.
        attempt = host.run("sudo /usr/sbin/swapon.distrib /var/real.swap || exit 1")
        host.check_output("sudo rm /var/real.swap")
        assert attempt.rc == 1
        assert "Operation not permitted" in attempt.stderr
        assert Path("/proc/swaps").read_text() == before

    def test_clock_of_the_machine_is_out_of_reach(self, host):
        assert "Operation not permitted" in host.run('sudo date --set "$(date)"').stderr


class TestDocker:
    """The container engine."""

    @pytest.mark.parametrize("service", ["containerd", "docker"])
    def test_engine_runs_and_will_after_a_boot(self, host, service):
        assert host.check_output(f"systemctl is-active {service}") == "active"
        assert host.check_output(f"systemctl is-enabled {service}") == "enabled"

    def test_containerd_speaks_cri_with_systemd_groups(self, host):
        """The packaged configuration disables the CRI plugin; cgroupfs beside systemd fails under memory pressure."""
        assert "SystemdCgroup = true" in host.check_output("sudo containerd config dump")
        plugins = [line.split() for line in host.check_output("sudo ctr plugins ls").splitlines()]
        states = {(plugin[0], plugin[1]): plugin[-1] for plugin in plugins if plugin}
        assert states[("io.containerd.grpc.v1", "cri")] == "ok"

    def test_images_come_by_their_public_name(self, host):
        """The registry on the internet is out of a lab's reach, so an answer can only come through the mirror."""
        image = host.check_output("kubeadm config images list 2>/dev/null | grep pause")
        host.check_output(f"sudo ctr --namespace k8s.io images pull --hosts-dir /etc/containerd/certs.d {image}")


class TestKubeadm:
    """Kubernetes' packages."""

    @pytest.mark.parametrize("package", ["kubeadm", "kubelet", "kubectl"])
    def test_packages_are_pinned_and_held(self, host, package, wanted_version):
        assert host.package(package).version.split("-")[0] == wanted_version
        assert package in host.check_output("apt-mark showhold").split()

    def test_kubeadm_runs(self, host, wanted_version):
        version = json.loads(host.check_output("kubeadm version --output json"))
        assert version["clientVersion"]["gitVersion"] == f"v{wanted_version}"

    def test_repository_key_is_in_a_keyring_of_its_own(self, host):
        """apt must trust this key for this repository alone."""
        sources = host.check_output("grep -l /core: /etc/apt/sources.list.d/* | xargs cat")
        keyring = re.search(r"signed-by[:=]\s*(/[^]\s]+)", sources, re.IGNORECASE)
        assert keyring, sources
        assert host.file(keyring[1]).exists
        assert not keyring[1].startswith("/etc/apt/trusted.gpg")
