# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Reads what ``kubeadm token list`` prints, and says which bootstrap token a node may join with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.module_utils.common.redact import quoted

#: What kubeadm gives a token of its own making (cmd/kubeadm/app/constants/constants.go).
DEFAULT_USAGES = ("authentication", "signing")
DEFAULT_GROUP = "system:bootstrappers:kubeadm:default-node-token"

_ROW = re.compile(
    r"(?P<token>[a-z0-9]{6}\.[a-z0-9]{16})[ \t]+(?P<ttl>\S+)[ \t]+(?P<expires>\S+)[ \t]+(?P<usages>\S+)"
    r"(?:[ \t]+(?P<rest>\S.*))?",
    re.DOTALL,
)
_GROUPS = re.compile(
    r"(?:<none>|system:bootstrappers:[a-z0-9:-]*[a-z0-9](?:,system:bootstrappers:[a-z0-9:-]*[a-z0-9])*)"
)
_HEADER = re.compile(
    r"\s*TOKEN[ \t]+TTL[ \t]+EXPIRES[ \t]+USAGES[ \t]+DESCRIPTION(?P<groups>[ \t]+EXTRA GROUPS)?[ \t]*"
)
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class TokenFormatError(BrambleError, ValueError):
    """kubeadm's output is not a token list; the message never holds a secret."""


@dataclass(frozen=True)
class BootstrapToken:
    """One bootstrap token; ``expires`` is None for one that never does."""

    token: str = field(repr=False)
    expires: datetime | None
    usages: tuple[str, ...]
    groups: tuple[str, ...]
    description: str = ""

    @property
    def id(self) -> str:
        """The public half of the token, by which it is named and deleted."""
        return self.token.partition(".")[0]

    def shortcomings(
        self,
        now: datetime,
        min_ttl: timedelta = timedelta(0),
        usages: Iterable[str] = DEFAULT_USAGES,
        groups: Iterable[str] = (DEFAULT_GROUP,),
    ) -> list[str]:
        """Say why a node cannot join with this token; empty when it can.

        :param min_ttl: how long it must still live.
        """
        found: list[str] = []
        if self.expires is not None:
            if self.expires <= now:
                found.append("expired")
            elif self.expires - now < min_ttl:
                found.append("expires too soon")
        found += [f"lacks usage {usage}" for usage in usages if usage not in self.usages]
        found += [f"lacks group {group}" for group in groups if group not in self.groups]
        return found

    def public(self, now: datetime) -> dict[str, Any]:
        """What may be shown of this token: everything but its secret."""
        return {
            "id": self.id,
            "expires": format_time(self.expires),
            "usages": list(self.usages),
            "groups": list(self.groups),
            "description": self.description,
            "usable": not self.shortcomings(now),
        }


