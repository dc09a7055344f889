"""What is taken out of shown text."""

from __future__ import annotations

import base64
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign, foreign_values, redact
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError

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
        "spec.password: Required value",
        "spec.apiKey: Forbidden: may not be set here",
        'secret "db-password" not found',
        'MountVolume.SetUp failed for volume "pw" : references non-existent secret key: db-password',
        'secrets "api-key": not found',
        "Secret db-password: not found",
        "secret/db-password: the object has been modified; please apply your changes to the latest version",
        "Secret shop/db-password: 404 not found",
        "Secret shop/my-api-token: conflicts with manager kubectl",
        "data.password: Too long: may not be more than 63 bytes",
        "password: must be at least 16 characters",
        "invalid password: too short",
        "Access denied for user root (using password: YES)",
        "FATAL: password authentication failed for user ada",
        "Deployment shop/api-key: 0 of 1 Pods ready",
        "unauthorized: Basic authentication is required",
        "invalid bearer credentials",
        "Pod web-7f77856f84-2dpsk: CrashLoopBackOff: container main was killed",
    ],
)
def test_other_text_stays(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            'spec.password: Invalid value: "c0rrect horse": too long',
            "spec.password: Invalid value: (withheld): too long",
        ),
        ('spec.password[0]: Unsupported value: "c0rrect"', "spec.password[0]: Unsupported value: (withheld)"),
        ('spec.password: Duplicate value: "c0rr\\"ect"', "spec.password: Duplicate value: (withheld)"),
        ("spec.apiKey: Invalid value: c0rrect", "spec.apiKey: Invalid value: (withheld)"),
        ("password: not", "password: (withheld)"),
        ("password: the quick brown fox", "password: (withheld) quick brown fox"),
        ("password=YES", "password=(withheld)"),
        ("password: hunter2 not found", "password: (withheld) not found"),
        ("Secret db-password: hunter2", "Secret db-password: (withheld)"),
    ],
)
def test_what_an_api_server_quotes_of_a_secret_field_is_taken_out(text, shown):
    assert redact(text) == shown


@given(st.text(), st.from_regex(r"[a-z0-9]{6}\.[a-z0-9]{16}", fullmatch=True), st.text())
def test_no_token_comes_through_anywhere(before, token, after):
    assert token.partition(".")[2] not in redact(f"{before} {token}\n{after}").replace(before, "").replace(after, "")


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer {}",
        "Authorization: Basic {}",
        "Authorization: Bearer credentials-{}",
        "password: {}",
        "'password': '{}'",
        '\\"password\\": \\"{}\\"',
        "psk={}",
        "wpa-psk: {}",
        '{{"auths": {{"r.example": {{"auth": "{}"}}}}}}',
        '"identitytoken":"{}"',
        "https://ada:{}@r.example/v2/",
        "aws_secret_access_key = {}",
        "--password {}",
        "--token:{}",
    ],
)
def test_what_is_a_secret_by_its_place_is_taken_out(text):
    secret = "c0rrectHorseBattery"
    assert secret not in redact(text.format(secret))
    assert secret not in redact(in_base64(f"apiVersion: v1\n{text.format(secret)}\n"))
    assert in_base64(text.format(secret)) not in redact(f"x {in_base64(text.format(secret))} y")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred\x07", r"a\x1b[31mred\x07"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2066a\u2069", r"\u2066a\u2069"),
        ("one\r\ntwo", "one two"),
        ("one\rtwo", r"one\x0dtwo"),
        ("\x9b2J", r"\x9b2J"),
        ("half \ud800", r"half \ud800"),
        ("tag \U000e0041", r"tag \U000e0041"),
        ("Grüße, 東京, שלום, 🍓", "Grüße, 東京, שלום, 🍓"),
    ],
)
def test_what_acts_on_a_terminal_is_shown_escaped(text, shown):
    assert foreign(text) == shown
    assert str(BrambleError(text)) == foreign(text, lines=True)


@given(st.text(st.characters()), st.integers(20, 300))
def test_any_text_is_harmless_and_bounded(text, limit):
    shown = foreign(text, limit)
    assert len(shown) <= limit
    assert not [c for c in shown if c != "\t" and unicodedata.category(c) in ("Cc", "Cs")]
    assert not [c for c in shown if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI")]
    assert foreign(shown, limit) == shown


def test_the_middle_of_a_long_text_is_left_out_so_that_advice_at_its_end_stays():
    shown = str(BrambleError("begin " + "x" * 10_000_000))
    assert len(shown) <= 600 and shown.startswith("begin x")
    assert str(BrambleError("begin " + "x" * 2000 + " end")).endswith("x end")


def test_plain_data_is_cleaned_at_every_depth():
    assert foreign_values({"a\x1b": ["\x1b", {"b": "\u202e"}], "n": 1}) == {
        r"a\x1b": [r"\x1b", {"b": r"\u202e"}],
        "n": 1,
    }


def test_what_an_api_server_says_is_cleaned():
    error = ApiError(422, {"message": "no\x1b[2J", "details": {"causes": [{"message": "\x07"}, "odd"]}})
    assert str(error) == error.message == r"no\x1b[2J"
    assert error.causes == [{"message": r"\x07"}]
    assert ApiError(500, {"message": ["odd"], "details": []}).causes == []
