"""The scan of logs for secrets finds them, and only them."""

from __future__ import annotations

import secrets
import string
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

from planted_secrets import MADE_UP, PLANTED, TOKEN, in_base64
from secret_scan import secrets_in

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import redact

KEYS = ("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ")


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
        *((f"x {in_base64(f'-----BEGIN {kind}PRIVATE KEY-----')}", "private key in base64") for kind in KEYS),
    ],
)
def test_secrets_are_found_without_repeating_them(line, kind):
    assert f"line 2: a {kind}" in secrets_in(f"fine\n{line}\n")


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
        'c.ConfigurableHTTPProxy.auth_token = secret("proxy-token")',
        r"cookie_secret = hashlib.sha256(secret(\"cookie-secret\").encode()).digest()\n",
        '"password": "********", "token": null, "psk": ""',
        "'base_wifi_password': 'VALUE_SPECIFIED_IN_NO_LOG_PARAMETER'",
        "password: {{ wifi_password }}",
        "the vault password is asked for; no password: the key",
        "--vault-password-file vault.pass",
        "https://registry.example:5000/v2/ and pi@k8s-master:22",
        "a Basic understanding; Bearer of news",
        "serviceAccountName: default, automountServiceAccountToken: false",
        '"kind": "Secret", "data": {"key": "********"}',
        "kind: Secret\nmetadata:\n  name: planted",
        '{"kind": "Secret", "metadata": {"name": "planted"}}',
        "secretName: hub, secretKeyRef: {name: hub, key: token}",
        "ghcr.io/kubeflow/model-registry/server@sha256:" + "0a" * 32,
        "-----BEGIN CERTIFICATE-----",
    ],
)
def test_what_only_looks_alike_is_not(line):
    assert secrets_in(line) == []


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_secret_of_each_kind_is_found_and_not_repeated(kind):
    found = secrets_in(f"fine\n{PLANTED[kind]}\nfine")
    assert found and all(finding.startswith("line 2: a ") for finding in found)
    assert MADE_UP not in "".join(found)


def test_nothing_planted_is_left_after_redaction():
    """What is said by the collection itself goes through redact(); a whole Secret goes through mask()."""
    left = [kind for kind, text in PLANTED.items() if "data of a Secret" not in kind and secrets_in(redact(text))]
    assert left == []


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
