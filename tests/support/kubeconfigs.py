# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubeconfigs as kubeadm and kubelets write them, shortened."""

from __future__ import annotations

import base64

SERVER = "https://192.168.13.7:6443"


def kubeconfig(ca: str = "", server: str = SERVER, ca_file: str = "", user: str = "{}") -> str:
    """One with a CA inside, or in a file.

    :param ca: a certificate.
    :param user: what the user has, as YAML on one line.
    """
    authority = f"-data: {base64.b64encode(ca.encode()).decode()}" if ca else f": {ca_file}"
    return f"""apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority{authority}
    server: {server}
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: admin
  name: admin
current-context: admin
users:
- name: admin
  user: {user}
"""
