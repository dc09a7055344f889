"""Finds secrets of a cluster, its Pis and its people in a log.

As a program: python tests/support/secret_scan.py LOG... says where, without repeating the secret, and exits with 1.
As a helper: ``assert not secrets_in(output)``, with the secrets that a test knows as further arguments.
"""

from __future__ import annotations

import base64
import gzip
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

#: What stands where a secret was taken out, or where there is none.
_NONE = (
    r"(?:\*{3,}|\(withheld\)|VALUE_SPECIFIED_IN_NO_LOG_PARAMETER|null\b|none\b|true\b|false\b|omit\b|undefined\b|"
    r"[a-z_][a-z0-9_.]*\(\\*[\"'a-z]|"  # a call in code, such as secret("proxy-token")
    r"\{\{|\$[{(A-Z]|<[a-z]|%\(|!vault|\[\]|\{\}|(?:the|an?|is|are|was|not|no|of|for|in|must|may|and|or|to)\b)"
)
#: In front of a value: the end of its key in YAML, JSON (also inside other quotes), INI files and command lines.
_IS = r"\\*[\"']?\s*[:=]\s*\\*[\"']?"
_VALUE = rf"(?!{_NONE})[^\s\"'\\,;)}}\]]{{4,}}"


def _named(keys: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{keys}){_IS}{_VALUE}", re.IGNORECASE)


