# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The addresses that a host needs for packages and images, from the roles' variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import NETWORKS

Setting = Callable[[str], Any]


def _folder(url: Any) -> str:
    return str(url).rstrip("/") + "/"


def _for_apt(setting: Setting, settings: str, suite: str, components: list[str]) -> dict[str, Any] | None:
    """What the module apt_source will be told of a repository, None where its key is not known."""
    key_url, trusted = setting(f"{settings}_key_url"), setting(f"{settings}_key_fingerprints")
    if not key_url or not trusted:
        return None
    return {
        "url": str(setting(f"{settings}_repository")),
        "suite": suite,
        "components": components,
        "key_url": str(key_url),
        "key_fingerprints": list(map(str, trusted)),
        "settings": settings,
    }


def repositories(setting: Setting, codename: str) -> list[dict[str, Any]]:
    """List the package repositories.

    :param setting: gives the value of a role variable, or None.
    :param codename: the OS release, as Docker's repository names it.
    """
    found = []
    if setting("kubeadm_apt_repository"):
        folder = _folder(setting("kubeadm_apt_repository"))
        found.append(
            {
                "name": "the Kubernetes package repository",
                "variable": "kubeadm_apt_repository",
                "urls": [folder + "Packages", folder + "Packages.gz"],
                "package": "kubeadm",
                "version": str(setting("kubeadm_version") or ""),
                "apt": _for_apt(setting, "kubeadm_apt", suite="/", components=[]),
            }
        )
    if setting("docker_edition") == "ce" and setting("docker_apt_repository") and codename:
        index = f"{_folder(setting('docker_apt_repository'))}dists/{codename}/"
        found.append(
            {
                "name": "the Docker package repository",
                "variable": "docker_apt_repository",
                "urls": [index + "InRelease", index + "Release"],
                "apt": _for_apt(setting, "docker_apt", suite=codename, components=["stable"]),
            }
        )
    return found


def registries(setting: Setting) -> list[dict[str, Any]]:
    """List the image registries, each with its mirrors first, as containerd tries them."""
    names = ["registry.k8s.io"]
    network = NETWORKS.get(setting("kubeadm_cni"))
    names += network.registries if network else ()
    mirrors = setting("docker_registry_mirrors") or {}
    return [
        {
            "name": f"the image registry {name}",
            "variable": "docker_registry_mirrors",
            "urls": [*map(str, mirrors.get(name) or ()), f"https://{name}"],
        }
        for name in names
    ]


def is_finished(facts: Mapping[str, Any], version: str) -> bool:
    """Tell whether a host is in a cluster with this Kubernetes release already, and so needs nothing from outside.

    :param facts: the facts of bramble.kube.pi_facts.
    """
    kubelet = (facts.get("pi_packages") or {}).get("kubelet") or {}
    in_cluster = bool((facts.get("pi_kubernetes") or {}).get("kubelet_server"))
    return in_cluster and str(kubelet.get("version", "")).partition("-")[0] == version
