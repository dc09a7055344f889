"""What a cluster remembers of a node, and when its object is somebody else's."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.bramble.kube.plugins.module_utils.nodes.node_removal import (
    Folder,
    folders_on,
    requests_of,
    same_machine,
    someone_else,
)
from ansible_collections.bramble.kube.plugins.module_utils.pi.parse import machine_id_sha256


def node(ready: str = "True", address: str = "192.168.13.8") -> dict:
    """A Node object."""
    return {
        "metadata": {"name": "k8s-node1"},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": "k8s-node1"},
            ],
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
        },
    }


@pytest.mark.parametrize(
    ("found", "address", "refused"),
    [
        (node(), "192.168.13.8", False),  # a new card in the same Pi
        (node(), "192.168.13.20", True),  # two machines with one name
        (node("Unknown"), "192.168.13.20", False),  # another Pi in the place of a dead one
        (node("False"), "192.168.13.20", False),
        (node(), "", False),  # nobody wants to join
    ],
)
def test_a_node_that_is_alive_elsewhere_is_not_cleared(found: dict, address: str, refused: bool) -> None:
    told = someone_else(found, address)
    assert bool(told) == refused
    if refused:
        assert "192.168.13.8" in told
        assert "reset.yml" in told


def request(name: str, username: str, common_name: str = "", signer: str = "kube-apiserver-client-kubelet") -> dict:
    """A CertificateSigningRequest object."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name or "x"),
        ]
    )
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject)
    pem = signed.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    text = base64.b64encode(pem.public_bytes(serialization.Encoding.PEM)).decode()
    return {
        "metadata": {"name": name},
        "spec": {"username": username, "signerName": f"kubernetes.io/{signer}", "request": text},
    }


def test_requests_of_a_node_and_of_no_other() -> None:
    items = [
        request("own", "system:node:k8s-node1"),
        request("first", "system:bootstrap:abcdef", "system:node:k8s-node1"),
        request("other", "system:node:k8s-node10"),
        request("longer", "system:bootstrap:abcdef", "system:node:k8s-node10"),
        request("shorter", "system:bootstrap:abcdef", "system:node:k8s-node"),
        request("user", "jane", "system:node:k8s-node1", signer="kube-apiserver-client"),
        {"metadata": {"name": "odd"}, "spec": {"signerName": "kubernetes.io/kubelet-serving", "request": "???"}},
    ]
    assert requests_of(items, ["k8s-node1"]) == ["own", "first"]
    assert requests_of(items, ["k8s-node10", "k8s-node"]) == ["other", "longer", "shorter"]


@pytest.mark.parametrize(
    ("known", "joining", "same"),
    [
        ("4f" * 16, "4f" * 16, True),
        ("4f" * 16, "5a" * 16, False),
        ("", "4f" * 16, False),
        ("4f" * 16, "", False),
        ("", "", False),
    ],
)
def test_a_machine_is_known_by_its_machine_id(known: str, joining: str, same: bool) -> None:
    found = node()
    found["status"]["nodeInfo"] = {"machineID": known}
    assert same_machine(found, machine_id_sha256(joining + "\n")) is same


def volume(name: str, *nodes: str, kind: str = "hostPath", claim: str = "") -> dict:
    """A PersistentVolume that only some nodes have."""
    rule = {"key": "kubernetes.io/hostname", "operator": "In", "values": list(nodes)}
    spec = {kind: {"path": f"/opt/{name}"}}
    if nodes:
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [rule]}]}}
    if claim:
        spec["claimRef"] = {"namespace": "jupyterhub", "name": claim}
    return {"metadata": {"name": name}, "spec": spec}


def test_the_folders_of_volumes_that_one_node_alone_has() -> None:
    volumes = [
        volume("two", "k8s-node1", kind="local"),
        volume("one", "k8s-node1", claim="hub"),
        volume("other", "k8s-node2"),
        volume("shared", "k8s-node1", "k8s-node2"),
        volume("anywhere"),
        {"metadata": {"name": "net"}, "spec": {"nfs": {"path": "/export", "server": "192.168.13.3"}}},
    ]
    assert folders_on(volumes, "k8s-node1") == [Folder("/opt/one", "jupyterhub/hub"), Folder("/opt/two", "two")]
    assert folders_on(volumes, "k8s-node3") == []
