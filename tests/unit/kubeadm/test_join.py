# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine joins a cluster: what it takes for remains, what it does again, and what it leaves."""

from __future__ import annotations

import pytest
from certificates import self_signed
from kubeconfigs import SERVER, kubeconfig
from played_machine import Clock, Played

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import join
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import ca_cert_hashes
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubelet import (
    CLUSTER_CA,
    KUBELET_CLIENT,
    KUBELET_CONF,
    KUBELET_CONFIG,
)
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.static_pods import API_SERVER

CA, OTHER = self_signed("kubernetes"), self_signed("kubernetes")
CONFIG = "token: abcdef.0123456789abcdef\n"
JOIN = f"kubeadm join --config {join.JOIN_CONFIG}"
KNOWN = 'error execution phase kubelet-start: a Node with name "n1" and status "Ready" already exists in the cluster'
OLD = "/var/lib/kubelet/pki/kubelet-client-2026-01-01.pem"


def options(**changed) -> dict:
    return {
        "config": CONFIG,
        "endpoint": "192.168.13.7:6443",
        "ca_cert_hashes": ca_cert_hashes(CA),
        **changed,
    }


def written(played: Played) -> str:
    """What join writes."""
    played.put(CLUSTER_CA, CA)
    played.put(KUBELET_CONF, kubeconfig(ca_file=CLUSTER_CA))
    played.put(KUBELET_CONFIG)
    played.put(KUBELET_CLIENT, self_signed("system:node:n1"), 0o600)
    return ""


@pytest.fixture
def joined(played: Played) -> Played:
    """A member."""
    written(played)
    return played


def test_a_blank_machine_joins_and_the_token_is_nowhere_afterwards(played: Played) -> None:
    seen = []

    def kubeadm(_words: list[str]) -> str:
        seen.append((played.at(join.JOIN_CONFIG).read_text(), played.mode(join.JOIN_CONFIG)))
        return written(played)

    played.says(JOIN, kubeadm)
    result = join.run(played, options(), False)
    assert result == {"changed": True, "did": "join", "why": "it is in no cluster yet"}
    assert seen == [(CONFIG, 0o600)]
    assert played.asked == [JOIN]
    assert not played.exists(join.JOIN_CONFIG)
    assert join.run(played, options(), False) == {"changed": False, "did": "nothing", "why": ""}
    assert played.asked == [JOIN]


def test_check_mode_joins_nothing(played: Played) -> None:
    assert join.run(played, options(endpoint="", ca_cert_hashes=[]), True)["did"] == "join"
    assert played.asked == [] and list(played.files()) == ["/run/bramble.kube/kubeadm.lock"]


@pytest.mark.parametrize("changed", [{"endpoint": ""}, {"ca_cert_hashes": []}])
def test_a_cluster_has_to_be_named(played: Played, changed: dict) -> None:
    with pytest.raises(Stop, match=r"^endpoint and ca_cert_hashes are empty"):
        join.run(played, options(**changed), False)


@pytest.mark.parametrize("check", [True, False])
def test_a_member_of_another_cluster_is_left_alone(joined: Played, check: bool) -> None:
    joined.put(CLUSTER_CA, OTHER)
    with pytest.raises(Stop, match=r"^This machine belongs to another cluster.*adds it here\.$"):
        join.run(joined, options(), check)
    assert joined.asked == []


def test_a_control_plane_is_left_alone(joined: Played) -> None:
    joined.put(API_SERVER)
    with pytest.raises(Stop, match=f"This machine is the control plane of the cluster at {SERVER}"):
        join.run(joined, options(), False)


@pytest.mark.parametrize("check", [True, False])
def test_remains_at_the_end_of_a_join_are_tidied(joined: Played, check: bool) -> None:
    joined.put(join.BOOTSTRAP_CONF)
    assert join.run(joined, options(), check)["did"] == "tidy"
    assert joined.exists(join.BOOTSTRAP_CONF) == check
    assert joined.asked == []


