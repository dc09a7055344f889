# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret of each kind, as it would stand in a log, to be planted where none may come out."""

from __future__ import annotations

import base64
import gzip

TOKEN = "abcdef.s1xteencharacte0"
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
#: The secrets themselves, which must not be found whatever stands around them.
VALUES = (MADE_UP, TOKEN, "0123456789abcdef", "QUJD" * 20, "0a" * 32, "a1B2c3D4" * 8, "a1B2" * 9, "hunter2")
