#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kustomize_build
short_description: Manifests from a release's archive, built with kustomize
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Downloads the archive of a release, takes one folder out of it, checks that its files are the expected ones, and
    runs
    C(kubectl kustomize) on it.
  - >-
    The checksum is of the folder's files and not of the archive, because GitHub promises the same files for a tag,
    but not that it
    will always pack them the same way.
  - What a C(kustomization.yaml) of the build takes from elsewhere must be pinned to a commit of 40 hexadecimal digits,
    as C(?ref=COMMIT) or in its path. Anything else may be another thing tomorrow, and is refused by its name. What the
    kustomization of such a commit takes from elsewhere itself is not looked at.
  - Runs where kubectl is, such as on the master; needs no root.
options:
  url:
    description: Address of a C(.tar.gz) archive.
    type: str
    required: true
  folder:
    description: Folder to take, below the archive's one top folder.
    type: str
    default: manifests
  overlay:
    description: Folder with the C(kustomization.yaml) to build, below the archive's top folder.
    type: str
  kustomization:
    description:
      - Contents of a C(kustomization.yaml) to build in place of O(overlay). It lies in a folder of its own beside
        O(folder), so that it names what it takes as C(../manifests/base).
    type: dict
  files_sha256:
    description:
      - SHA-256 of the list of O(folder)'s files, one line for each file in the order of their names - the file's own
        SHA-256, two
        blanks, and its path from the archive's top folder.
      - C(find manifests -type f | LC_ALL=C sort | xargs sha256sum | sha256sum) in an unpacked archive prints it.
      - Symbolic links are not listed; one that leads out of O(folder), to files that are not listed either, is left
        out.
    type: str
    required: true
  timeout:
    description: Seconds to wait for the server.
    type: int
    default: 60
attributes:
  check_mode:
    description:
      - Builds all the same, because it changes nothing; where kubectl is not installed yet, the result is empty.
    support: full
  diff_mode:
    description: Nothing is changed, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Build the training operator's manifests
  bramble.kube.kustomize_build:
    url: https://github.com/kubeflow/training-operator/archive/refs/tags/v1.8.1.tar.gz
    overlay: manifests/overlays/standalone
    files_sha256: ae96d307f934dac233293eda102457e6b76be9133adb467f0f4bf2bf50ac0119
  register: built

- name: Build parts of a release with a kustomization of your own
  bramble.kube.kustomize_build:
    url: https://github.com/kubeflow/trainer/archive/refs/tags/v2.0.0.tar.gz
    kustomization:
      namespace: kubeflow-system
      resources: [../manifests/base/crds, ../manifests/base/rbac]
    files_sha256: ae96d307f934dac233293eda102457e6b76be9133adb467f0f4bf2bf50ac0119
  register: built
"""

RETURN = r"""
manifests:
  description: The manifests as YAML text. Empty in check mode where kubectl is not installed yet.
  returned: always
  type: str
"""

import hashlib
import io
import json
import os
import posixpath
import re
import shutil
import tarfile
import tempfile
from collections.abc import Collection
from typing import NamedTuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.http import TransportError, fetch

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


def build(module: AnsibleModule, kubectl: str) -> str:
    """Download, check, build."""
    url = module.params["url"]
    try:
        archive = fetch(url, MOST_ARCHIVE, silence=module.params["timeout"])
    except TransportError as error:
        raise Stop(f"it cannot be fetched: {error}") from None
    folder = pick(archive, module.params["folder"])
    found = digest(folder.files)
    if found != module.params["files_sha256"]:
        raise Stop(f"its files have the checksum {found}, and not the expected {module.params['files_sha256']}")
    overlay = module.params["overlay"]
    if module.params["kustomization"]:
        overlay = OWN_FOLDER
        # kustomize reads JSON, which is YAML, too.
        folder.files[f"{overlay}/kustomization.yaml"] = json.dumps(module.params["kustomization"], indent=1).encode()
    loose = not_pinned(folder.files, read_by(folder, overlay))
    if loose:
        raise Stop(
            f"its kustomization takes {loose[0]}, which may be another thing tomorrow; name a commit there,"
            " as ?ref= and its 40 digits"
        )
    place = tempfile.mkdtemp(dir=module.tmpdir)
    try:
        lay_out(folder, place)
        code, output, error = module.run_command([kubectl, "kustomize", os.path.join(place, overlay)])
    except OSError as error:
        raise Stop(f"the archive's files cannot be laid out: {error}") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if code:
        links = f" (links that lead out of its folder were left out: {', '.join(folder.left_out)})"
        raise Stop(f"kustomize failed: {error.strip()}{links if folder.left_out else ''}")
    if not any(line.startswith("kind:") for line in output.splitlines()):
        raise Stop("kustomize built no object from it")
    return output


def main() -> None:
    """Read the options, build, report."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "folder": {"type": "str", "default": "manifests"},
            "overlay": {"type": "str"},
            "kustomization": {"type": "dict"},
            "files_sha256": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 60},
        },
        required_one_of=[("overlay", "kustomization")],
        mutually_exclusive=[("overlay", "kustomization")],
        supports_check_mode=True,
    )
    kubectl = module.get_bin_path("kubectl")
    if kubectl is None:
        if module.check_mode:
            module.exit_json(changed=False, manifests="", msg="They would be built, once kubectl is installed.")
        module.fail_json(msg="There is no kubectl on this machine: the role kubeadm installs it.")
    try:
        module.exit_json(changed=False, manifests=build(module, kubectl))
    except Stop as error:
        module.fail_json(msg=f"{module.params['url']}: {error}.")


if __name__ == "__main__":
    main()
