# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What stands in loop_notify: what can be wrong with it, and the targets as the program hand reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import foreign
from ansible_collections.bramble.kube.plugins.module_utils.common.wording import listing

#: shape → settings that it must have, and that it may have
SHAPES = {
    "ntfy": (("url",), ("token",)),
    "slack": (("url",), ()),
    "matrix": (("url", "room", "token"), ()),
    "smtp": (("host", "from", "to"), ("port", "security", "user", "password")),
}
SECURITY = ("starttls", "tls", "none")


def errors(given: Any) -> list[str]:
    """Find everything that is wrong with the list. No value is shown, since most are secrets.

    :returns: one sentence each: where, what, and what would be right.
    """
    if not isinstance(given, list):
        return ["loop_notify is not a list; write [{shape: ntfy, url: 'https://ntfy.sh/my-topic'}]."]
    found = [f"loop_notify: entry {number} {fault}." for number, one in enumerate(given, 1) for fault in _entry(one)]
    if not found and len({name_of(one) for one in given}) < len(given):
        found.append("loop_notify has the same target twice; leave one out.")
    return found


def _entry(one: Any) -> Iterator[str]:
    if not isinstance(one, Mapping) or one.get("shape") not in SHAPES:
        yield f"has no shape; use one of {listing(SHAPES, 'or')}"
        return
    shape = one["shape"]
    must, may = SHAPES[shape]
    for name in one:
        if name not in ("shape", *must, *may):
            yield f"has {foreign(name, 60)}, which is not a setting of {shape}; it has {listing((*must, *may))}"
    for name in must:
        if not one.get(name):
            yield f"has no {name}, which {shape} needs"
    for name in (*must, *may):
        value = one.get(name)
        if name in ("to", "port") or not value:
            continue
        if not isinstance(value, str) or any(ord(sign) < 32 for sign in value):
            yield f"has a {name} that is not a line of text"
        elif name == "url" and not (urlsplit(value).scheme in ("http", "https") and urlsplit(value).hostname):
            yield "has a url that does not begin with https:// (or http://) and a host"
    if shape == "smtp":
        yield from _mail(one)


def _mail(one: Mapping[str, Any]) -> Iterator[str]:
    to = one.get("to")
    if to and not (isinstance(to, list) and all(isinstance(name, str) and "@" in name for name in to)):
        yield "has a to that is not a list of addresses, such as [ben@example.org]"
    sender = one.get("from")
    if sender and "@" not in str(sender):
        yield "has a from that is not an address, such as bramble@example.org"
    port = one.get("port", 587)
    if not str(port).isdigit() or not 0 < int(port) < 65536:
        yield "has a port that is not a number from 1 to 65535"
    if one.get("security", "starttls") not in SECURITY:
        yield f"has a security that does not exist; use {listing(SECURITY, 'or')}"
    if bool(one.get("user")) != bool(one.get("password")):
        yield "has only one of user and password; give both, or none"
    elif one.get("user") and one.get("security") == "none":
        yield "would send its password without encryption; use security: starttls or tls"


def name_of(target: Mapping[str, Any]) -> str:
    """A lasting name, by which a release remembers that this target was told: its shape and a digest of its place."""
    place = [target["shape"], *(str(target.get(key) or "") for key in ("url", "room", "host", "to"))]
    return f"{target['shape']}-{hashlib.sha256(chr(10).join(place).encode()).hexdigest()[:8]}"


def targets(given: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The targets with their names.

    :param given: without errors.
    """
    return [{key: value for key, value in {**one, "name": name_of(one)}.items() if value} for one in given]
