# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of docs/preflight.md, from the checks themselves: what they say is what stands there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marks import as_shown

from ansible_collections.bramble.kube.plugins.module_utils.preflight.checks import CHECKS
from ansible_collections.bramble.kube.plugins.module_utils.preflight.inventory import Inventory, inventory_errors
from ansible_collections.bramble.kube.plugins.module_utils.preflight.settings import role_defaults, role_options
from ansible_collections.bramble.kube.plugins.module_utils.preflight.table import VERDICT_WORDS

_HOSTS = ("k8s-master", "k8s-node1", "k8s-node2")
#: What the manual shows of wrong inventories: what has to hold, and what breaks it, as groups, as variables of all
#: hosts, and as variables of single hosts.
EXAMPLES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("one, three or five hosts in group `master`", {"groups": {"master": [*_HOSTS[:2]], "node": [_HOSTS[2]]}}),
    ("… several with an address for all", {"groups": {"master": [*_HOSTS], "node": []}}),
    ("a group `master`", {"groups": {"master": [], "masters": ["k8s-master"]}}),
    ("each host in one of `master` and `node`", {"groups": {"node": [*_HOSTS]}}),
    ("`master` and `node` are children of `bramble`", {"groups": {"bramble": ["k8s-master"]}}),
    ("no host without a group", {"groups": {"ungrouped": ["pi5"]}}),
    ("names that a node can have (RFC 1123)", {"hosts": {"k8s-node1": {"base_hostname": "k8s_node1"}}}),
    ("no address as a name", {"hosts": {"k8s-node1": {"base_hostname": "192.168.13.8"}}}),
    ("each name once", {"hosts": {"k8s-node1": {"base_hostname": "k8s-node2"}}}),
    ("each address once", {"hosts": {"k8s-node1": {"ansible_host": "192.168.13.9"}}}),
    ("`kubeadm_node_ip` is an address", {"hosts": {"k8s-node1": {"kubeadm_node_ip": "eth0"}}}),
    ("… of IPv4, as the cluster's networks", {"hosts": {"k8s-node1": {"ansible_host": "2001:db8::8"}}}),
    ("`kubeadm_version` is an exact release", {"all": {"kubeadm_version": "1.37"}}),
    ("… that can be installed", {"all": {"kubeadm_version": "1.9.7"}}),
    ("… the same for all", {"hosts": {"k8s-node1": {"kubeadm_version": "1.36.3"}}}),
    ("`kubeadm_pod_cidr`, `kubeadm_service_cidr` are networks", {"all": {"kubeadm_pod_cidr": "10.244.0.1/16"}}),
    ("… none of them yours", {"all": {"kubeadm_pod_cidr": "192.168.0.0/16"}}),
    ("… that do not overlap", {"all": {"kubeadm_pod_cidr": "10.244.0.0/16", "kubeadm_service_cidr": "10.240.0.0/12"}}),
    ("… large enough", {"all": {"kubeadm_pod_cidr": "10.244.0.0/24"}}),
    ("`kubeadm_api_address` is an address", {"all": {"kubeadm_api_address": "api.local"}}),
    ("… that no host has", {"all": {"kubeadm_api_address": "192.168.13.7"}}),
    ("… in the Pis' network", {"all": {"kubeadm_api_address": "10.96.0.5"}}),
    ("no `all` in `kubeadm_ignore_preflight_errors`", {"all": {"kubeadm_ignore_preflight_errors": ["all"]}}),
    ("each variable's type and choices", {"all": {"base_packages_upgrade": "maybe"}}),
    ("", {"all": {"base_packages": "curl,kmod"}}),
    ("", {"all": {"base_swap": "half"}}),
    ("`base_static_address` tells its network", {"hosts": {"k8s-node1": {"base_static_address": "192.168.13.8"}}}),
    (
        "… with the router in it",
        {"hosts": {"k8s-node1": {"base_static_address": "192.168.13.8/24", "base_static_gateway": "192.168.1.1"}}},
    ),
    ("… nobody else's", {"hosts": {"k8s-node1": {"base_static_address": "192.168.13.7/24"}}}),
    ("", {"all": {"base_static_address": "192.168.13.77/24"}}),
    ("… and the router not without it", {"all": {"base_static_gateway": "192.168.13.1"}}),
    ("`base_nameservers`: addresses", {"all": {"base_nameservers": ["fritz.box"]}}),
    ("… of other machines", {"all": {"base_nameservers": ["127.0.0.1"]}}),
    ("… three at most", {"all": {"base_nameservers": ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]}}),
    ("`base_wifi_country`", {"all": {"base_wifi_country": "England"}}),
    ("… is needed for the radio", {"all": {"base_wifi_ssid": "bramble", "base_wifi_password": "long enough"}}),
    ("`base_wifi_ssid`", {"all": {"base_wifi_country": "GB", "base_wifi_password": "long enough"}}),
    (
        "`base_wifi_password`",
        {"all": {"base_wifi_country": "GB", "base_wifi_ssid": "bramble", "base_wifi_password": "short"}},
    ),
    ("`base_ntp_servers`", {"all": {"base_ntp_servers": ["192.168.13.1 192.168.13.2"]}}),
    ("`base_timezone`", {"all": {"base_timezone": "Europe/Londn"}}),
    ("`base_locale`", {"all": {"base_locale": "english"}}),
    ("`base_journal_size`", {"all": {"base_journal_size": "100 megabytes"}}),
    ("`base_gpu_memory`", {"all": {"base_gpu_memory": 8}}),
    ("`base_packages`", {"all": {"base_packages": ["Curl"]}}),
    ("`base_kernel_modules`", {"all": {"base_kernel_modules": ["overlay.ko"]}}),
    ("`base_kernel_settings`", {"all": {"base_kernel_settings": {"ip_forward": 1}}}),
    ("", {"all": {"base_kernel_settings": {"net.ipv4.ip_forward": None}}}),
    ("`base_kernel_parameters`", {"all": {"base_kernel_parameters": ["quiet splash"]}}),
    (
        "… do not contradict each other",
        {"all": {"base_kernel_parameters": ["usbcore.autosuspend=1", "usbcore.autosuspend=2"]}},
    ),
    ("`base_kernel_parameters_absent`", {"all": {"base_kernel_parameters_absent": ["console"]}}),
    ("`base_time_timeout`, `base_reboot_timeout`", {"all": {"base_time_timeout": 0}}),
    ("`base_first_boot_timeout`", {"all": {"base_first_boot_timeout": -1}}),
)


