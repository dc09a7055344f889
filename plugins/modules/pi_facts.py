#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_facts
short_description: What a Raspberry Pi is, and what state it is in
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Reads hardware, operating system, clock, swap, network and cluster membership of a Pi (or any Debian-like machine),
    as facts with the prefix C(pi_).
  - Changes nothing. For what a machine does not have, the fact is empty; it is never a failure.
  - No secret is among the facts. Run it as root, or some facts stay empty.
options:
  packages:
    description:
      - Debian packages whose version to report, besides those of Kubernetes and the container engines; those that are
        not installed are left out.
    type: list
    elements: str
    default: []
  modules:
    description: Kernel modules to look for. One that is built into the kernel counts as present.
    type: list
    elements: str
    default: []
  sysctls:
    description: Kernel settings to read, such as C(net.ipv4.ip_forward); those that the kernel does not have are left
      out.
    type: list
    elements: str
    default: []
  services:
    description:
      - Systemd units whose state to report, besides C(containerd), C(docker), C(keepalived) and C(kubelet).
      - A name without a suffix is a service's.
    type: list
    elements: str
    default: []
  measure_fsync:
    description:
      - Measure how long a small record takes to reach the disk (C(pi_fsync_ms)), in up to five seconds.
      - V(new) does so on a machine that is in no cluster yet.
    type: str
    choices: [never, new, always]
    default: never
  ask:
    description: Addresses in the machine's own network at which to look for another machine (C(pi_answering)).
    type: list
    elements: str
    default: []
  first_boot_timeout:
    description: Seconds to wait until the image has finished its first boot, before anything is read.
    type: int
    default: 0
  only:
    description: Names of the facts to return, without their prefix; all by default. Facts of earlier runs stay.
    type: list
    elements: str
attributes:
  check_mode:
    description: Reads the same facts.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Look at the Pi
  bramble.kube.pi_facts:
    packages: [kubelet, containerd.io]
    modules: [br_netfilter, overlay]
    sysctls: [net.ipv4.ip_forward]
    services: [kubelet]
  become: true

