"""The scan of logs for secrets finds them, and only them."""

from __future__ import annotations

import base64
import gzip
import secrets
import string
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

from secret_scan import secrets_in

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import redact

TOKEN = "abcdef.s1xteencharacte0"
KEYS = ("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ")
MADE_UP = "c0rrectHorse8attery"


def in_base64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


KUBECONFIG = (
    f"apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    token: x\n    client-key-data: {'QUJD' * 20}\n"
)
#: One of each kind, as it would stand in a log.
PLANTED = {
    "bootstrap token": f"--token {TOKEN}",
    "bootstrap token's secret": f"token-secret: {in_base64('0123456789abcdef')}",
    "bootstrap token in base64": f"data: {in_base64('token: ' + TOKEN)}",
    "kubeconfig in base64": f"config: {in_base64(KUBECONFIG)}",
    "kubeconfig, twice in base64": f"config: {in_base64(in_base64(KUBECONFIG))}",
    "kubeconfig, packed": f"x {in_base64(gzip.compress(KUBECONFIG.encode()))}",
    "private key": "-----BEGIN EC PRIVATE KEY-----",
    "private key without its first line": "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ",
    "private key of PGP": "-----BEGIN PGP PRIVATE KEY BLOCK-----",
    "key of age": "AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0" * 3,
    "certificate key": "Using certificate key: " + "0a" * 32,
    "client key": "client-key-data: " + "QUJD" * 20,
    "service account token": "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.c2lnbmF0dXJl",
    "key that encrypts etcd": f"secret: {in_base64(bytes(range(32)))}",
    "Bearer header": "Authorization: Bearer 5ecr3t-5ecr3t",
    "Basic header": f"Authorization: Basic {in_base64('ada:' + MADE_UP)}",
    "login in an address": f"https://ada:{MADE_UP}@registry.example/v2/",
    "registry's login": f'{{"auths": {{"r.example": {{"auth": "{in_base64("ada:" + MADE_UP)}"}}}}}}',
    "registry's token": f'"identitytoken": "{MADE_UP}"',
    "Wi-Fi, wpa_supplicant": f'psk="{MADE_UP}"',
    "Wi-Fi, NetworkManager": f"psk={MADE_UP}",
    "Wi-Fi, netplan": f"password: {MADE_UP}",
    "Wi-Fi, inventory": f"'base_wifi_password': '{MADE_UP}'",
    "password": f"smtp_password: {MADE_UP}",
    "password in a module's arguments": f'"invocation": {{"module_args": {{"passphrase": "{MADE_UP}"}}}}',
    "password in quotes in quotes": f'"{{\\"password\\": \\"{MADE_UP}\\"}}"',
    "password in an address' query": f"https://hub.example/login?password%3D{MADE_UP}",
    "password of a command": f"htpasswd --password {MADE_UP}",
    "password's hash": "pi:$6$saltsalt$" + "a1B2c3D4" * 8,
    "token of an OAuth 2 login": f'"refresh_token":"{MADE_UP}"',
    "API token": f"JUPYTERHUB_API_TOKEN={MADE_UP}",
    "cookie": "Set-Cookie: _xsrf=2|1234abcd|0123456789abcdef; Path=/",
    "cookie's key": f"cookie_secret: {'0a' * 32}",
    "key of an object store": f"aws_secret_access_key = {MADE_UP}",
    "name of such a key": "AKIA" + "Q7" * 8,
    "token of GitHub": "ghp_" + "a1B2" * 9,
    "webhook": "https://hooks.slack.com/services/T0123456/B0123456/abcdefgh",
    "data of a Secret": "kind: Secret\nmetadata: {name: a}\ndata:\n  key: aHVudGVyMg==",
    "data of a Secret in JSON": '{"kind": "Secret", "stringData": {"key": "hunter2"}}',
    "data of a Secret by a slip": '{"stringdata": {"key": "hunter2"}, "kind": "Secret"}',
}


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
        "kind: Secret\nmetadata:\n  name: a",
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
