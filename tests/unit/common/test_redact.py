"""What is taken out of shown text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import redact

TOKEN = "abcdef.sixteencharacte0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"token {TOKEN} expired", "token abcdef.**************** expired"),
        (f"--token={TOKEN}", "--token=abcdef.****************"),
        ("client-key-data: LS0tLS1CRUdJTg==", "client-key-data: (withheld)"),
        ('"client-key-data": "LS0tLS1CRUdJTg=="', '"client-key-data": "(withheld)"'),
        ("--certificate-key " + "ab" * 32, "--certificate-key (withheld)"),
        ("certificateKey: " + "ab" * 32, "certificateKey: (withheld)"),
        ("token-secret: c2l4dGVlbg==", "token-secret: (withheld)"),
        (
            "a -----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY----- b",
            "a (RSA PRIVATE KEY withheld) b",
        ),
        ("-----BEGIN EC PRIVATE KEY-----\nAAAA", "(EC PRIVATE KEY withheld)"),
    ],
)
def test_secrets_are_taken_out(text, shown):
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "dial tcp 192.168.13.7:6443: connect: connection refused",
        "abcdefg.sixteencharacte0",
        "abcdef.sixteencharacte01",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "sha256:" + "0123456789abcdef" * 4,
    ],
)
def test_other_text_stays(text):
    assert redact(text) == text


@given(st.text(), st.from_regex(r"[a-z0-9]{6}\.[a-z0-9]{16}", fullmatch=True), st.text())
def test_no_token_comes_through_anywhere(before, token, after):
    assert token.partition(".")[2] not in redact(f"{before} {token}\n{after}").replace(before, "").replace(after, "")
