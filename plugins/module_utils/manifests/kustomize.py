# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that builds manifests with the kustomize in kubectl, from an archive whose files are known by checksum."""

from __future__ import annotations

import hashlib
import io
import json
import os
import posixpath
import re
import tarfile
import tempfile
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.http import TransportError, fetch
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System

OPTIONS = {
    "url": {"type": "str", "required": True},
    "folder": {"type": "str", "default": "manifests"},
    "overlay": {"type": "str"},
    "kustomization": {"type": "dict"},
    "files_sha256": {"type": "str", "required": True},
    "timeout": {"type": "int", "default": 60},
}
RULES = {
    "required_one_of": [("overlay", "kustomization")],
    "mutually_exclusive": [("overlay", "kustomization")],
}
MOST_ARCHIVE = 256 * 1024 * 1024  # bytes
MOST_FILES = 100 * 1024 * 1024  # bytes, unpacked
OWN_FOLDER = "bramble"  # where a kustomization of the user's lies
_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
#: What kustomize fetches (api/internal/git/repospec.go, api/internal/loader/fileloader.go), by how it begins.
_REMOTE = re.compile(
    r"(?:git::|gh:|(?:https?|ssh|git|file)://|[\w.-]+@[\w.-]+[:/]|(?:www\.)?github\.com[/:]"
    r"|[\w-]+(?:\.[\w-]+)+/\S*(?://|[?&](?:ref|version)=|\.git\b))\S*"
)
_PINNED = re.compile(r"(?:[?&](?:ref|version)=|/)[0-9a-f]{40}(?:[/?&]|$)")
#: A value in YAML: an item of a list, in either form, or what comes behind "path:".
_VALUE = re.compile(r"""(?:^\s*(?:-\s+)*|[\[,{]\s*)(?:["']?path["']?:\s*)?["']?([^\s"',\]}]+)""")


class Folder(NamedTuple):
    """One folder of an archive, with paths from the archive's top folder on.

    :ivar files: path → content.
    :ivar links: path → path that a symbolic link in the folder leads to, in the folder, too.
    :ivar left_out: links that lead out of the folder, whose files no checksum covers.
    """

    files: dict[str, bytes]
    links: dict[str, str]
    left_out: list[str]


def pick(archive: bytes, name: str) -> Folder:
    """Read one folder of a .tar.gz archive.

    :param name: the folder, below the archive's one top folder.
    :raises Stop: when the archive is damaged, has no such folder, or names a file outside of itself.
    """
    folder, size = Folder({}, {}, []), 0
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for member in tar:
                # tar made with "." names everything ./…
                path = posixpath.normpath(member.name).partition("/")[2]
                if not path.startswith(name.strip("/") + "/"):
                    continue
                if ".." in member.name.split("/") or member.name.startswith("/"):
                    raise Stop(f"the archive names a file outside of itself: {member.name}")
                if member.issym():
                    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), member.linkname))
                    if f"{target}/".startswith(name.strip("/") + "/"):
                        folder.links[path] = target
                    else:
                        folder.left_out.append(path)
                elif member.isfile() or member.islnk():
                    content = tar.extractfile(member).read(MOST_FILES - size + 1)  # of a hard link: its file's
                    size += len(content)
                    if size > MOST_FILES:
                        raise Stop(f"the files of {name} are larger than {MOST_FILES // 1024 // 1024} MiB")
                    folder.files[path] = content
    except (tarfile.TarError, OSError, EOFError, KeyError) as error:
        raise Stop(f"the archive is damaged: {error}") from None
    if not folder.files:
        raise Stop(f"the archive has no folder {name}")
    return folder