def test_a_member_without_the_kubelets_configuration_joins_again_from_the_beginning(joined: Played) -> None:
    joined.at(KUBELET_CONFIG).unlink()
    joined.put(OLD)
    left = []
    joined.says(JOIN, lambda _words: left.extend(joined.files("/etc")) or written(joined))
    result = join.run(joined, options(), False)
    assert result == {
        "changed": True,
        "did": "join",
        "why": "its kubelet lacks /var/lib/kubelet/config.yaml, so it joins again",
    }
    assert joined.asked == ["systemctl stop kubelet", JOIN]
    assert left == []
    assert not joined.exists(OLD), "what it lacks may be the right key"


def test_a_certificate_by_the_same_ca_stays_for_the_next_join(joined: Played) -> None:
    joined.put(join.BOOTSTRAP_CONF)
    join.clear_leftovers(joined, ca_cert_hashes(CA))
    assert joined.exists(KUBELET_CLIENT)
    assert not any(map(joined.exists, join.WRITTEN))


def test_one_by_another_ca_goes(joined: Played) -> None:
    joined.put("/var/lib/kubelet/pki/kubelet.crt")
    joined.put(CLUSTER_CA, OTHER)
    join.clear_leftovers(joined, ca_cert_hashes(CA))
    assert not joined.exists(KUBELET_CLIENT)
    assert joined.exists("/var/lib/kubelet/pki/kubelet.crt")


def test_a_half_written_join_is_done_again(played: Played) -> None:
    played.put(join.BOOTSTRAP_CONF)
    played.put(CLUSTER_CA, CA)
    played.says(JOIN, lambda _words: written(played))
    assert join.run(played, options(), False)["why"] == "an interrupted join is repeated"
    assert played.asked == ["systemctl stop kubelet", JOIN]


def test_a_node_that_the_cluster_takes_for_alive_is_tried_again(played: Played, clock: Clock) -> None:
    known = Done(1, "", KNOWN)
    played.says(JOIN, lambda _w: played.put(CLUSTER_CA, CA) and known, known, lambda _w: written(played))
    join.run(played, options(), False)
    assert played.asked == [JOIN, "systemctl stop kubelet", JOIN, "systemctl stop kubelet", JOIN]
    assert clock.slept == [5, 5]
    assert not played.exists(join.JOIN_CONFIG)


def test_but_not_for_ever(played: Played, clock: Clock) -> None:
    played.says(JOIN, Done(1, "", KNOWN))
    with pytest.raises(Stop, match=r"^kubeadm join failed: error execution .* already exists in the cluster\.$"):
        join.run(played, options(), False)
    assert sum(clock.slept) == 125
    assert not played.exists(join.JOIN_CONFIG)


def test_another_failure_is_told_at_once_and_without_the_token(played: Played, clock: Clock) -> None:
    played.says(JOIN, Done(1, "", "error: abcdef.0123456789abcdef is not valid"))
    with pytest.raises(Stop, match=r"^kubeadm join failed: error: abcdef\.\*+ is not valid\.$"):
        join.run(played, options(), False)
    assert clock.slept == [] and not played.exists(join.JOIN_CONFIG)


# What is there --------------------------------------------------------------------------------------------------------


def test_nothing_is_left_on_a_blank_card(played: Played) -> None:
    member = join.read_member(played)
    assert (member.server, member.ca, member.leftover, member.lacks, member.control_plane) == ("", "", False, "", False)


def test_a_joined_machine_has_no_remains(joined: Played) -> None:
    member = join.read_member(joined)
    assert (member.server, member.ca, member.leftover) == (SERVER, ca_cert_hashes(CA)[0], False)
    joined.put(KUBELET_CONF, kubeconfig(OTHER))
    assert join.read_member(joined).ca == ca_cert_hashes(OTHER)[0]


@pytest.mark.parametrize("also", [KUBELET_CONFIG, join.BOOTSTRAP_CONF])
def test_a_ca_without_a_kubeconfig_is_a_remain(played: Played, also: str) -> None:
    """As when somebody deleted half of /etc/kubernetes: kubeadm join would refuse to write the CA again."""
    played.put(CLUSTER_CA, "damaged")
    played.put(also)
    member = join.read_member(played)
    assert member.leftover and not member.server and not member.ca


def test_a_damaged_kubeconfig_puts_it_in_no_cluster(joined: Played) -> None:
    joined.put(KUBELET_CONF, "clusters: [")
    member = join.read_member(joined)
    assert (member.server, member.ca, member.leftover) == ("", ca_cert_hashes(CA)[0], True)
