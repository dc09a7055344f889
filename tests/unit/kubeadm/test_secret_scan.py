"""The scan of logs for secrets finds them, and only them."""

from __future__ import annotations

import base64
import secrets
import string
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

from secret_scan import secrets_in

TOKEN = "abcdef.s1xteencharacte0"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"kubeadm join 192.168.13.7:6443 --token {TOKEN}", "bootstrap token"),
        (f'(0, b\'{{"token": "{TOKEN}"}}\', b"")', "bootstrap token"),
        (f"--token={TOKEN}.", "bootstrap token"),
        ("-----BEGIN RSA PRIVATE KEY-----", "private key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        ("--certificate-key " + "0a" * 32, "certificate key"),
        ("certificateKey: " + "0a" * 32, "certificate key"),
        ("    client-key-data: " + "QUJD" * 20, "client key"),
        ("Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.c2lnbmF0dXJl", "service account token"),
        *(
            (
                "x " + base64.b64encode(f"-----BEGIN {kind}PRIVATE KEY-----\nAAAA".encode()).decode(),
                "private key in base64",
            )
            for kind in ("", "RSA ", "EC ", "OPENSSH ")
        ),
    ],
)
def test_secrets_are_found_without_repeating_them(line, kind):
    assert secrets_in(f"fine\n{line}\n") == [f"line 2: a {kind}"]


@pytest.mark.parametrize(
    "line",
    [
        "abcdef.****************",
        "bootstrap token abcdef",
        "kernel.unprivilegedusern",
        "ansible-tmp-1732416000.1234567890123456-2211-9",
        "123456.1234567890123456",
        "/usr/lib/module.a123456789012345/x",
        "sha256:" + "0123456789abcdef" * 4,
        "ansible_collections.bramble.kube.plugins",
        "client-key-data: (withheld)",
        "-----BEGIN CERTIFICATE-----",
    ],
)
def test_what_only_looks_alike_is_not(line):
    assert secrets_in(line) == []


def test_known_secrets_are_found_whatever_they_look_like():
    assert secrets_in("only halfofatokenabcd", known=["abcdef.halfofatokenabcd"]) == ["line 1: a known secret"]
    assert secrets_in("my wifi password", known=["wifi password", ""]) == ["line 1: a known secret"]


def test_nearly_every_random_token_is_found_by_its_looks():
    letters = string.ascii_lowercase + string.digits
    tokens = [
        "".join(secrets.choice(letters) for _ in range(6)) + "." + "".join(secrets.choice(letters) for _ in range(16))
        for _ in range(2000)
    ]
    missed = [token for token in tokens if not secrets_in(f"token: {token}")]
    assert len(missed) < 40, "one in two hundred has no digit and is told by the known secrets alone"