def example(change: Mapping[str, Any]) -> Inventory:
    """A good inventory of three Pis with one of the changes of EXAMPLES."""
    groups = {"bramble": [*_HOSTS], "master": [_HOSTS[0]], "node": [*_HOSTS[1:]], "ungrouped": []}
    values = {
        host: {"ansible_host": f"192.168.13.{number}", **change.get("all", {}), **change.get("hosts", {}).get(host, {})}
        for number, host in enumerate(_HOSTS, start=7)
    }
    return Inventory({**groups, **change.get("groups", {})}, values, role_options(), role_defaults())


def inventories() -> str:
    """Write what is said about each wrong inventory of EXAMPLES, as a Markdown table."""
    lines = ["| what has to hold | example of what is said otherwise |", "|---|---|"]
    for what, change in EXAMPLES:
        said = "<br>".join(inventory_errors(example(change))).replace("|", r"\|")
        lines.append(f"| {what} | {said} |")
    return "\n".join(lines)


def checks() -> str:
    """Write all checks with everything that they may say, as a Markdown table."""
    lines = ["| check | wanted | verdict | what is said |", "|---|---|---|---|"]
    for check in CHECKS:
        first = f"**{check.name}** | {check.looks_for}"
        for outcome in check.outcomes.values():
            verdict = VERDICT_WORDS[outcome.level].lower()
            lines.append(f"| {first} | {verdict} | {as_shown(outcome.sentence)} |")
            first = " | "
    return "\n".join(lines)
