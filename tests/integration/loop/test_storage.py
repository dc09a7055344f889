# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without a default StorageClass the loop's programs would wait forever: the role says so first."""

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


def checked(folder: Path, kubeconfig: object, *arguments: str) -> subprocess.CompletedProcess[str]:
    role = {"name": "bramble.kube.loop", "tasks_from": "check", "rolespec_validate": False}
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
