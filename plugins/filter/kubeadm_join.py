# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubeadm_join
short_description: Reads the join command that kubeadm printed
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Finds the C(kubeadm join) command in what C(kubeadm init) or C(kubeadm token create --print-join-command) printed,
    or in a copy of it from a chat or a terminal, and returns its parts.
  - Understands the output of every kubeadm from 1.9.7 on.
  - >-
    The result holds the token. Give tasks that use it C(no_log: true).
positional: _input
options:
  _input:
    description: The printed text.
    type: str
    required: true
  control_plane:
    description: Take the command for a further control-plane node rather than the one for a worker.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Join with a command that somebody sent
  ansible.builtin.command:
    argv: "{{ (sent_text | bramble.kube.kubeadm_join).join_command }}"
    creates: /etc/kubernetes/kubelet.conf
  no_log: true # the token is among the arguments
"""

RETURN = r"""
_value:
  description: The parts of the command.
  type: dict
  contains:
    endpoint:
      description: The API server's address, C(host:port).
      type: str
    token:
      description: The bootstrap token.
      type: str
    ca_cert_hash:
      description: The first hash of a CA public key.
      type: str
    ca_cert_hashes:
      description: All of them.
      type: list
      elements: str
    control_plane:
      description: Whether the command is for a control-plane node.
      type: bool
    certificate_key:
      description: The key of the uploaded certificates; empty if the command has none.
      type: str
    join_command:
      description: The command as a list of arguments, in the form that every kubeadm accepts.
      type: list
      elements: str
"""

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.join_command import (
    JoinCommandError,
    parse_join_command,
)


def kubeadm_join(text: str, control_plane: bool = False) -> dict[str, Any]:
    """Read the join command in ``text``; see DOCUMENTATION."""
    if not isinstance(text, str):
        raise AnsibleFilterError(f"bramble.kube.kubeadm_join: the input is a {type(text).__name__}; use text")
    try:
        return parse_join_command(text, control_plane=control_plane).as_dict()
    except JoinCommandError as error:
        raise AnsibleFilterError(f"bramble.kube.kubeadm_join: {error}") from None


class FilterModule:
    """The filter's table, as Ansible wants it."""

    def filters(self) -> dict[str, Any]:
        """Filter names and what they call."""
        return {"kubeadm_join": kubeadm_join}