- name: Tell which Pi this is
  ansible.builtin.debug:
    msg: "{{ ansible_facts.pi_model }} with {{ ansible_facts.pi_memory_mb }} MB"
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: always
  type: dict
  contains:
    pi_model:
      description: The board's name from its device tree, such as C(Raspberry Pi 5 Model B Rev 1.0).
      type: str
    pi_memory_mb:
      description: Memory that the kernel can use, in MiB.
      type: int
    pi_page_size:
      description: Size of a memory page in bytes, 16384 with a Pi 5's own kernel.
      type: int
    pi_architecture:
      description: Debian's word for the architecture of the programs, such as C(arm64).
      type: str
    pi_kernel_architecture:
      description: The kernel's architecture, such as C(aarch64), which may differ from the programs'.
      type: str
    pi_os:
      description: The operating system from os-release; C(id), C(version_id), C(codename) and C(name).
      type: dict
    pi_root_device:
      description: C(source), the device that C(/) is on, and its C(kind), one of sd, nvme, usb, other.
      type: dict
    pi_disk_free_mb:
      description: MiB free below C(/var/lib).
      type: int
    pi_read_only:
      description: Of C(/), C(/etc), C(/home), C(/usr) and C(/var), those whose file system is mounted read-only.
      type: list
      elements: str
    pi_in_memory:
      description: >-
        Of C(/), C(/etc), C(/home), C(/usr), C(/var) and C(/var/lib), those whose content is lost at a restart, as with
        raspi-config's overlay file system.
      type: list
      elements: str
    pi_fsync_ms:
      description: The 99th percentile of the time that a record takes to reach the disk, in milliseconds.
      type: float
      returned: when it was measured
    pi_throttled:
      description: The firmware's bits of under-voltage and throttling, null where its tool is not installed.
      type: int
    pi_firmware:
      description: The firmware's version, null where its tool is not installed.
      type: str
    pi_cgroup:
      description: C(version) of the cgroup hierarchy, and whether C(memory) and C(cpuset) are on.
      type: dict
    pi_cmdline_file:
      description: The file with the kernel's parameters, empty where there is none.
      type: str
    pi_swaps:
      description: The swap areas in use; C(name), C(size_kb), C(type).
      type: list
      elements: dict
    pi_swap_manager:
      description: What switches swap on, one of rpi-swap, zram-generator, dphys-swapfile, zram-tools, fstab, none.
      type: str
    pi_time:
      description: >-
        The time C(service), whether the clock is C(synchronized), C(offset_s) where the service says it, and the
        services that are C(installed).
      type: dict
    pi_first_boot_done:
      description: Whether the image has finished its first boot.
      type: bool
    pi_interfaces:
      description: The network interfaces; C(name), C(mac), C(addresses) with prefix length.
      type: list
      elements: dict
    pi_address:
      description: The address with which the machine speaks to others, empty without a default route.
      type: str
    pi_reached_address:
      description: >-
        The machine's IPv4 address to which Ansible's SSH connection goes; empty if it is a tunnel's, link-local
        or on none of its interfaces, and without SSH.
      type: str
    pi_complete:
      description: Whether all facts were read, not only some (O(only)). Roles read the facts of a Pi that lacks this
        one.
      type: bool
    pi_network:
      description: >-
        The C(interface) of the default route, its C(gateway), what manages it (C(manager), one of NetworkManager,
        netplan, dhcpcd, or empty), and the C(nameservers) that the machine asks.
      type: dict
    pi_machine_id_sha256:
      description: A hash of the machine-id, by which copies are recognized.
      type: str
    pi_host_key_fingerprints:
      description: Fingerprints of the SSH host keys.
      type: list
      elements: str
    pi_firewall:
      description: >-
        The C(service) that sets up a firewall (ufw, firewalld, nftables, netfilter-persistent, or empty), and what the
        other Pis need and it C(drops) whoever sends it, such as C(6443/tcp), C(8472/udp) and,
        for masters, C(vrrp).
      type: dict
    pi_listening_tcp:
      description: The TCP ports on which some program listens.
      type: list
      elements: int
    pi_hostname:
      description: The machine's current name.
      type: str
    pi_apt_lock_held:
      description: Whether another process is installing packages.
      type: bool
    pi_packages:
      description: The installed ones of O(packages), each with C(version) and C(held).
      type: dict
    pi_packages_unfinished:
      description: Packages at which dpkg was interrupted.
      type: list
      elements: str
    pi_kernel_modules_missing:
      description: Those of O(modules) that are neither loaded nor built in.
      type: list
      elements: str
    pi_kernel_modules_absent:
      description: >-
        Modules that carry a Pod network's packets, and that the running kernel neither has in it nor can load.
      type: list
      elements: str
    pi_sysctl:
      description: Values of O(sysctls).
      type: dict
    pi_services:
      description: State of O(services), each with C(active) and C(enabled).
      type: dict
    pi_kubernetes:
      description: >-
        C(kubelet_server), the address of the cluster that the machine belongs to, C(node_name), by which that cluster
        knows it, C(cluster_ca_sha256) of that cluster in kubeadm's form, C(kubelet_lacks), what its kubelet needs
        and does not have (a file's path, or a valid certificate; empty when nothing is missing),
        C(control_plane), whether it runs an API server, C(api_address), which its finished control plane shares with
        others (empty for none, null without such a control plane), C(foreign_keepalived), whether somebody else has
        configured keepalived there, C(control_plane_remains), whether any file of a control plane is there, and
        C(cni_config), the pod network's files.
      type: dict
    pi_answering:
      description: Of O(ask), those at which another machine answers, with its MAC address.
      type: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi import facts


def main() -> None:
    """Do what is left to do."""
    perform(facts)


if __name__ == "__main__":
    main()
