# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Makes text of Pods, servers and files fit to be shown: control characters escaped, secrets out, length bounded."""

from __future__ import annotations

import base64
import functools
import re
import zlib
from collections.abc import Mapping
from typing import Any

from .late import late

#: A whole bootstrap token, id and secret (k8s.io/cluster-bootstrap/token/api, BootstrapTokenPattern).
TOKEN = late(r"(?<![a-z0-9])([a-z0-9]{6})\.([a-z0-9]{16})(?![a-z0-9])")
WITHHELD = "(withheld)"
#: A token, whole or in part, and what may be one.
_NEARLY_TOKEN = late(r"[A-Za-z0-9]{4,}[.:,;][A-Za-z0-9]{8,}|(?=[A-Za-z]*[0-9])[A-Za-z0-9]{16,}")

#: Keys whose value is a secret wherever they stand, as they are written in YAML, JSON, INI files and command lines.
_SECRET_KEYS = (
    r"client-key-data|token-secret|certificate[- ]?key|id-?token|identity-?token|registry-?token|refresh[_-]?token|"
    r"access[_-]?token|auth[_-]?token|api[_-]?token|api[_-]?key|cookie[_-]?secret|client[_-]?secret|"
    r"secret[_-]?access[_-]?key|secret[_-]?key|pass(?:word|wd|phrase)|"
    # Not the end of a Pod's name, which is made at random
    r"(?<![a-z0-9])psk|wep-key\d?"
)
#: What is said of a key or of an object with such a name, and is no value: apimachinery (field/errors.go,
#: api/errors/errors.go), the kubelet, registries and databases. Two words at least, since one word may be a password.
_SAID = (
    r"Required value\b|Forbidden: |(?:Invalid|Unsupported|Duplicate) value: |Too (?:long|short|many)\b|"
    r"(?:\d{3} )?(?:not found|already exists|timed out)\b|not (?:ready|set|allowed|supported)\b|"
    r"(?:must|may|can|could|should) ?not\b|must (?:be|have|contain|match)\b|"
    r"is (?:not|too|required|forbidden|invalid|missing|being)\b|is \d+; |"
    r"the (?:object|server|namespace|request) |(?:authentication|authorization) failed\b|"
    r"(?:access|permission) denied\b|(?:connection|request) refused\b|"
    r"no such \w+|conflicts? with\b|failed to\b|\d+ of \d+ |(?:YES|NO)\)"
)


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What is withheld, and what stands in its place; made at the first text, which most programs never have."""
    return (
        (TOKEN, r"\1.****************"),
        (
            re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY(?: BLOCK)?)-----.*?(?:-----END \1-----|\Z)", re.DOTALL),
            r"(\1 withheld)",
        ),
        # {"auth": "dXNlcjpwYXNz"} of docker's config.json; the word alone is too common.
        (re.compile(r"(\"auth\"\s*:\s*\")[A-Za-z0-9+/=]+"), rf"\1{WITHHELD}"),
        (
            re.compile(
                r"\b((?:Bearer|Basic)\s+)(?!(?:authentication|authorization|credentials)(?![\w+/=.~-]))[A-Za-z0-9+/=._~-]{8,}",
                re.IGNORECASE,
            ),
            rf"\1{WITHHELD}",
        ),
        # --password VALUE; "password": "VALUE", also inside other quotes; password: VALUE and password=VALUE.
        (
            re.compile(rf"(--(?:{_SECRET_KEYS}|token)[ =:]+)(?![a-z0-9]{{6}}\.\*)[^\s'\"(*]{{6,}}", re.IGNORECASE),
            rf"\1{WITHHELD}",
        ),
        (
            re.compile(rf"((?:{_SECRET_KEYS})\\?[\"']?\s*[:=]\s*)(\\?[\"'])(?:(?!\2)[^\n])+", re.IGNORECASE),
            rf"\1\2{WITHHELD}",
        ),
        (
            re.compile(
                rf"((?:{_SECRET_KEYS})\S{{0,40}}: (?:Invalid|Unsupported|Duplicate) value: )"
                r"(?:\\?\"(?:[^\"\\\n]|\\.)*\"?|[^\n:]+)",
                re.IGNORECASE,
            ),
            rf"\1{WITHHELD}",
        ),
        (
            re.compile(
                rf"((?:{_SECRET_KEYS})\\?[\"']?\s?[:=]\s*)(?!\\?[\"'(*{{\[]|null\b|None\b|{_SAID})[^\s,;}}\]]+",
                re.IGNORECASE,
            ),
            rf"\1{WITHHELD}",
        ),
        (re.compile(r"(Set-Cookie: [^;\s=]+=)[^;\s]+", re.IGNORECASE), rf"\1{WITHHELD}"),
        (re.compile(rf"((?:{_SECRET_KEYS})%3D)[^\s&\"']+", re.IGNORECASE), rf"\1{WITHHELD}"),
        (re.compile(r"((?<![a-z])secret\\?[\"']?\s*[:=]\s*\\?[\"']?)[A-Za-z0-9+/]{22,43}={1,2}"), rf"\1{WITHHELD}"),
        # A user's password in an address.
        (re.compile(r"(\w://[^\s/@:]*:)[^\s/@]+(?=@)"), rf"\1{WITHHELD}"),
        # What is known by its form: JSON web tokens, crypt(3) hashes, keys of age, GitHub, GitLab, Slack and AWS.
        (re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)?"), WITHHELD),
        (re.compile(r"\$(?:1|2[abxy]|5|6|7|y|gy|apr1|argon2id?)\$[A-Za-z0-9./$,=+]{16,}"), WITHHELD),
        # Private keys without their first line: PKCS#8, PKCS#1 and SEC 1 in base64.
        (
            re.compile(
                r"(?<![A-Za-z0-9+/])(?:MII[A-Za-z0-9+/]{2}[QAI]IBA(?:DANBgkqhkiG9w0BAQ|AKC)|MC4CAQAwBQYDK2Vw|"
                r"MI[GH][A-Za-z0-9+/]AgEAMBMGByqGSM49|MH[cg]CAQEEI)[A-Za-z0-9+/=\s]*"
            ),
            WITHHELD,
        ),
        (re.compile(r"AGE-SECRET-KEY-1[A-Z0-9]{20,}"), WITHHELD),
        (
            re.compile(r"\b(?:gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,})"),
            WITHHELD,
        ),
        (re.compile(r"(?<![A-Z0-9])A(?:KIA|SIA)[A-Z0-9]{16}(?![A-Z0-9])"), WITHHELD),
        (re.compile(r"(hooks\.slack\.com/(?:services|workflows)/)[\w/]+"), rf"\1{WITHHELD}"),
    )


_BASE64 = late(r"[A-Za-z0-9+/_-]{24,}={0,2}")
#: Of longer text only the beginning is looked at; what comes after is cut off in any case.
_MOST = 65536

#: What acts on a terminal, or is not what it looks like: control characters, bidirectional and other invisible
#: marks (Unicode's Bidi_Control and Default_Ignorable_Code_Point), line separators, halves of surrogate pairs.
_ACTS = late(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def redact(text: str) -> str:
    """Return the text without what looks like a secret, also where it is in base64; ids of bootstrap tokens stay."""
    for pattern, replacement in _patterns():
        text = pattern.sub(replacement, text)
    return _BASE64.sub(_unless_secret, text)


def _unless_secret(match: re.Match[str], depth: int = 2) -> str:
    """A run of base64, or a word in place of one that holds a secret."""
    inner = _decoded(match.group())
    if inner is None:
        return match.group()
    clean = inner
    for pattern, replacement in _patterns():
        clean = pattern.sub(replacement, clean)
    if depth and clean == inner:
        clean = _BASE64.sub(lambda found: _unless_secret(found, depth - 1), inner)
    return match.group() if clean == inner else WITHHELD


def _decoded(word: str) -> str | None:
    """The ASCII text that a word in base64 stands for; None when it stands for none."""
    word = word.rstrip("=").replace("-", "+").replace("_", "/")
    word = word[: len(word) - (len(word) % 4 == 1)]
    try:
        data = base64.b64decode(word + "=" * (-len(word) % 4))
        if data[:2] == b"\x1f\x8b":
            data = zlib.decompressobj(31).decompress(data, _MOST)
        text = data.decode("ascii")
    except (ValueError, zlib.error):
        return None
    return text if all(character.isprintable() or character in "\t\r\n" for character in text) else None


def foreign(text: Any, limit: int = 600, lines: bool = False) -> str:
    r"""Make text that somebody else wrote fit for a screen or a log.

    Control characters, also bidirectional ones, are written as ``\x1b`` or ``\u202e``, secrets are withheld.

    :param limit: characters that the result has at most; the middle of a longer text is left out.
    :param lines: whether line ends stay; else each becomes a blank.
    """
    text = str(text)
    cut = text[:_MOST].replace("\r\n", "\n")
    if not lines:
        cut = " ".join(cut.split("\n"))
    shown = redact(_ACTS.sub(_escaped, cut))
    if len(text) > _MOST:
        shown = shown[: limit - 2] + " …"
    if len(shown) <= limit:
        return shown
    tail = min(limit // 3, 200)
    return f"{shown[: limit - tail - 3]} … {shown[-tail:]}"


def quoted(word: str) -> str:
    """A word of a text with tokens for a message, without what may be one, also one that is cut or glued to others."""
    return repr(_NEARLY_TOKEN.sub(WITHHELD, foreign(word, 80)))


def _escaped(match: re.Match[str]) -> str:
    number = ord(match.group())
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def foreign_values(value: Any, limit: int = 600, lines: bool = True) -> Any:
    """The same for every text in plain data, such as what a server answered."""
    if isinstance(value, str):
        return foreign(value, limit, lines)
    if isinstance(value, Mapping):
        return {
            foreign(key, limit, lines) if isinstance(key, str) else key: foreign_values(entry, limit, lines)
            for key, entry in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [foreign_values(entry, limit, lines) for entry in value]
    return value
