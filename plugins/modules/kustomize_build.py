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
    The checksum covers the folder's files and not the archive, because GitHub promises the same files for a tag,
    but not that it will
    always pack them the same way.
  - What a C(kustomization.yaml) of the build takes from elsewhere must be pinned to a commit of 40 hexadecimal digits,
    as C(?ref=COMMIT) or in its path. Anything else may change tomorrow, and is refused by name. What the kustomization
    of such a commit itself takes from elsewhere is not checked.
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
      - Contents of a C(kustomization.yaml) to build instead of O(overlay). It is in a folder of its own beside
        O(folder), so it refers to what it uses as C(../manifests/base).
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
      - Builds, because that changes nothing; where kubectl is not installed yet, the result is empty.
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

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.manifests import kustomize


def main() -> None:
    """Do what is left to do."""
    perform(kustomize)


if __name__ == "__main__":
    main()
