#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_token
short_description: Bootstrap tokens, with which machines join a Kubernetes cluster
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Finds a bootstrap token with which a node can join, or creates one, and returns everything a join needs.
  - Lists tokens without their secrets, and deletes tokens.
  - Runs on a control-plane node, as root. Understands every kubeadm from 1.9.7 on.
  - >-
    A token is never printed - a result with a token in it is hidden from every log, as if the task had C(no_log: true),
    but can still be registered. Error messages are shown, and never contain a secret; so do not set C(no_log) on the
    task, or errors are hidden too.
options:
  state:
    description:
      - V(present) finds a usable token, or creates one.
      - V(absent) deletes the token named by O(token_id) or O(token), or all tokens described by O(description).
      - V(list) returns all tokens without their secrets.
    type: str
    choices: [present, absent, list]
    default: present
  min_ttl:
    description: With O(state=present), how long a token must still be valid to be used, such as V(10m) or V(1h30m).
    type: str
    default: 10m
  ttl:
    description:
      - With O(state=present), how long a new token is valid, V(0) for ever.
      - Not shorter than O(min_ttl), or the next run would create another one.
    type: str
    default: 2h
  description:
    description:
      - With O(state=present), the description of a new token. Existing tokens may have any.
      - With O(state=absent), deletes all tokens that have exactly this description.
    type: str
  usages:
    description: What the token must be good for.
    type: list
    elements: str
    choices: [signing, authentication]
    default: [signing, authentication]
  groups:
    description: The groups that a machine with this token belongs to.
    type: list
    elements: str
    default: ['system:bootstrappers:kubeadm:default-node-token']
  token:
    description: With O(state=absent), the whole token to delete. Its id, which is not a secret, is enough; see
      O(token_id).
    type: str
  token_id:
    description: With O(state=absent), the first half of the token to delete.
    type: str
  endpoint:
    description: >-
      The API server's address for the join, as C(host:port). By default the one in O(kubeconfig).
    type: str
  kubeconfig:
    description: The administrator's kubeconfig on this machine.
    type: path
    default: /etc/kubernetes/admin.conf
  executable:
    description: The kubeadm program, by name or path.
    type: path
    default: kubeadm
attributes:
  check_mode:
    description: Says what would be done. If a token would have to be created, the returned one is empty.
    support: full
  diff_mode:
    description: Shows the tokens' ids, never their secrets.
    support: full
seealso:
  - name: Bootstrap tokens
    description: What they are and what they may do.
    link: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

EXAMPLES = r"""
- name: Get a token for the nodes that join in the next minutes
  bramble.kube.kubeadm_token:
    min_ttl: 10m
    ttl: 1h
    description: Made by bramble.kube for joining nodes
  register: join

- name: Join
  ansible.builtin.command:
    argv: "{{ join.join_command }}"
    creates: /etc/kubernetes/kubelet.conf
  no_log: true # the token is among the arguments

- name: Delete the tokens that were made for joining
  bramble.kube.kubeadm_token:
    state: absent
    description: Made by bramble.kube for joining nodes

- name: See which tokens there are
  bramble.kube.kubeadm_token:
    state: list
  register: tokens
"""

RETURN = r"""
token:
  description: The token. Empty in check mode if it would have to be created.
  returned: when O(state=present)
  type: str
  sample: abcdef.****************
token_id:
  description: The public half of the token.
  returned: when O(state=present)
  type: str
  sample: abcdef
expires:
  description: When the token expires, RFC 3339 in UTC; null for never.
  returned: when O(state=present)
  type: str
  sample: "2026-05-01T10:00:00Z"
ca_cert_hash:
  description: The hash of the cluster CA's public key, by which a node recognizes the cluster.
  returned: when O(state=present)
  type: str
  sample: "sha256:2f0c5a40f3b8d9e5c2c2e1f5b7e9d1b1c3a4f5e6d7c8b9a0f1e2d3c4b5a69788"
ca_cert_hashes:
  description: The hashes of all CA certificates, of which there are two while one CA replaces another.
  returned: when O(state=present)
  type: list
  elements: str
endpoint:
  description: The API server's address.
  returned: when O(state=present)
  type: str
  sample: 192.168.13.7:6443
join_command:
  description: The command that joins a worker, as a list of arguments. Empty in check mode without a usable token.
  returned: when O(state=present)
  type: list
  elements: str
tokens:
  description: All tokens, without their secrets.
  returned: when O(state=list)
  type: list
  elements: dict
  contains:
    id:
      description: The public half of the token.
      type: str
    expires:
      description: When the token expires; null for never.
      type: str
    usages:
      description: What the token is good for.
      type: list
      elements: str
    groups:
      description: The groups that a machine with this token belongs to.
      type: list
      elements: str
    description:
      description: The token's description.
      type: str
    usable:
      description: Whether a node can join with it now.
      type: bool
deleted:
  description: The ids of the tokens that were deleted, or would be.
  returned: when O(state=absent)
  type: list
  elements: str
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import bootstrap_token


def main() -> None:
    """Do what is left to do."""
    perform(bootstrap_token)


if __name__ == "__main__":
    main()
