# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The static Pods that kubeadm makes of a control plane, as their manifests show them."""

from __future__ import annotations

import re

MANIFESTS = "/etc/kubernetes/manifests"
API_SERVER = MANIFESTS + "/kube-apiserver.yaml"
#: The control plane's static Pods, in the order in which kubeadm replaces them.
STATIC_PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_IMAGE = re.compile(r"^\s*(?:- )?image:\s*[\"']?(\S+?)[\"']?\s*$", re.MULTILINE)


def image_tag(manifest: str) -> str:
    """The tag of the first image in a static Pod's manifest, without its v; "" when there is none."""
    found = _IMAGE.search(manifest)
    return found.group(1).rpartition(":")[2].removeprefix("v") if found else ""
