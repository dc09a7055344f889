# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that tries the addresses of package repositories and registries from a host."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable, Mapping
from multiprocessing.pool import ThreadPool
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.http import TransportError, fetch
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import apt_source

URLS = {"type": "list", "elements": "str", "required": True}
OPTIONS = {
    "repositories": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "variable": {"type": "str", "default": ""},
            "urls": URLS,
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
            "urls": URLS,
        },
    },
    "if_needed": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 8},
}
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


def try_repository(system: System, source: Mapping[str, Any], timeout: int) -> dict[str, Any]:
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
        if source.get("apt") and not result["trouble"] and system.program("apt-get"):
            result["refused"] = try_apt(system, source)
        break
    return result


def try_apt(system: System, source: Mapping[str, Any]) -> str:
    """Let the host's own apt read a repository: why it does not take it, "" when it does."""
    options = {**source["apt"], "label": source["name"]}
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


def try_registry(_system: System, source: Mapping[str, Any], timeout: int) -> dict[str, Any]:
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


def run(system: System, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Try all at once."""
    jobs: list[tuple[Callable[..., dict[str, Any]], Mapping[str, Any]]] = [
        *((try_repository, source) for source in options["repositories"] or []),
        *((try_registry, source) for source in options["registries"] or []),
    ]
    with ThreadPool(max(1, len(jobs))) as pool:
        found = pool.map(lambda job: job[0](system, job[1], options["timeout"]), jobs)
    return {"changed": False, "sources": found}
