# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The host keys that this computer's SSH knows, looked up as SSH itself does.

Its settings decide under which name and in which files, and ssh-keygen finds names that are hashed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.step import command
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System


@dataclass(frozen=True)
class Lookup:
    """How SSH looks a host's key up: the name, the user's files, and whether it hashes the names that it adds."""

    name: str
    files: tuple[str, ...]
    hashed: bool = False


def lookup(settings: str) -> Lookup:
    """Read what `ssh -G` prints."""
    found = dict(line.split(" ", 1) for line in settings.splitlines() if " " in line)
    alias, host, port = found.get("hostkeyalias", "none"), found["hostname"].lower(), found.get("port", "22")
    files = found.get("userknownhostsfile", "")
    written = [files] if os.path.isfile(files) else files.split()  # one with blanks is not quoted
    return Lookup(
        alias if alias != "none" else host if port == "22" else f"[{host}]:{port}",
        tuple(file for file in written if file not in ("none", os.devnull)),
        found.get("hashknownhosts") == "yes",
    )


def entry(name: str, key: str, salt: bytes = b"") -> str:
    """A line of a file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT); with a salt, its name is hashed."""
    if salt:
        digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
        name = "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))
    return f"{name} {key}"


def _key(line: str) -> str:
    """The key of a line, as type and key; "" for a comment and for lines that speak of other things than this key."""
    words = line.split()
    return " ".join(words[1:3]) if len(words) > 2 and not line.startswith(("#", "@")) else ""


def added(text: str, found: Iterable[int], name: str, keys: Sequence[str], hashed: bool = False) -> str:
    """A file's text with the keys that it does not have under this name.

    :param found: numbers of the lines, from 0, that stand for the name.
    """
    lines = text.splitlines()
    known = {_key(lines[number]) for number in found}
    new = [entry(name, key, os.urandom(20) if hashed else b"") for key in keys if key not in known]
    return "".join(f"{line}\n" for line in [*lines, *new]) if new else text


def removed(text: str, found: Iterable[int], name: str, keys: Sequence[str]) -> str:
    """A file's text without these keys of this name. Other names in the line keep the key, and so do patterns."""
    lines = text.splitlines()
    for number in found:
        line = lines[number]
        names = line.split()[0].split(",") if _key(line) in keys else []
        if names and not re.search(r"[*?!]", line.split()[0]):
            others = [each for each in names if each.lower() != name.lower() and not each.startswith("|")]
            lines[number] = " ".join([",".join(others), *line.split()[1:]]) if others else ""
    return "".join(f"{line}\n" for number, line in enumerate(lines) if line or number not in found)


def lines_of(system: System, file: str, name: str) -> list[int]:
    """The numbers of the lines, from 0, that stand for a name."""
    said = system.call(["ssh-keygen", "-F", name, "-f", file]).output
    return [int(number) - 1 for number in re.findall(r"^# Host .* found: line (\d+)", said, re.MULTILINE)]


def run(system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Learn and forget keys.

    :param options: ``ssh``, the command by which the host is reached; ``file`` for another one than SSH's; ``learn``
        and ``forget``, keys as "type key".
    :raises Stop: when SSH does not say how it reaches the host.
    """
    ssh, *arguments = options["ssh"]
    how = lookup(command(system, ssh, "-G", *arguments))
    changed = []
    for number, name in enumerate([options["file"]] if options["file"] else how.files):
        file = os.path.realpath(os.path.expanduser(name))
        try:
            before = atomic_file.text(file)
        except OSError as error:
            raise Stop(f"{file}: {error.strerror}.") from error
        found = lines_of(system, file, how.name) if before else []
        # New keys go to the end, so that the numbers of the lines stay.
        after = added(before, found, how.name, options["learn"], how.hashed) if number == 0 else before
        after = removed(after, found, how.name, options["forget"])
        if after.splitlines() == before.splitlines():
            continue
        changed.append(file)
        if not check_mode:
            status = os.stat(file) if before else None
            mode, owner = (status.st_mode & 0o777, (status.st_uid, status.st_gid)) if status else (0o600, None)
            owner = owner or (os.geteuid(), os.getegid())
            atomic_file.write(atomic_file.Wanted(file, after.encode(), mode, owner=owner, secret=True))
    return {"changed": bool(changed), "name": how.name, "files": changed}