_PATTERNS = {
    # A digit and a letter in its second half tell a token from words with a dot and from numbers.
    "bootstrap token": re.compile(
        r"(?<![A-Za-z0-9._/-])[a-z0-9]{6}\.(?=[a-z]*[0-9])(?=[0-9]*[a-z])[a-z0-9]{16}(?![A-Za-z0-9_])"
    ),
    "bootstrap token's secret": re.compile(rf"token-secret{_IS}(?!{_NONE})[A-Za-z0-9+/=]{{16,}}"),
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "private key of PGP": re.compile(r"-----BEGIN PGP PRIVATE KEY BLOCK-----"),
    # PKCS#8, PKCS#1 and SEC 1 in base64 without their first line: a sequence, version 0 or 1, an algorithm or number.
    "private key without its first line": re.compile(
        r"(?<![A-Za-z0-9+/])(?:MII[A-Za-z0-9+/]{2}[QAI]IBADANBgkqhkiG9w0BAQ|MC4CAQAwBQYDK2Vw|MI[GH][A-Za-z0-9+/]AgEAMBMGByqGSM49|"
        r"MII[A-Za-z0-9+/]{2}[QAI]IBAAKC|MH[cg]CAQEEI)"
    ),
    "key of age": re.compile(r"AGE-SECRET-KEY-1[A-Z0-9]{20,}"),
    "certificate key": re.compile(r"certificate[- ]?key\\*[\"']?[:= ]+\\*[\"']?\s*[0-9a-f]{64}", re.IGNORECASE),
    "client key": re.compile(r"client-key-data\\*[\"']?[:= ]+\\*[\"']?[A-Za-z0-9+/]{40,}"),
    "service account token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "key that encrypts etcd": re.compile(rf"(?<![a-z])secret{_IS}(?:[A-Za-z0-9+/]{{43}}=|[A-Za-z0-9+/]{{22}}==)"),
    "Bearer header": re.compile(rf"\bBearer\s+(?!{_NONE})(?=\S*\d)[A-Za-z0-9+/=._~-]{{8,}}"),
    "Basic header": re.compile(rf"\bBasic\s+(?!{_NONE})(?=\S*[0-9=]|\S+[A-Z])[A-Za-z0-9+/]{{7,}}={{0,2}}(?![A-Za-z])"),
    "login in an address": re.compile(rf"\w://[^\s/@:\"']*:(?!{_NONE})[^\s/@\"']{{3,}}@"),
    "registry's login": re.compile(r"\\*\"auth\\*\"\s*:\s*\\*\"[A-Za-z0-9+/]{7,}={0,2}\\*\""),
    "registry's token": _named("identity-?token|registry-?token"),
    "Wi-Fi password": _named(r"(?:wpa-?)?psk|wep-key\d?|base_wifi_password"),
    "password": _named(r"[a-z0-9_.-]*pass(?:word|wd|phrase)"),
    "password of a command": re.compile(rf"--password[ =]\\*[\"']?(?!{_NONE}){_VALUE}"),
    "password's hash": re.compile(r"\$(?:1|2[abxy]|5|6|7|y|gy|apr1|argon2id?)\$[A-Za-z0-9./$,=+]{16,}"),
    "token of an OAuth 2 login": _named("id[_-]token|refresh[_-]token|access[_-]token|client[_-]secret"),
    "API token": _named(r"[a-z0-9_.-]*(?:api|auth)[_-]?(?:token|key)"),
    "cookie": re.compile(
        rf"(?:cookie[_-]secret{_IS}{_VALUE}|Set-Cookie: [^;\s]+=(?!{_NONE})[^;\s]{{16,}})", re.IGNORECASE
    ),
    "key of an object store": re.compile(
        rf"(?<![A-Z0-9])A(?:KIA|SIA)[A-Z0-9]{{16}}(?![A-Z0-9])|(?:secret[_-]?access|secret)[_-]?key{_IS}{_VALUE}",
        re.IGNORECASE,
    ),
    "token of GitHub, GitLab or Slack": re.compile(
        r"\b(?:gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,})"
    ),
    "webhook": re.compile(
        r"https://hooks\.slack\.com/(?:services|workflows)/[A-Z0-9]{6}|/api/webhooks/\d{6,}/[\w-]{20}"
    ),
}
#: The values of a Secret as an object: kind and data in one place, in YAML or in JSON.
_KIND = re.compile(r"kind\\*[\"']?\s*:\s*\\*[\"']?Secret\b")
_DATA = re.compile(
    rf"(?<![A-Za-z])(?:data|stringData|stringdata)\\*[\"']?\s*:\s*(?:\{{\s*|\\n\s+|\n\s+)\\*[\"']?[\w.-]+{_IS}(?!{_NONE})[^\s\"'\\,}}]{{3,}}"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_DEPTH = 3


def _kinds(text: str, depth: int = _DEPTH) -> Iterator[str]:
    """What kinds of secrets a piece of text holds, also behind base64, gzip and percent signs."""
    for kind, pattern in _PATTERNS.items():
        if pattern.search(text):
            yield kind
    if depth:
        for match in _BASE64.finditer(text):
            for inner in _unpacked(match.group()):
                for kind in _kinds(inner, depth - 1):
                    yield kind if kind.endswith(" in base64") else f"{kind} in base64"
        if re.search(r"%[0-9A-Fa-f]{2}", text):
            yield from _kinds(unquote(text), 0)


def _unpacked(word: str) -> Iterator[str]:
    """The text behind a run of base64; it may begin in the middle of a longer one."""
    word = word.rstrip("=").replace("-", "+").replace("_", "/")
    for start in range(4):
        piece = word[start:]
        piece = piece[: len(piece) - (len(piece) % 4 == 1)]
        try:
            data = base64.b64decode(piece + "=" * (-len(piece) % 4))
        except ValueError:
            continue
        if data[:2] == b"\x1f\x8b":
            try:
                data = gzip.decompress(data)
            except (OSError, EOFError, zlib.error):
                continue
        if data and sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in data) >= 0.95 * len(data):
            yield data.decode("latin-1")
            return


def _around(text: str, place: int, most: int = 4000) -> str:
    """The object that this place is in: between its braces in JSON, its document in YAML."""
    depth = 0
    for start in range(place, max(0, place - most) - 1, -1):
        depth += {"}": 1, "{": -1}.get(text[start : start + 1], 0)
        if depth < 0:
            break
    else:
        before, after = text[max(0, place - most) : place], text[place : place + most]
        return before.rpartition("\n---")[2] + after.partition("\n---")[0]
    depth = 0
    for end in range(start, min(len(text), place + most)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if not depth:
            return text[start : end + 1]
    return text[start : place + most]


def secrets_in(text: str, known: Iterable[str] = ()) -> list[str]:
    """Look for secrets.

    :param known: secrets that must not be in the text, whatever they look like; of a whole token, its second half.
    :returns: what was found, and in which line.
    """
    hidden = [
        secret.partition(".")[2] if re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", secret) else secret for secret in known
    ]
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        found += [f"line {number}: a {kind}" for kind in dict.fromkeys(_kinds(line))]
        found += [f"line {number}: a known secret" for secret in hidden if secret and secret in line]
    for match in _KIND.finditer(text):
        if _DATA.search(_around(text, match.start())):
            found.append(f"line {text.count(chr(10), 0, match.start()) + 1}: a Secret's data")
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
