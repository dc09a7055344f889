#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: source_probe
short_description: Tries whether a host reaches the addresses of packages and images
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Reads the index of each package repository and knocks at each image registry, all at once, from the host itself.
    Downloads no package and no image, and changes nothing.
  - An address that does not answer is no failure of the module. What is wrong with it is in the result.
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
        description: Addresses of its index, in several forms. The first that is there is read.
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
          - What M(bramble.kube.apt_source) is told of it. With this, the host's own apt reads the repository in a
            folder apart, where the host has apt.
          - When it refuses how a Kubernetes minor release is signed, the next ones are tried, and the first that it
            takes is named.
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
      Try nothing from a host that is in a cluster with the wanted Kubernetes release already, by the facts of
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
      description: Why the host's apt does not take it, in a sentence; empty when it does or was not asked.
      type: str
    unknown_release:
      description: Whether it answered, but does not have the wanted release.
      type: bool
    version:
      description: The wanted release.
      type: str
    known:
      description: The releases that it has, in their order.
      type: list
      elements: str
"""

import gzip
import io
import re
import shutil
import zlib
from multiprocessing.pool import ThreadPool

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.common.http import TransportError, fetch
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import apt_source

MINORS = 15  # of Kubernetes that are tried after one that this OS refuses
MOST_INDEX = 64 * 1024 * 1024  # bytes


def packaged_releases(index: str, package: str) -> list[str]:
    """Find the releases of a package in an apt index (deb-src(5), "Packages").

    :returns: releases without the packaging's own number ("1.37.2" of "1.37.2-1.1"), sorted by their numbers.
    """
    found = set()
    for paragraph in re.split(r"\n\s*\n", index):
        fields = dict(re.findall(r"^(Package|Version):[ \t]*(\S+)", paragraph, re.MULTILINE))
        if fields.get("Package") == package and "Version" in fields:
            found.add(fields["Version"].partition("-")[0].rpartition(":")[2])
    return sorted(found, key=lambda release: [int(number) for number in re.findall(r"\d+", release)])


def read(url: str, timeout: int) -> str:
    """Get a text, unpacked if it is gzip."""
    data = fetch(url, MOST_INDEX, silence=timeout)
    if data[:2] == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacked:
            data = unpacked.read(MOST_INDEX)
    return data.decode("utf-8", "replace")


def try_repository(source: dict, timeout: int) -> dict:
    """Read a repository's index, and look for the wanted release in it."""
    result = {"name": source["name"], "variable": source["variable"], "version": source["version"] or "", "known": []}
    for url in source["urls"]:
        result.update(url=url, trouble="", unknown_release=False, refused="")
        try:
            index = read(url, timeout)
        except (TransportError, OSError, EOFError, zlib.error) as error:
            missing = isinstance(error, TransportError) and error.status in (403, 404)
            trouble = str(error) if isinstance(error, TransportError) else "its index is damaged"
            result.update(trouble=trouble, unknown_release=bool(missing and source["version"]))
            if missing:
                continue
            break
        if source["package"] and source["version"]:
            result["known"] = packaged_releases(index, source["package"])
            if source["version"] not in result["known"]:
                result.update(trouble="this release is not there", unknown_release=True)
        if source.get("apt") and not result["trouble"] and shutil.which("apt-get"):
            result["refused"] = try_apt(source)
        break
    return result


def try_apt(source: dict) -> str:
    """Let the host's own apt read a repository: why it does not take it, "" when it does."""
    options = {**source["apt"], "label": source["name"]}
    system = System()
    why, lasting = apt_source.verdict(system, options)
    minor = re.search(r"/v1\.(\d+)/", options["url"])
    if not (why and lasting and minor and "no longer accepts" in why):
        return why
    for newer in range(int(minor.group(1)) + 1, int(minor.group(1)) + MINORS):
        addresses = {name: options[name].replace(minor.group(0), f"/v1.{newer}/") for name in ("url", "key_url")}
        trouble, _lasting = apt_source.verdict(system, {**options, **addresses})
        if not trouble:
            return f"{why} The oldest release after it that this OS takes is 1.{newer}."
        if "no longer accepts" not in trouble:
            break
    return why


def try_registry(source: dict, timeout: int) -> dict:
    """Knock at a registry (OCI distribution specification, end-1); one that wants a login is there, too."""
    result = {
        "name": source["name"],
        "variable": source["variable"],
        "version": "",
        "known": [],
        "unknown_release": False,
    }
    for url in source["urls"]:
        result.update(url=url, trouble="")
        try:
            fetch(url.rstrip("/") + "/v2/", MOST_INDEX, timeout=timeout)
        except TransportError as error:
            if error.status in (401, 403):
                break
            result["trouble"] = str(error)
            continue
        break
    return result


def main() -> None:
    """Entry point."""
    urls = {"type": "list", "elements": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            "repositories": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "variable": {"type": "str", "default": ""},
                    "urls": urls,
                    "package": {"type": "str"},
                    "version": {"type": "str"},
                    "apt": {
                        "type": "dict",
                        "options": {
                            "url": {"type": "str", "required": True},
                            "suite": {"type": "str", "required": True},
                            "components": {"type": "list", "elements": "str", "default": []},
                            "key_url": {"type": "str", "required": True, "no_log": False},
                            "key_fingerprints": {"type": "list", "elements": "str", "required": True, "no_log": False},
                            "settings": {"type": "str", "required": True},
                        },
                    },
                },
            },
            "registries": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "variable": {"type": "str", "default": "docker_registry_mirrors"},
                    "urls": urls,
                },
            },
            "if_needed": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 8},
        },
        supports_check_mode=True,
    )
    timeout = module.params["timeout"]
    jobs = [(try_repository, source) for source in module.params["repositories"] or []]
    jobs += [(try_registry, source) for source in module.params["registries"] or []]
    with ThreadPool(max(1, len(jobs))) as pool:
        results = pool.map(lambda job: job[0](job[1], timeout), jobs)
    module.exit_json(changed=False, sources=results)


if __name__ == "__main__":
    main()
