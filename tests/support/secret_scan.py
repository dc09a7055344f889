"""Finds secrets of a Kubernetes cluster in a log.

As a program: python tests/support/secret_scan.py LOG... says where, without repeating the secret, and exits with 1.
As a helper: ``assert not secrets_in(output)``, with the secrets that a test knows as further arguments.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

_PATTERNS = {
    # A digit and a letter in its second half tell a token from words with a dot and from numbers.
    "bootstrap token": re.compile(
        r"(?<![A-Za-z0-9._/-])[a-z0-9]{6}\.(?=[a-z]*[0-9])(?=[0-9]*[a-z])[a-z0-9]{16}(?![A-Za-z0-9_])"
    ),
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    # base64 of "-----BEGIN RSA PRIVATE KEY", "… EC PRIVATE KEY", "… PRIVATE KEY", "… OPENSSH PRIVATE KEY"
    "private key in base64": re.compile(
        r"LS0tLS1CRUdJTi(?:BSU0EgUFJJVkFURSBLRVkt|BFQyBQUklWQVRFIEtFWS0t|BQUklWQVRFIEtFWS0t|BPUEVOU1NIIFBSSVZBVEUgS0VZ)"
    ),
    "certificate key": re.compile(r"certificate-?key[\"']?[:= ]+[\"']?[0-9a-f]{64}", re.IGNORECASE),
    "client key": re.compile(r"client-key-data[\"']?[:= ]+[\"']?[A-Za-z0-9+/]{40,}"),
    "service account token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
}


def secrets_in(text: str, known: Iterable[str] = ()) -> list[str]:
    """Look for secrets.

    :param known: secrets that must not be in the text, whatever they look like; of a whole token, its second half.
    :returns: what was found, and in which line.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        found += [f"line {number}: a {kind}" for kind, pattern in _PATTERNS.items() if pattern.search(line)]
        for secret in known:
            hidden = secret.partition(".")[2] if re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", secret) else secret
            if hidden and hidden in line:
                found.append(f"line {number}: a known secret")
    return found


def main() -> int:
    """Entry point.

    :returns: 1 if a log holds a secret.
    """
    findings = []
    for name in sys.argv[1:]:
        text = Path(name).read_text(encoding="utf-8", errors="replace")
        findings += [f"{name}: {finding}" for finding in secrets_in(text)]
    print("\n".join(findings) or "no secrets found")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
