# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The names of a Pi and its companions: the text of /etc/hosts and cloud-init's say in it. Pure functions on text."""

from __future__ import annotations

import re
from collections.abc import Mapping

BEGIN = "# bramble.kube: the hosts of the inventory (changes between these lines are overwritten)"
END = "# bramble.kube: end"


def _words(line: str) -> list[str]:
    return line.partition("#")[0].split()


def known_block(text: str) -> dict[str, str]:
    """The addresses that an earlier run wrote, by host name."""
    found, inside = {}, False
    for line in text.splitlines():
        if line.strip() in (BEGIN, END):
            inside = line.strip() == BEGIN
        elif inside and len(_words(line)) > 1:
            address, name = _words(line)[:2]
            found[name] = address
    return found


def names_of(host: str) -> list[str]:
    """A host's names: as it is called, and without its domain."""
    return list(dict.fromkeys([host, host.partition(".")[0]]))


def hosts_text(text: str, hostname: str, addresses: Mapping[str, str]) -> str:
    """Work out /etc/hosts.

    Lines of others stay, but lose the names of the inventory's hosts, since the first line with a name would win. The
    line of 127.0.1.1, by which Debian lets a machine without a fixed address know itself, goes: the host's own name
    stands for the address by which the others reach it.

    :param text: the file as it is.
    :param hostname: this host's name.
    :param addresses: address by host name. An empty address keeps what an earlier run wrote.
    """
    earlier = known_block(text)
    entries = {name: address or earlier.get(name, "") for name, address in addresses.items()}
    entries = {name: address for name, address in entries.items() if address}
    own = {alias for name in [*entries, hostname] for alias in names_of(name)} - {"localhost"}
    known_to_others = hostname in entries
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        if line.strip() in (BEGIN, END):
            inside = line.strip() == BEGIN
            continue
        if inside:
            continue
        words = _words(line)
        if not words:
            kept.append(line)
            continue
        left = [name for name in words[1:] if name not in own]
        if words[0] == "127.0.1.1":
            continue
        if len(left) == len(words) - 1:
            kept.append(line)
        elif left:
            _content, hash_sign, comment = line.partition("#")
            kept.append("\t".join([words[0], " ".join(left)]) + (f" {hash_sign}{comment}" if hash_sign else ""))
    if not any("localhost" in _words(line)[1:] for line in kept):
        kept.insert(0, "127.0.0.1\tlocalhost")
    while kept and not kept[-1].strip():
        kept.pop()
    if not known_to_others:
        kept.append("127.0.1.1\t" + " ".join(names_of(hostname)))
    block = [f"{address}\t{' '.join(names_of(name))}" for name, address in entries.items()]
    return "\n".join([*kept, "", BEGIN, *block, END]) + "\n"


#: What cloud-init is told: names are not its business any more.
CLOUD_INIT_FILE = "/etc/cloud/cloud.cfg.d/99-bramble-kube.cfg"
CLOUD_INIT_TEXT = """# bramble.kube sets the host's name and /etc/hosts.
preserve_hostname: true
manage_etc_hosts: false
"""
#: What Raspberry Pi Imager wrote to the card; it counts more than the file above, at each boot.
USER_DATA_FILES = ("/boot/firmware/user-data", "/boot/user-data")


def user_data_text(text: str) -> str:
    """Switch off manage_etc_hosts in cloud-init's user-data, leaving everything else as it is."""
    return re.sub(
        r"^(manage_etc_hosts:[ \t]*)(?!false\b)[^\s#]+", r"\g<1>false", text, flags=re.MULTILINE | re.IGNORECASE
    )
