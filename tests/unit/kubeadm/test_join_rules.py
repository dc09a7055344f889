"""Whether a machine joins, is left alone, or is refused."""

from __future__ import annotations

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.join_rules import Member, is_still_known, next_step

OURS, THEIRS = "sha256:ours", "sha256:theirs"
SERVER = "https://192.168.13.7:6443"


@pytest.mark.parametrize(
    ("member", "do"),
    [
        (Member(), "join"),
        (Member(ca=THEIRS, leftover=True), "join"),
        (Member(ca=OURS, leftover=True), "join"),
        (Member(server=SERVER, ca=OURS), "nothing"),
        (Member(server=SERVER, ca=OURS, leftover=True), "tidy"),
        (Member(server=SERVER, ca=THEIRS), "refuse"),
        (Member(server=SERVER, ca=""), "refuse"),
        (Member(server=SERVER, ca=OURS, control_plane=True), "refuse"),
        (Member(server=SERVER, ca=OURS, lacks="a certificate"), "join"),
        (Member(server=SERVER, ca=THEIRS, lacks="a certificate"), "refuse"),
    ],
)
def test_next_step(member, do):
    assert next_step(member, "192.168.13.7:6443", (OURS,)).do == do


def test_while_the_ca_is_replaced_both_are_right():
    assert next_step(Member(server=SERVER, ca=THEIRS), "192.168.13.7:6443", (OURS, THEIRS)).do == "nothing"


def test_the_other_cluster_is_named():
    step = next_step(Member(server="https://10.0.0.1:6443", ca=THEIRS), "192.168.13.7:6443", (OURS,))
    assert "https://10.0.0.1:6443" in step.why
    assert "https://192.168.13.7:6443" in step.why


def test_what_the_kubelet_lacks_is_named():
    step = next_step(Member(server=SERVER, ca=OURS, lacks="/etc/kubernetes/pki/ca.crt"), "192.168.13.7:6443", (OURS,))
    assert step.why == "its kubelet lacks /etc/kubernetes/pki/ca.crt, so it joins again"


def test_a_kubelet_that_the_cluster_takes_for_alive_is_told_from_other_refusals():
    said = 'error: a Node with name "k8s-node2" and status "Ready" already exists in the cluster. You must delete it'
    assert is_still_known(said)
    assert not is_still_known("error: couldn't validate the identity of the API Server")
