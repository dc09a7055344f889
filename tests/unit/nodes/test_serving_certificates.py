"""A request for a serving certificate is approved only for a known node's own names and addresses."""

from __future__ import annotations

import base64
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.bramble.kube.plugins.module_utils.nodes.serving_certificates import approval, is_pending, judge

USER = "system:node:k8s-node1"
NODES = {"k8s-node1": ["192.168.13.8"], "k8s-node2": ["192.168.13.9"]}
OWN = (x509.DNSName("k8s-node1"), x509.IPAddress(ipaddress.ip_address("192.168.13.8")))
USAGES = ["digital signature", "server auth"]


def request(names=OWN, user: str = USER, subject: str = USER, organization="system:nodes", **spec) -> dict:
    """A CertificateSigningRequest as a kubelet makes it."""
    attributes = [x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]
    if organization:
        attributes.append(x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, organization))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    text = base64.b64encode(pem.public_bytes(serialization.Encoding.PEM)).decode()
    return {
        "metadata": {"name": "csr-1", "resourceVersion": "1", "uid": "u", "labels": {}},
        "spec": {
            "signerName": "kubernetes.io/kubelet-serving",
            "username": user,
            "groups": ["system:nodes", "system:authenticated"],
            "usages": USAGES,
            "request": text,
            **spec,
        },
        "status": {},
    }


def test_a_nodes_own_request_is_approved() -> None:
    asked = request()
    assert is_pending(asked)
    verdict = judge(asked, NODES)
    assert (verdict.node, verdict.objection) == ("k8s-node1", "")
    made = approval(asked, "2026-06-01T12:00:00Z")
    assert made["spec"] == asked["spec"]
    assert made["status"]["conditions"][0]["type"] == "Approved"


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (request(names=(*OWN, x509.IPAddress(ipaddress.ip_address("192.168.13.9")))), "192.168.13.9"),
        (request(names=(*OWN, x509.DNSName("k8s-master"))), "k8s-master"),
        (request(names=(*OWN, x509.DNSName("*.example.org"))), "example.org"),
        (request(names=(*OWN, x509.UniformResourceIdentifier("spiffe://x"))), "neither"),
        (request(names=(*OWN, x509.RFC822Name("a@example.org"))), "neither"),
        (request(names=()), "no name and no address"),
        (request(user="system:node:k8s-node2"), "not for system:node:k8s-node2"),
        (request(user="system:node:stranger", subject="system:node:stranger"), "not a Pi of the inventory"),
        (request(user="kubernetes-admin"), "which is not a node"),
        (request(groups=["system:authenticated"]), "which is not a node"),
        (request(organization="system:masters"), "not for"),
        (request(organization=""), "not for"),
        (request(usages=["client auth", "server auth"]), "client auth"),
        (request(usages=["digital signature"]), "no server"),
        (request(request="bm8="), "cannot be read"),
    ],
)
def test_everything_else_is_left_with_a_reason(asked: dict, word: str) -> None:
    assert word in judge(asked, NODES).objection


def test_a_forged_signature_is_noticed() -> None:
    asked = request()
    der = x509.load_pem_x509_csr(base64.b64decode(asked["spec"]["request"])).public_bytes(serialization.Encoding.DER)
    forged = der.replace(b"k8s-node1", b"k8s-node2")
    pem = x509.load_der_x509_csr(forged).public_bytes(serialization.Encoding.PEM)
    asked["spec"]["request"] = base64.b64encode(pem).decode()
    assert judge(asked, NODES).objection == "its signature is wrong"


def test_what_is_decided_or_for_another_signer_is_not_pending() -> None:
    decided = request()
    decided["status"] = {"conditions": [{"type": "Denied"}]}
    assert not is_pending(decided)
    assert not is_pending(request(signerName="kubernetes.io/kube-apiserver-client"))
