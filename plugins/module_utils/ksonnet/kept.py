# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""A rendering kept beside its dest (.FILE.rendered), for as long as nothing that it was made of has changed.

It is used only where the request, this collection's code, the packages that evaluate, all that was read, all that was
looked for in vain, and dest itself are as they were, by content. Whatever else is found there, such as a damaged file,
means that the app is rendered. It holds the objects, as dest does, and can be read by its owner alone.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from . import files, options
from .bindings import available

_HERE = os.path.dirname(os.path.abspath(__file__))
_ROOMS = ("ksonnet", "common", "manifests")  # whose code a rendering runs


def path_beside(dest: str) -> str:
    """Where the rendering of a dest is kept."""
    folder, name = os.path.split(os.path.abspath(dest))
    return os.path.join(folder, f".{name}.rendered")


def identity(params: Mapping[str, Any]) -> str:
    """A digest of all that a rendering is made of, beside the files of the app; "" where the code cannot be read.

    That is so where a module was started, from an archive.
    """
    import yaml  # absent where only the documentation is read

    digest = hashlib.sha256()
    try:
        for room in _ROOMS:
            folder = os.path.join(os.path.dirname(_HERE), room)
            for name in sorted(name for name in os.listdir(folder) if name.endswith(".py")):
                with open(os.path.join(folder, name), "rb") as stream:
                    digest.update(name.encode() + hashlib.sha256(stream.read()).digest())
        packages = {name: importlib.metadata.version(name) for name in available()}
    except (OSError, importlib.metadata.PackageNotFoundError):
        return ""
    request = {name: params[name] for name in options.RENDER}
    folders = [os.path.abspath(path) for path in (params["app_dir"], *params["library_dirs"])]
    digest.update(json.dumps([request, folders, packages, yaml.__version__, sys.version]).encode())
    return digest.hexdigest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def find(path: str, identity: str, dest: str | None) -> dict[str, Any] | None:
    """The result that is kept, if rendering would give it again and dest holds its text.

    :param dest: the text that dest holds; None when it is not there.
    """
    try:
        with open(path, "rb") as stream:
            checksum, _newline, content = stream.read().partition(b"\n")
    except OSError:
        return None
    if not identity or dest is None or hashlib.sha256(content).hexdigest().encode() != checksum:
        return None
    kept = json.loads(content)
    if kept["identity"] != identity or kept["dest"] != _digest(dest) or not files.still(kept["answers"]):
        return None
    return kept["result"]


def pack(identity: str, dest: str, answers: files.Answers, result: Mapping[str, Any]) -> bytes:
    """What :func:`find` reads."""
    kept = {"identity": identity, "dest": _digest(dest), "answers": answers, "result": result}
    content = json.dumps(kept).encode()
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content
