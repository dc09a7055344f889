"""Pod networks are data: an entry has a manifest, and every part of the collection reads the entry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import DEFAULT, NETWORKS, pod_network

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("network", NETWORKS.values(), ids=lambda network: network.name)
def test_an_entry_is_what_its_manifest_says(network):
    text = (ROOT / f"roles/master/templates/{network.name}.yaml.j2").read_text()
    assert f"name: {network.daemonset}" in text and f"namespace: {network.namespace}" in text
    assert f"name: {network.container}" in text
    for image in network.images:
        assert image in text
    for amount in network.requests.values():
        assert amount in text
    assert Path(network.configuration).name in text
    assert not network.subnet_file or re.compile(network.subnet).groups == 1


def test_the_default_is_the_roles():
    assert yaml.safe_load((ROOT / "roles/kubeadm/defaults/main.yml").read_text())["kubeadm_cni"] == DEFAULT


def test_roles_ask_where_it_runs_and_what_it_pulls():
    assert pod_network("flannel")["namespaces"] == ["kube-flannel"]
    assert pod_network("none") == {"name": "none", "namespaces": [], "images": [], "others": []}
    others = pod_network("flannel")["others"]
    assert "/etc/cni/net.d/10-kuberouter.conflist" in others and len(others) == len(NETWORKS) - 1
    with pytest.raises(ValueError, match=f"kubeadm_cni is 'calico'; use {', '.join(NETWORKS)} or none"):
        pod_network("calico")


@pytest.mark.parametrize("network", NETWORKS)
def test_its_name_stands_in_its_entry_and_nowhere_else_in_the_code(network):
    """What differs between Pod networks is in the entry; a name anywhere else would have to change with it."""
    variable = f"master_{network.replace('-', '_')}_"
    home = ROOT / "plugins/module_utils/common/pod_networks.py"
    written = ROOT / "plugins/module_utils/images/known_digests.py"  # by tools/catalogue
    for path in {*(ROOT / "plugins").rglob("*.py"), *(ROOT / "playbooks").rglob("*.yml")} - {home, written}:
        code = re.sub(r"(DOCUMENTATION|EXAMPLES|RETURN) = r\"\"\".*?\"\"\"", "", path.read_text(), flags=re.DOTALL)
        code = re.sub(r"\"\"\".*?\"\"\"|#[^\n]*", "", code, flags=re.DOTALL)
        found = [line.strip() for line in code.splitlines() if network in line]
        assert [line for line in found if f"{network}\\" not in line and variable not in line] == [], path
