# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes the secrets of a Kubernetes cluster out of text that is going to be shown."""

from __future__ import annotations

import re

#: A whole bootstrap token, id and secret (k8s.io/cluster-bootstrap/token/api, BootstrapTokenPattern).
TOKEN = re.compile(r"(?<![a-z0-9])([a-z0-9]{6})\.([a-z0-9]{16})(?![a-z0-9])")

_PATTERNS = (
    (TOKEN, r"\1.****************"),
    (re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL), r"(\1 withheld)"),
    (
        re.compile(
            r"((?:client-key-data|token-secret|certificate-?key)\"?[:=\s]+\"?)[A-Za-z0-9+/=._-]{8,}",
            re.IGNORECASE,
        ),
        r"\1(withheld)",
    ),
)


def redact(text: str) -> str:
    """Return the text without bootstrap token secrets, private keys and certificate keys; token ids stay."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
