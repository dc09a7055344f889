# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Digests of the images that the catalogue and the roles name: of the index, which has all architectures.

``tools/catalogue --digests`` asks the registries and writes this file; with ``--check`` it only compares. The first
digests come from lists that their publishers keep (github.com/kubernetes/k8s.io, github.com/docker-library/repo-info)
and from public repositories that pin the same image: each is in such a list, or in two or more that do not depend on
each other.
"""

from __future__ import annotations

#: Image in full → digest of its index. An image that is not here is used by its tag alone.
DIGESTS: dict[str, str] = {
    "docker.io/library/busybox:latest": "sha256:dc2d74b28e4cf8984fa52af1f39bc7c3d9c73760b41a74d629f5d11b1ab28616",
    "docker.io/library/mysql:8.0.29": "sha256:152cf187a3efc56afb0b3877b4d21e231d1d6eb828ca9221056590b0ac834c75",
    "docker.io/library/mysql:8.3": "sha256:9de9d54fecee6253130e65154b930978b1fcc336bcc86dfd06e89b72a2588ebe",
    "docker.io/library/mysql:8.4": "sha256:6ea90827b1100f8f2ae306a539f86d2c264a26ed435a2a9f75551dd5c3aeb242",
    "docker.io/library/traefik:v3.7.13": "sha256:24841fe2de7304c149343d877d2923b4c8800a38ba015dea9174c23b20e344a0",
    "docker.io/rancher/local-path-provisioner:v0.0.30": (
        "sha256:9b914881170048f80ae9302f36e5b99b4a6b18af73a38adc1c66d12f65d360be"
    ),
    "registry.k8s.io/jobset/jobset:v0.8.2": "sha256:a25804af6def03d794c218930176c5dac12b5de06a450e38b8a15143a6fd0071",
    "registry.k8s.io/metrics-server/metrics-server:v0.9.0": (
        "sha256:d9862115e7c7881280d3d75ca26bda8ffc0fc213315979575bf23ce9826205c0"
    ),
}