def lay_out(folder: Folder, place: str) -> None:
    """Write files and links below a new folder; links come last, so that no file is written through one.

    :raises Stop: when a link leads out of `place`, by way of another link.
    """
    for path, content in folder.files.items():
        target = os.path.join(place, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(content)
    for path, target in folder.links.items():
        link = os.path.join(place, path)
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(os.path.relpath(os.path.join(place, target), os.path.dirname(link)), link)
    for path in folder.links:
        if not os.path.realpath(os.path.join(place, path)).startswith(os.path.realpath(place) + os.sep):
            raise Stop(f"the archive's link {path} leads out of it")


def not_pinned(files: dict[str, bytes], read: Collection[str] | None = None) -> list[str]:
    """What kustomizations among the files would fetch from elsewhere without a pin, as "address in file".

    Read as text: a Pi has no YAML library for certain. A file of the archive by that name is no address.

    :param read: paths of those that the build reads; by default all.
    """
    found = []
    for path, content in sorted(files.items()):
        if posixpath.basename(path) not in _NAMES or path not in (files if read is None else read):
            continue
        for line in content.decode("utf-8", "replace").splitlines():
            for value in _VALUE.findall(line.partition(" #")[0]):
                here = posixpath.normpath(posixpath.join(posixpath.dirname(path), value))
                is_local = any(f"{name}/".startswith(f"{here}/") for name in files)
                if _REMOTE.match(value) and not is_local and not _PINNED.search(value):
                    found.append(f"{value} in {path}")
    return found


def read_by(folder: Folder, overlay: str) -> dict[str, bytes]:
    """The kustomizations that a build of an overlay reads: its own, and those of folders that these name.

    With symbolic links all of them, since a path may lead anywhere.
    """
    if folder.links:
        return folder.files
    found: dict[str, bytes] = {}
    seen, left = set(), [posixpath.normpath(overlay)]
    while left:
        place = left.pop()
        if place in seen:
            continue
        seen.add(place)
        for path in (posixpath.join(place, name) for name in _NAMES):
            if path in folder.files:
                found[path] = folder.files[path]
                for line in found[path].decode("utf-8", "replace").splitlines():
                    left += (posixpath.normpath(posixpath.join(place, value)) for value in _VALUE.findall(line))
    return found


def digest(files: dict[str, bytes]) -> str:
    """SHA-256 of the files' list, as the option files_sha256 describes it."""
    lines = [f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def checked(options: Mapping[str, Any]) -> Folder:
    """Download the archive and compare its files with their checksum."""
    try:
        archive = fetch(options["url"], MOST_ARCHIVE, silence=options["timeout"])
    except TransportError as error:
        raise Stop(f"it cannot be fetched: {error}") from None
    folder = pick(archive, options["folder"])
    found = digest(folder.files)
    if found != options["files_sha256"]:
        raise Stop(f"its files have the checksum {found}, and not the expected {options['files_sha256']}")
    return folder


def build(system: System, options: Mapping[str, Any]) -> str:
    """Download, check, build."""
    folder, overlay = checked(options), options["overlay"]
    if options["kustomization"]:
        overlay = OWN_FOLDER
        # kustomize reads JSON, which is YAML, too.
        folder.files[f"{overlay}/kustomization.yaml"] = json.dumps(options["kustomization"], indent=1).encode()
    loose = not_pinned(folder.files, read_by(folder, overlay))
    if loose:
        raise Stop(
            f"its kustomization takes {loose[0]}, which may change tomorrow; name a commit there,"
            " as ?ref= and its 40 digits"
        )
    with tempfile.TemporaryDirectory() as place:
        try:
            lay_out(folder, place)
        except OSError as error:
            raise Stop(f"the archive's files cannot be unpacked: {error}") from None
        done = system.call(["kubectl", "kustomize", os.path.join(place, overlay)])
    if done.code:
        links = f" (links that point outside its folder were left out: {', '.join(folder.left_out)})"
        raise Stop(f"kustomize failed: {done.errors.strip()}{links if folder.left_out else ''}")
    if not any(line.startswith("kind:") for line in done.output.splitlines()):
        raise Stop("kustomize built no object from it")
    return done.output


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Build, and change nothing."""
    if not system.program("kubectl"):
        if check:
            return {"changed": False, "manifests": "", "msg": "They would be built, once kubectl is installed."}
        raise Stop("There is no kubectl on this machine: the role kubeadm installs it.")
    try:
        return {"changed": False, "manifests": build(system, options)}
    except Stop as error:
        raise Stop(f"{options['url']}: {error}.") from None
