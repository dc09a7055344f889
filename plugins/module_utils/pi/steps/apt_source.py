# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that gives apt one of the collection's own package repositories, and keeps its key up to date.

Nothing is written before this machine's own apt has read the repository with this key, in a folder of its own: so what
apt refuses never comes between it and the rest of the machine's packages.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.http import TransportError, fetch
from ansible_collections.bramble.kube.plugins.module_utils.common.step import file_diff
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi import apt_refusals, openpgp, packages
from ansible_collections.bramble.kube.plugins.module_utils.pi.apt_entries import Source, is_on, rivals, switched_off

OPTIONS = {
    "name": {"type": "str", "required": True},
    "label": {"type": "str", "required": True},
    "url": {"type": "str", "required": True},
    "suite": {"type": "str", "required": True},
    "components": {"type": "list", "elements": "str", "default": []},
    "key_url": {"type": "str", "required": True, "no_log": False},
    "key_fingerprints": {"type": "list", "elements": "str", "required": True, "no_log": False},
    "settings": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "renewed"], "default": "present"},
}
#: Bytes that a key may have; Docker's has 4,000.
_KEY_MAX = 256 * 1024
_TRIES, _PAUSE_S = 3, 5


def trial(system: System, text: str, key_path: str, key: bytes) -> str:
    """Let apt read a repository in a folder of its own, so that nothing of the machine's changes.

    :param text: the .sources file, whose key is at ``key_path``.
    :returns: what apt says when it refuses; "" when it takes it.
    """
    place = tempfile.mkdtemp(prefix="bramble-apt-")
    try:
        os.chmod(place, 0o755)
        os.makedirs(os.path.join(place, "lists", "partial"))
        sources = text.replace(key_path, os.path.join(place, "key.asc")).encode()
        for name, content in (("key.asc", key), ("one.sources", sources)):
            with open(os.path.join(place, name), "wb") as file:
                file.write(content)
        # For apt's own user, whatever root's umask is: where that cannot read, apt works as root.
        for name, mode in (("lists", 0o755), ("key.asc", 0o644), ("one.sources", 0o644)):
            os.chmod(os.path.join(place, name), mode)
        options = {
            "Dir::Etc::sourcelist": os.path.join(place, "one.sources"),
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": os.path.join(place, "lists"),
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        done = system.call(["apt-get", "-q", "update", "--error-on=any", *words], timeout=300)
        return "" if done.code == 0 else f"{done.output}\n{done.errors}".replace(place, "")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def known_key(options: Mapping[str, Any]) -> bytes:
    """Fetch the key.

    :raises TransportError: when it cannot be had.
    :raises Stop: when it is another than those that are trusted.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            key = fetch(options["key_url"], _KEY_MAX, timeout=60)
            break
        except TransportError as error:
            if error.status or attempt == _TRIES:
                raise
            time.sleep(_PAUSE_S)
    try:
        found = openpgp.fingerprints(key)
    except openpgp.KeyFileError as error:
        raise Stop(
            f"{options['key_url']} is not the key of {options['label']}: {error}. Nothing was changed."
        ) from None
    strangers = sorted(set(found) - {openpgp.plain(entry) for entry in options["key_fingerprints"]})
    if strangers:
        raise Stop(
            f"{options['key_url']} has a key that is not trusted: {', '.join(strangers)}. Nothing was changed."
            f" If the publisher of {options['label']} confirms that it is theirs, add it to"
            f" {options['settings']}_key_fingerprints."
        )
    return key


def refused(system: System, options: Mapping[str, Any], text: str, key_path: str, key: bytes) -> tuple[str, bool]:
    """Why apt does not take the repository: a sentence ("" when it does), and whether that stays so."""
    for attempt in range(1, _TRIES + 1):
        output = trial(system, text, key_path, key)
        if not output:
            return "", False
        found = apt_refusals.refusals(output)
        lasting = any(refusal.lasting for refusal in found)
        if lasting or attempt == _TRIES:
            break
        time.sleep(_PAUSE_S)
    why = apt_refusals.sentences(system, found) or f"{packages.reason(output)}."
    return f"This machine's apt does not accept {options['label']}: {why}", lasting


def verdict(system: System, options: Mapping[str, Any]) -> tuple[str, bool]:
    """Whether this machine's apt takes a repository with its key: why not ("" when it does), and whether that stays so.

    Changes nothing.
    """
    source = Source("kept", options["url"], options["suite"], tuple(options["components"]))
    try:
        key = known_key(options)
    except TransportError as error:
        return f"The key of {options['label']} cannot be fetched from {options['key_url']}: {error}.", False
    except Stop as stop:
        return str(stop), False
    return refused(system, options, source.text(source.key_path), source.key_path, key)


def run(system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring key and source to what they should be, if apt takes them."""
    source = Source(options["name"], options["url"], options["suite"], tuple(options["components"]))
    renewing = options["state"] == "renewed"
    there = system.read(source.path)
    if renewing and not is_on(there):
        return {"changed": False}
    try:
        key = known_key(options)
    except TransportError as error:
        message = f"The key of {options['label']} cannot be fetched from {options['key_url']}: {error}."
        if renewing:  # what needs it soon says so; the rest of the machine's packages need it not
            return {"changed": False, "warned": [message]}
        raise Stop(f"{message} Check {options['settings']}_repository and {options['settings']}_key_url.") from None
    text = there if renewing else source.text(source.key_path)
    others = {} if renewing else rivals(system, source)
    why, lasting = refused(system, options, text, source.key_path, key)
    warned = []
    files = {source.key_path: key.decode("ascii")}
    if why and lasting and is_on(there) and text == there:
        # One repository that apt refuses keeps all others' lists from being read as well.
        files = {source.path: switched_off(there)}
        warned = [f"{why} It is switched off in {source.path} until apt accepts it again."]
    elif why and renewing:
        return {"changed": False, "warned": [why]}
    elif not why and not renewing:
        files = {**others, **files, source.path: text}
        warned = [f"{path} named {options['label']}, too, and was switched off there." for path in others]
    elif why:
        raise Stop(f"{why} Nothing was changed.")
    wanted = [atomic_file.Wanted(system.path(path), content.encode()) for path, content in files.items()]
    due = [file for file in wanted if atomic_file.differs(file)]
    diff = [file_diff(system, path, content) for path, content in files.items() if system.read(path) != content]
    if not check_mode:
        for file in due:
            atomic_file.write(file)
    if why and not renewing:
        raise Stop(f"{why} It is switched off in {source.path}, so that apt works for everything else.")
    return {"changed": bool(due), "diff": diff, "warned": warned}
