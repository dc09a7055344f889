"""CA hashes against the cryptography library's reading of the same certificates."""

from __future__ import annotations

import base64
import contextlib
import hashlib

import pytest
from certificates import self_signed
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import (
    CertificateError,
    ca_cert_hashes,
    common_name,
)

KEYS = {
    "RSA 2048": lambda: rsa.generate_private_key(65537, 2048),
    "ECDSA P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


def certificate(key, name="kubernetes") -> str:
    return self_signed(name, key)


def pin(key) -> str:
    info = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256:" + hashlib.sha256(info).hexdigest()


@pytest.mark.parametrize("kind", KEYS)
def test_hash_is_that_of_the_public_key(kind):
    key = KEYS[kind]()
    assert ca_cert_hashes(certificate(key)) == [pin(key)]


@pytest.mark.parametrize("kind", KEYS)
def test_the_name_in_a_certificate(kind):
    pem = certificate(KEYS[kind](), "system:node:k8s-node1")
    assert common_name(pem + certificate(KEYS[kind](), "other")) == "system:node:k8s-node1"


def test_no_name_in_what_is_no_certificate():
    with pytest.raises(CertificateError, match="no certificate"):
        common_name("")
    pem = certificate(KEYS["ECDSA P-256"]()).splitlines()
    with pytest.raises(CertificateError, match="damaged"):
        common_name("\n".join([*pem[:2], *pem[-1:]]))


def test_a_bundle_gives_each_key_once_in_its_order():
    old, new = KEYS["RSA 2048"](), KEYS["ECDSA P-256"]()
    bundle = (
        "# old\n"
        + certificate(old)
        + "\n# new\n"
        + certificate(new).replace("\n", "\r\n")
        + certificate(old, "renewed")
    )
    assert ca_cert_hashes(bundle) == [pin(old), pin(new)]


def test_a_version_1_certificate_has_no_version_element():
    def element(tag, content):
        return bytes([tag, len(content)]) + content

    info = element(0x30, element(0x30, b"") + element(0x03, b"\0key"))
    parts = element(0x02, b"\1") + element(0x30, b"") * 4 + info
    der = element(0x30, element(0x30, parts))
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----\n"
    assert ca_cert_hashes(pem) == ["sha256:" + hashlib.sha256(info).hexdigest()]


@pytest.mark.parametrize(
    ("pem", "sentence"),
    [
        ("", "no certificate"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no certificate"),
        ("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----", "not base64"),
        ("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----", "ends too early"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "not those of an X.509"),
    ],
)
def test_what_is_no_certificate_is_named(pem, sentence):
    with pytest.raises(CertificateError, match=sentence):
        ca_cert_hashes(pem)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_hash_or_one_sentence(der):
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----\n"
    with contextlib.suppress(CertificateError):
        assert ca_cert_hashes(pem)[0].startswith("sha256:")
