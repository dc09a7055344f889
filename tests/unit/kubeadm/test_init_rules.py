"""What is done about a control plane, in every state that a cut can leave."""

from __future__ import annotations

import json

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.init_rules import (
    ESSENTIAL,
    Answer,
    Remains,
    finalized,
    lost,
    next_step,
    read_answer,
    reason,
)

BLANK = Remains(any=False, manifests=False, admin=False, finalized=False, own=False)
COMPLETE = Answer(config="kubernetesVersion: v1.37.2\n", missing=(), node=True, nodes=3)


def remains(**changed):
    return Remains(**{"any": True, "manifests": True, "admin": True, "finalized": True, "own": False, **changed})


@pytest.mark.parametrize(
    ("left", "answer", "do"),
    [
        (BLANK, None, "init"),
        (remains(), COMPLETE, "nothing"),
        # somebody else's old cluster, with an embedded certificate
        (remains(finalized=False), COMPLETE, "nothing"),
        # cut in certs, in the wait for the control plane, right before upload-config
        (remains(manifests=False, finalized=False, own=True), None, "reset"),
        (remains(finalized=False, own=True), None, "reset"),
        (remains(finalized=False, own=True), Answer("", ("coredns", "kube-proxy"), False), "reset"),
        # complete, but cut before the configuration got its name
        (remains(own=True), COMPLETE, "nothing"),
        # cut between the add-ons
        (remains(own=True), Answer("x", ("kube-proxy",), True, nodes=1), "addons"),
        # never take away what may be somebody's cluster
        (remains(), None, "refuse"),
        (remains(own=True), None, "refuse"),
        (remains(finalized=False), None, "refuse"),
        (remains(finalized=False), Answer("", ("coredns", "kube-proxy"), False), "refuse"),
        (remains(finalized=False, own=True), Answer("", (), True, nodes=2), "refuse"),
        (remains(finalized=False, own=True), Answer("", (), True, nodes=1), "reset"),
        (remains(finalized=False, own=True), Answer("x", ("kube-proxy",), True, nodes=2), "addons"),
        (remains(finalized=False), Answer("x", ("kube-proxy",), True, nodes=2), "addons"),
        (remains(finalized=False, own=True), Answer("x", ("kube-proxy",), True, nodes=1), "reset"),
        (remains(finalized=False), Answer("x", ("kube-proxy",), True, nodes=1), "refuse"),
        (remains(own=True), Answer("x", (), False, nodes=2), "refuse"),
        (remains(), Answer("", (), True, nodes=1), "refuse"),
    ],
)
def test_next_step(left, answer, do):
    assert next_step(left, answer).do == do


def test_files_that_were_lost() -> None:
    whole = set(ESSENTIAL)
    assert lost(whole) == []
    assert lost(whole - {"pki/sa.key", "manifests/etcd.yaml"}) == ["manifests/etcd.yaml", "pki/sa.key"]
    elsewhere = {name for name in whole if "etcd" not in name}
    assert lost(elsewhere) == []


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("admin", [True, False])
@pytest.mark.parametrize("manifests", [True, False])
def test_a_finalized_control_plane_is_never_reset(own, admin, manifests):
    for answer in (None, COMPLETE, Answer("", ("coredns",), True, nodes=1), Answer("x", ("coredns",), False)):
        assert next_step(remains(own=own, admin=admin, manifests=manifests), answer).do not in ("reset", "init")


def test_finalized_by_the_kind_of_certificate():
    assert finalized("    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n")
    assert not finalized("    client-certificate-data: LS0t\n    client-key-data: LS0t\n")
    assert not finalized("")


def test_answer_from_kubectl():
    listed = {
        "kind": "List",
        "items": [
            {
                "kind": "ConfigMap",
                "metadata": {"name": "kubeadm-config"},
                "data": {"ClusterConfiguration": "kind: ClusterConfiguration\nkubernetesVersion: v1.36.3\n"},
            },
            {"kind": "DaemonSet", "metadata": {"name": "kube-proxy"}},
            {
                "kind": "Node",
                "metadata": {"name": "k8s-master"},
                "spec": {"taints": [{"key": "node-role.kubernetes.io/control-plane"}, {"key": "other"}]},
            },
        ],
    }
    answer = read_answer(json.dumps(listed), "k8s-master")
    assert (answer.version, answer.missing, answer.node, answer.nodes) == ("1.36.3", ("coredns",), True, 1)
    assert answer.tainted == ("node-role.kubernetes.io/control-plane",)
    assert read_answer(json.dumps(listed), "k8s-master", ("coredns",)).missing == ()


def test_answer_of_one_object_and_of_none():
    one = {"kind": "Node", "metadata": {"name": "a"}}
    assert read_answer(json.dumps(one), "a").node
    assert read_answer("", "a") == Answer("", ("coredns", "kube-proxy"), False)


def test_reason_is_what_kubeadm_complains_about():
    output = """W1124 noise
[preflight] Some fatal errors occurred:
\t[ERROR NumCPU]: the number of available CPUs 1 is less than the required 2
[preflight] If you know what you are doing, you can make a check non-fatal
To see the stack trace of this error execute with --v=5 or higher
"""
    assert reason(output) == (
        "[preflight] Some fatal errors occurred: / "
        "[ERROR NumCPU]: the number of available CPUs 1 is less than the required 2"
    )
    assert reason("") == "kubeadm said nothing about the reason"
