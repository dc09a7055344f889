# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kubeadm_join takes for remains that kubeadm's own checks would stumble over."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.modules import kubeadm_join

KUBELET_CONF = """\
apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority: /etc/kubernetes/pki/ca.crt
    server: https://192.168.13.7:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: node
  name: node@kubernetes
current-context: node@kubernetes
users:
- name: node
  user: {}
"""


@pytest.fixture
def card(tmp_path, monkeypatch):
    """A folder in place of the card; the function puts a file of kubeadm's there."""
    for name in ("KUBELET_CONF", "BOOTSTRAP_CONF", "CLUSTER_CA", "API_SERVER", "KUBELET_CONFIG"):
        monkeypatch.setattr(kubeadm_join, name, str(tmp_path / name))
    monkeypatch.setattr(kubeadm_join, "kubelet_lacks", lambda *_: "")
    return lambda name, text="x": (tmp_path / name).write_text(text)


def test_nothing_is_left_on_a_blank_card(card):
    assert not kubeadm_join.read_member().leftover


def test_a_joined_machine_has_no_remains(card):
    card("CLUSTER_CA")
    card("KUBELET_CONFIG")
    card("KUBELET_CONF", KUBELET_CONF)
    assert not kubeadm_join.read_member().leftover


@pytest.mark.parametrize("also", ["KUBELET_CONFIG", "BOOTSTRAP_CONF"])
def test_a_ca_without_a_kubeconfig_is_a_remain(card, also):
    """As when somebody deleted half of /etc/kubernetes: kubeadm join would refuse to write the CA again."""
    card("CLUSTER_CA")
    card(also)
    member = kubeadm_join.read_member()
    assert member.leftover and not member.server
