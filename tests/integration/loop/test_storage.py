# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without a default StorageClass, or room on the nodes, the programs would wait forever: the role says so first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from loop_api import PEOPLE

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[3]
DEFAULT = "storageclass.kubernetes.io/is-default-class"


def checked(
    folder: Path, kubeconfig: object, *arguments: str, tasks: str = "check"
) -> subprocess.CompletedProcess[str]:
    role = {"name": "bramble.kube.loop", "tasks_from": tasks, "rolespec_validate": False}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "connection": "local",
        "vars": {"loop_models": [{"name": "digits"}], "people": PEOPLE, "loop_kubeconfig": str(kubeconfig)},
        "tasks": [{"ansible.builtin.import_role": role}],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", folder / "play.yml", *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_cluster_without_a_default_storage_class_is_refused(api, tmp_path):
    def storage_class(name: str, default: str) -> None:
        made = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "example.org/none"}
        api.kubectl(
            "apply", "-f", "-", text=json.dumps({**made, "metadata": {"name": name, "annotations": {DEFAULT: default}}})
        )

    try:
        assert checked(tmp_path, api.kubeconfig, "--check").returncode == 0, "what only an earlier step would bring"
        storage_class("slow", "false")
        refused = checked(tmp_path, api.kubeconfig)
        assert refused.returncode == 2
        assert "no default StorageClass, so the loop's volume would wait forever" in " ".join(refused.stdout.split())
        storage_class("slow", "true")
        done = checked(tmp_path, api.kubeconfig)
        assert done.returncode == 0, done.stdout
    finally:
        api.kubectl("delete", "storageclass", "slow", "--ignore-not-found")


def test_what_does_not_fit_is_told_before_anything_is_pushed(bare, tmp_path):
    def apply(kind: str, name: str, **more: object) -> None:
        meta = {"name": name, "annotations": {DEFAULT: "true"}}
        bare.kubectl("apply", "-f", "-", text=json.dumps({"kind": kind, "metadata": meta, **more}))

    room = {"cpu": "4", "memory": "900Mi", "pods": "110"}
    before = bare.kubectl("get", "crd,namespaces,validatingadmissionpolicies", "--output=name")
    try:
        apply("StorageClass", "local", apiVersion="storage.k8s.io/v1", provisioner="example.org/none")
        apply("Node", "small", apiVersion="v1", status={"capacity": room, "allocatable": room})
        bare.kubectl("taint", "node", "small", "node.kubernetes.io/not-ready:NoSchedule-")  # no kubelet will
        refused = checked(tmp_path, bare.kubeconfig, tasks="main")
        said = " ".join(refused.stdout.split())
        assert refused.returncode == 2 and "The loop does not fit, so nothing of it was pushed." in said, refused.stdout
        assert "memory left of 900 MiB" in said and "take a model out of loop_models" in said
        assert bare.kubectl("get", "crd,namespaces,validatingadmissionpolicies", "--output=name") == before
    finally:
        bare.kubectl("delete", "storageclass/local", "node/small", "--ignore-not-found")
