"""Which certificates are renewed, and which programs are started anew."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone

import pytest
from certificates import self_signed
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import certificates as renewal
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import encryption
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import CertificateError, validity

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)


def in_days(**days: int) -> dict[str, datetime]:
    """All certificates with a year left, but for those named (by the last part of the name)."""
    ends = dict.fromkeys((*renewal.RENEWED, *renewal.AUTHORITIES), NOW + timedelta(days=364))
    for key, number in days.items():
        name = next(name for name in ends if key in name.replace("-", "_"))
        ends[name] = NOW + timedelta(days=number)
    return ends


def test_nothing_is_renewed_too_early() -> None:
    assert renewal.plan(in_days(), NOW, 90) == renewal.Plan(())


@pytest.mark.parametrize("days", [89, 0, -300])
def test_one_that_ends_is_enough(days: int) -> None:
    assert renewal.plan(in_days(apiserver_kubelet=days), NOW, 90).ending == ("pki/apiserver-kubelet-client.crt",)


def test_a_dead_ca_renews_nothing() -> None:
    ends = in_days(apiserver_kubelet=-1)
    ends["pki/etcd/ca.crt"] = NOW - timedelta(days=1)
    assert renewal.plan(ends, NOW, 90).dead_authority == "pki/etcd/ca.crt"


def test_only_programs_that_are_older_than_their_certificates_start_anew() -> None:
    started = {"etcd": 100.0, "kube-apiserver": 300.0, "kube-scheduler": 100.0}
    written = {"pki/etcd/server.crt": 200.0, "pki/apiserver.crt": 200.0, "scheduler.conf": 50.0}
    assert renewal.outdated(started, written) == ["etcd"]


def test_the_start_of_a_process_whose_name_has_spaces() -> None:
    fields = ["S"] + ["0"] * 18 + ["4200"] + ["0"] * 5
    assert renewal.start_time(f"7 (a b) c) {' '.join(fields)}", uptime=100.0, now=1000.0, ticks=100) == 942.0


@pytest.mark.parametrize("year", [2031, 2071])
def test_times_of_a_certificate_as_the_library_reads_them(year: int) -> None:
    """Until 2049 times are written in one way, later in another."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(NOW)
        .not_valid_after(datetime(year, 2, 3, 4, 5, 6, tzinfo=timezone.utc))
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    assert validity(pem) == (made.not_valid_before_utc, made.not_valid_after_utc)


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_said(text: str) -> None:
    with pytest.raises(CertificateError):
        validity(text)


def test_a_time_of_another_form_than_certificates_have_is_refused() -> None:
    text = self_signed("x", ec.generate_private_key(ec.SECP256R1()))
    der = x509.load_pem_x509_certificate(text.encode()).public_bytes(serialization.Encoding.DER)
    other = base64.b64encode(der.replace(b"\x17\x0d", b"\x16\x0d")).decode()  # IA5String for UTCTime
    with pytest.raises(CertificateError, match="not those of an"):
        validity(f"-----BEGIN CERTIFICATE-----\n{other}\n-----END CERTIFICATE-----\n")


def test_secrets_are_encrypted_first_and_old_ones_still_read() -> None:
    document = json.loads(encryption.configuration(bytes(range(32))))
    (resource,) = document["resources"]
    assert resource["resources"] == ["secrets"]
    assert [next(iter(provider)) for provider in resource["providers"]] == ["secretbox", "identity"]
