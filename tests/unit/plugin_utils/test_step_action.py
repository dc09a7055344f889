# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step done in Ansible's own process says what its module says, which a variable in the environment starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_cluster import run_playbook

PLAY = """\
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {{ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"}}
  tasks:
    - bramble.kube.{name}: {arguments}
      register: here
      ignore_errors: true
    - bramble.kube.{name}: {arguments}
      environment: {{ANY: thing}}
      register: there
      ignore_errors: true
    - ansible.builtin.assert:
        that: here[item] | default('') == there[item] | default('')
      loop: [changed, failed, msg, cluster, nodes, approved, refused]
"""
CASES = [
    ("cluster_status", "{kubeconfig: /nowhere/config}"),
    ("node_marks", "{kubeconfig: /nowhere/config, nodes: {k8s-node1: {labels: {a: b}}}}"),
    ("node_marks", "{kubeconfig: /nowhere/config, nodes: {k8s-node1: {labels: {'a b': c}}}}"),
    ("kubelet_serving", "{kubeconfig: /nowhere/config, nodes: {k8s-node1: [192.168.13.8]}}"),
    ("kubelet_serving", "{kubeconfig: /nowhere/config, nodes: {k8s-node1: [nowhere]}}"),
]


@pytest.mark.parametrize(("name", "arguments"), CASES)
@pytest.mark.parametrize("check", [False, True])
def test_both_ways_say_the_same(tmp_path: Path, name: str, arguments: str, check: bool) -> None:
    (tmp_path / "play.yml").write_text(PLAY.format(name=name, arguments=arguments))
    run_playbook("localhost,", str(tmp_path / "play.yml"), *(["--check"] if check else []))
