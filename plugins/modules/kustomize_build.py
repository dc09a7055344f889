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
import shutil
import tarfile
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop

OWN_FOLDER = "bramble"  # where a kustomization of the user's lies


def pick(archive: bytes, folder: str) -> dict[str, bytes]:
    """Read the regular files of one folder of a .tar.gz archive, by their path below the archive's top folder.

    :raises Stop: when the archive is damaged, has no such folder, or names a file outside of itself.
    """
    files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for member in tar:
                path = member.name.partition("/")[2]
                if not member.isfile() or not path.startswith(folder.rstrip("/") + "/"):
                    continue
                if ".." in path.split("/"):
                    raise Stop(f"the archive names a file outside of itself: {member.name}")
                files[path] = tar.extractfile(member).read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Stop(f"the archive is damaged: {error}") from None
    if not files:
        raise Stop(f"the archive has no folder {folder}")
    return files


def digest(files: dict[str, bytes]) -> str:
    """SHA-256 of the files' list, as the option files_sha256 describes it."""
    lines = [f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def build(module: AnsibleModule, kubectl: str) -> str:
    """Download, check, build."""
    url = module.params["url"]
    try:
        archive = open_url(url, timeout=module.params["timeout"]).read()
    except (OSError, ValueError) as error:
        raise Stop(f"it cannot be fetched: {getattr(error, 'reason', error)}") from None
    files = pick(archive, module.params["folder"])
    found = digest(files)
    if found != module.params["files_sha256"]:
        raise Stop(f"its files have the checksum {found}, and not the expected {module.params['files_sha256']}")
    place = tempfile.mkdtemp(dir=module.tmpdir)
    overlay = module.params["overlay"]
    if module.params["kustomization"]:
        overlay = OWN_FOLDER
        # kustomize reads JSON, which is YAML, too.
        files = {**files, f"{overlay}/kustomization.yaml": json.dumps(module.params["kustomization"]).encode()}
    try:
        for path, content in files.items():
            target = os.path.join(place, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(content)
        code, output, error = module.run_command([kubectl, "kustomize", os.path.join(place, overlay)])
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if code:
        raise Stop(f"kustomize failed: {error.strip()}")
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
