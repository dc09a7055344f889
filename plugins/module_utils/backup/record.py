# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What people said at the loop's desk, which is on a volume and not in etcd: copied out of the desk's Pod, verified.

The program in the Pod is roles/loop/files/desk/record.py.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import tarfile

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done, System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import etcd
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.command import ADMIN

DATABASE = "desk.sqlite"
HEAD = "bramble-record"
#: The desk's key in etcd.
KEY = b"/registry/deployments/loop/desk"
#: Seconds for a copy; the largest record takes a Pi a few.
LONGEST = 300
#: Exit code of the program in the Pod when trying again is of no use.
REFUSED = 3


class RecordError(BrambleError):
    """A record cannot be copied or used; the message goes on after a colon."""


def kubectl(system: System, *words: str, data: str = "") -> Done:
    """Run kubectl as the administrator, in the loop's namespace."""
    return system.call(["kubectl", "--kubeconfig", ADMIN, "-n", "loop", *words], timeout=LONGEST, data=data)


def why(done: Done) -> str:
    """In a clause, why kubectl or the program in the Pod failed."""
    if "can't open file" in done.errors:
        return "the desk is of an older release of this collection: run playbooks/loop.yml once"
    lines = (done.errors or done.output).splitlines()
    return etcd.reason("\n".join(line for line in lines if not line.startswith("command terminated with")))


def there(system: System) -> bool:
    """Whether the cluster has a desk.

    :raises RecordError: when the API server does not tell.
    """
    done = kubectl(system, "get", "deployment", "desk", "--ignore-not-found", "--output=name", "--request-timeout=30s")
    if done.code:
        raise RecordError(f"the API server does not say whether there is one: {why(done)}")
    return bool(done.output.strip())


def in_the_desk(system: System, word: str, data: str = "") -> Done:
    """Run record.py in the desk's Pod."""
    return kubectl(system, "exec", "--stdin", "deployment/desk", "--", "python", "/desk/record.py", word, data=data)


def copied(system: System) -> bytes:
    """The record as the desk's Pod gives it, a tar archive; empty when the cluster has no desk.

    :raises RecordError: with the reason.
    """
    if not there(system):
        return b""
    done = in_the_desk(system, "copy")
    if done.code:
        raise RecordError(why(done))
    content = heard(done.output)
    contents(content)
    return content


def said(content: bytes) -> str:
    """An archive as text that tells whether it arrived whole."""
    return f"{HEAD} {hashlib.sha256(content).hexdigest()}\n{base64.encodebytes(content).decode()}"


def heard(text: str) -> bytes:
    """What the program in the Pod printed.

    :raises RecordError: when it did not arrive whole.
    """
    head, _end, rest = text.partition("\n")
    try:
        content = base64.b64decode(rest)
    except ValueError:
        content = b""
    if head != f"{HEAD} {hashlib.sha256(content).hexdigest()}":
        raise RecordError("it did not arrive whole from the desk")
    return content


def contents(content: bytes) -> dict[str, str]:
    """The names of a record's files and their SHA-256, after their verification.

    :raises RecordError: with what is wrong.
    """
    found: dict[str, str] = {}
    database = b""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                if file is None or member.name in found:
                    raise RecordError(f"it holds {member.name}, which is not part of a record")
                text = file.read()
                database = text if member.name == DATABASE else database
                found[member.name] = hashlib.sha256(text).hexdigest()
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise RecordError(f"it is damaged: {error}") from None
    trouble = _trouble(database)
    if trouble:
        raise RecordError(f"its {DATABASE} is damaged: {trouble}")
    return found


def _trouble(database: bytes) -> str:
    """What SQLite finds wrong in a database; empty when nothing is."""
    try:
        import sqlite3
    except ImportError:  # a Pi with Python's smallest package; the laptop has looked
        return ""
    with contextlib.closing(sqlite3.connect(":memory:")) as memory:
        if not hasattr(memory, "deserialize"):  # Python 3.9, likewise
            return ""
        memory.text_factory = lambda text: text.decode("utf-8", "replace")
        try:
            if not database:
                raise sqlite3.DatabaseError("it is empty")
            memory.deserialize(database)
            found = memory.execute("PRAGMA integrity_check").fetchone()[0]
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter of a sentence that quotes damage
            return str(error)
    return "" if found == "ok" else str(found).splitlines()[-1][:200]
