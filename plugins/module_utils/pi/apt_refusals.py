# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Why apt takes a package repository's lists or does not, in words: read from what apt-get update prints.

The phrases are those of apt 2.2 to 3.1 with gpgv, and with sqv, which Debian's apt uses from trixie on
(apt-pkg/acquire-item.cc, methods/gpgv.cc, methods/sqv.cc); tests/integration/apt hears them from real ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.bramble.kube.plugins.module_utils.common.system import System

_OLD_OS = "Use a newer release that has a current signature, or ask its publisher to sign it again"
_CLOCK = "Is the clock of this machine right ('date')?"
_NETWORK = "Check the address, the network and the name server"
#: What apt prints, what it means, what to do, and whether trying again is of no use.
_REASONS = (
    (
        r"Conflicting values set for option Signed-By",
        "is named twice, with two different keys",
        "Keep one of its entries in /etc/apt/sources.list.d",
        True,
    ),
    (
        r"Signature Packet v3|Policy rejected packet type",
        "has an outdated signature (version 3), which this OS no longer accepts",
        _OLD_OS,
        True,
    ),
    (
        r"SHA-?1 is not considered secure|weak (?:digest )?algorithm|signatures were invalid: [0-9A-F]{40}\b",
        "is signed with SHA-1, which this OS no longer accepts",
        _OLD_OS,
        True,
    ),
    (
        r"EXPKEYSIG|KEYEXPIRED|key is not live|Expired on \d",
        "is signed with a key that has expired, according to this machine's copy of the key",
        "Fetch the key again from its publisher",
        True,
    ),
    (
        r"NO_PUBKEY|Missing key",
        "is signed with a key other than the one known here",
        "Ask its publisher whether the key has changed",
        True,
    ),
    (
        r"BADSIG|has been manipulated",
        "does not match its signature: it was changed on the way or is just being published",
        "Try again in a few minutes; if it persists, look at the proxy or cache in between",
        False,
    ),
    (
        r"NODATA|Clearsigned file isn't valid",
        "returns something else, such as a network's login page",
        "Open the address in a browser in the same network",
        False,
    ),
    (
        r"Hash Sum mismatch|unexpected size",
        "has lists that do not belong together: it is just being published, or a cache in between keeps old ones",
        "Try again in a few minutes; if it persists, look at the proxy or cache in between",
        False,
    ),
    (
        r"changed its '\w+' value",
        "calls itself another release than before, which apt takes only if it is told to",
        "If that is right, run 'sudo apt-get update --allow-releaseinfo-change' on the machine once",
        True,
    ),
    (r"is not valid yet", "is dated in the future", _CLOCK, True),
    (
        r"is expired \(invalid since",
        "has expired lists: it is no longer maintained, or this machine's clock is wrong",
        f"Choose another mirror. {_CLOCK}",
        True,
    ),
    (r"is not signed", "is not signed", "Choose a repository that is", True),
    (
        r"404 |does not have a Release file|no longer has a Release file",
        "is not there (404)",
        "Check its address, and whether it has this release of the OS",
        True,
    ),
    (r"\b40[137]  ", "may not be read", "Check its address, and the login if it or a proxy wants one", True),
    (r"\b50\d  ", "is broken at the moment", "Try again later, or choose another mirror", False),
    (
        r"Could not resolve|Temporary failure resolving|Something wicked happened resolving",
        "cannot be found: the name server does not know its name",
        _NETWORK,
        False,
    ),
    (
        r"Could not connect|Unable to connect|Connection refused|Network is unreachable|No route to host"
        r"|[Tt]imed out|Connection failed",
        "cannot be reached",
        _NETWORK,
        False,
    ),
    (
        r"certificate verification failed|Certificate verification failed|[Cc]ertificate is NOT trusted",
        "has a certificate that is not trusted",
        _CLOCK,
        False,
    ),
)
_URL = re.compile(r"(?:regarding source |for )?\b((?:https?|file|ftp|cdrom|copy):/*[^\s'\"]+)")
_FILES = re.compile(r"/(?:dists/\S+|InRelease|Release|Release\.gpg|Packages\S*)$")


@dataclass(frozen=True)
class Refusal:
    """One repository that apt does not take.

    :ivar url: its address; "" when apt names none.
    :ivar reason: what is wrong, as the end of a sentence that begins with the repository.
    :ivar advice: what to do.
    :ivar lasting: whether trying again is of no use.
    """

    url: str
    reason: str
    advice: str
    lasting: bool


def refusals(output: str) -> list[Refusal]:
    """Read what apt-get update printed, in English; none where it says nothing that is known."""
    found: dict[str, tuple[int, Refusal]] = {}
    # An error of a download goes over two lines, of which the second has the reason.
    for line in re.sub(r"\n +", " ", output).splitlines():
        if not line.startswith(("E:", "W:", "Err:", "N:")):
            continue
        address = _URL.search(line)
        url = _FILES.sub("", address.group(1)).rstrip("/") if address else ""
        for rank, (pattern, reason, advice, lasting) in enumerate(_REASONS):
            if re.search(pattern, line):
                if url not in found or rank < found[url][0]:
                    found[url] = (rank, Refusal(url, reason, advice, lasting))
                break
    return [refusal for _rank, refusal in found.values()]


def named_in(system: System, url: str) -> str:
    """The file below /etc/apt that names a repository; "" when none does."""
    folder = "/etc/apt/sources.list.d"
    paths = ["/etc/apt/sources.list"]
    paths += [f"{folder}/{name}" for name in system.names(folder) if name.endswith((".list", ".sources"))]
    for path in paths:
        for address in re.findall(r"(?m)^(?!\s*#).*?((?:https?|file|ftp):/*\S+)", system.read(path)):
            if url and url.startswith(address.rstrip("/")):
                return path
    return ""


def sentences(system: System, found: list[Refusal]) -> str:
    """All refusals as sentences: which repository, in which file, why, and what to do."""
    said = []
    for refusal in found:
        path = named_in(system, refusal.url)
        where = f" ({path})" if path else ""
        said.append(f"{refusal.url or 'A package repository'}{where} {refusal.reason}. {refusal.advice}")
    return " ".join(sentence if sentence.endswith("?") else f"{sentence}." for sentence in said)