def parse_duration(text: str) -> timedelta:
    """Read a duration as kubeadm writes it ("24h0m0s", "90m", "0").

    :raises ValueError: when the text is something else.
    """
    if text == "0":
        return timedelta(0)
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration; use numbers with h, m or s, such as 2h or 1h30m")
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text)))


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time.

    :raises TokenFormatError: when the text is something else.
    """
    # Python before 3.11 knows neither the Z nor more or fewer than 3 or 6 digits of a second.
    plain = re.sub(r"[Zz]\Z", "+00:00", re.sub(r"\.\d+", "", text))
    try:
        time = datetime.fromisoformat(plain)
    except ValueError:
        raise TokenFormatError(f"kubeadm printed the time {quoted(text)}, which is not RFC 3339") from None
    if time.tzinfo is None:
        raise TokenFormatError(f"kubeadm printed the time {quoted(text)}, which has no time zone")
    return time


def format_time(time: datetime | None) -> str | None:
    """Write a time as RFC 3339 in UTC; None stays None."""
    return None if time is None else time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _words(text: str) -> tuple[str, ...]:
    return () if text == "<none>" else tuple(word for word in text.split(",") if word)


def _parse_record(record: str, has_groups: bool) -> BootstrapToken:
    match = _ROW.fullmatch(record.strip())
    if not match:
        raise TokenFormatError("kubeadm printed a token without its expiry or usages")
    description = match["rest"] or ""
    groups: tuple[str, ...] = ()
    if has_groups:
        description, _unused_space, last = re.fullmatch(r"(?:(.*\S)(\s+))?(\S*)", description, re.DOTALL).groups()
        if not _GROUPS.fullmatch(last):
            raise TokenFormatError("kubeadm printed a token without its groups")
        groups = _words(last)
    return BootstrapToken(
        token=match["token"],
        expires=None if match["expires"] == "<never>" else parse_time(match["expires"]),
        usages=_words(match["usages"]),
        groups=groups,
        description="" if description in (None, "<none>") else description,
    )


def parse_token_table(text: str) -> list[BootstrapToken]:
    """Read the table that ``kubeadm token list`` prints.

    The columns' widths differ from release to release and, from 1.16 on, from line to line, so a row is read from
    both of its ends: only the description in its middle may hold spaces (or line breaks).

    Formats: cmd/kubeadm/app/cmd/token.go, RunListTokens of v1.9.7, humanReadableBootstrapToken of v1.11 to v1.16 and
    formatBootstrapToken of later ones.

    :raises TokenFormatError: when a line with a token is incomplete.
    """
    records: list[str] = []
    has_groups = True
    for line in text.replace("\r\n", "\n").split("\n"):
        header = _HEADER.fullmatch(line)
        if header:
            has_groups = header["groups"] is not None
        elif _ROW.match(line.strip()):
            records.append(line)
        elif records and line.strip():
            records[-1] += "\n" + line
    return [_parse_record(record, has_groups) for record in records]


def parse_token_json(text: str) -> list[BootstrapToken]:
    """Read what ``kubeadm token list -o json`` prints: one object after the other, not a list.

    Format: cmd/kubeadm/app/apis/output/v1alpha1 (from v1.17) to v1alpha3.

    :raises TokenFormatError: when the text is something else.
    """
    decoder = json.JSONDecoder()
    tokens: list[BootstrapToken] = []
    position = 0
    text = text.strip()
    while position < len(text):
        try:
            document, position = decoder.raw_decode(text, position)
        except ValueError:
            raise TokenFormatError("kubeadm's token list is not JSON") from None
        if not isinstance(document, dict) or document.get("kind") != "BootstrapToken":
            raise TokenFormatError("kubeadm's token list holds something that is not a BootstrapToken")
        token = document.get("token")
        if not isinstance(token, str) or not re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token):
            raise TokenFormatError("kubeadm's token list holds an object without a token")
        expires = document.get("expires")
        tokens.append(
            BootstrapToken(
                token=token,
                expires=parse_time(expires) if expires else None,
                usages=tuple(document.get("usages") or ()),
                groups=tuple(document.get("groups") or ()),
                description=document.get("description") or "",
            )
        )
        while position < len(text) and text[position].isspace():
            position += 1
    return tokens


def parse_token_list(text: str) -> list[BootstrapToken]:
    """Read a token list in either form.

    :raises TokenFormatError: when it is neither.
    """
    return parse_token_json(text) if text.lstrip().startswith("{") else parse_token_table(text)


def best_token(
    tokens: Iterable[BootstrapToken],
    now: datetime,
    min_ttl: timedelta = timedelta(0),
    usages: Sequence[str] = DEFAULT_USAGES,
    groups: Sequence[str] = (DEFAULT_GROUP,),
) -> BootstrapToken | None:
    """Choose the token to join with: of those that will do, the one that ends first, to spare the lasting ones."""
    fitting = [token for token in tokens if not token.shortcomings(now, min_ttl, usages, groups)]
    forever = datetime.max.replace(tzinfo=timezone.utc)
    return min(fitting, key=lambda token: (token.expires or forever, token.id), default=None)
