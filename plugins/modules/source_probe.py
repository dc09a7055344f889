#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: source_probe
short_description: Checks whether a host reaches the addresses of packages and images
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Reads the index of each package repository and contacts each image registry, all at once, from the host itself.
    Downloads no package and no image, and changes nothing.
  - An address that does not answer does not fail the module. What is wrong with it is in the result.
options:
  repositories:
    description:
      - Package repositories to try.
      - By default those of the roles' variables O(ignore:kubeadm_apt_repository) and, with
        O(ignore:docker_edition=ce), O(ignore:docker_apt_repository).
    type: list
    elements: dict
    suboptions:
      name:
        description: What it is, in words.
        type: str
        required: true
      variable:
        description: The variable that its address comes from.
        type: str
        default: ''
      urls:
        description: Addresses of its index, in several forms. The first that exists is read.
        type: list
        elements: str
        required: true
      package:
        description: A package that its index must list.
        type: str
      version:
        description: The release of O(repositories[].package) that must be there, without the packaging's own number.
        type: str
      apt:
        description:
          - The options for M(bramble.kube.apt_source). With this, the host's own apt, if it has one, reads the
            repository in a separate folder.
          - If it refuses the signature of a Kubernetes minor release, the next ones are tried, and the first that it
            accepts is named.
        type: dict
        suboptions:
          url:
            description: Its address.
            type: str
            required: true
          suite:
            description: Its suite.
            type: str
            required: true
          components:
            description: Parts of the suite.
            type: list
            elements: str
            default: []
          key_url:
            description: Address of its key.
            type: str
            required: true
          key_fingerprints:
            description: Fingerprints of the keys that are trusted.
            type: list
            elements: str
            required: true
          settings:
            description: What the variables for these begin with.
            type: str
            required: true
  registries:
    description:
      - Image registries to try.
      - By default registry.k8s.io and, with O(ignore:kubeadm_cni=flannel), ghcr.io, each through its mirrors in
        O(ignore:docker_registry_mirrors).
    type: list
    elements: dict
    suboptions:
      name:
        description: The registry's name.
        type: str
        required: true
      variable:
        description: The variable that its address comes from.
        type: str
        default: docker_registry_mirrors
      urls:
        description: Addresses of the registry and its mirrors. One that answers is enough.
        type: list
        elements: str
        required: true
  if_needed:
    description: >-
      Try nothing from a host that is already in a cluster with the wanted Kubernetes release, according to
      M(bramble.kube.pi_facts).
    type: bool
    default: false
  timeout:
    description: How long to wait for an answer, in seconds.
    type: int
    default: 8
attributes:
  check_mode:
    description: Never changes anything.
    support: full
  diff_mode:
    description: Never changes anything.
    support: none
"""

EXAMPLES = r"""
- name: Try the addresses that the roles will need
  bramble.kube.source_probe:
  register: sources
"""

RETURN = r"""
sources:
  description: One entry for each repository and registry.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: What it is.
      type: str
    url:
      description: The address that was tried last.
      type: str
    variable:
      description: The variable that the address comes from.
      type: str
    trouble:
      description: What is wrong; empty if it answered.
      type: str
    refused:
      description: Why the host's apt does not accept it, in a sentence; empty if it does or was not asked.
      type: str
    unknown_release:
      description: Whether it answered, but does not have the wanted release.
      type: bool
    version:
      description: The wanted release.
      type: str
    known:
      description: The releases that it has, in order.
      type: list
      elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.preflight import probe


def main() -> None:
    """Do what is left to do."""
    perform(probe)


if __name__ == "__main__":
    main()
