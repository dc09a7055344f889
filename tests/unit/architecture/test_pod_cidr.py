"""The default Pod network is written in one place, and described in one."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
DEFAULT = yaml.safe_load((ROOT / "roles/kubeadm/defaults/main.yml").read_text())["kubeadm_pod_cidr"]


def test_the_argument_spec_says_what_the_default_is():
    spec = yaml.safe_load((ROOT / "roles/kubeadm/meta/argument_specs.yml").read_text())
    assert spec["argument_specs"]["main"]["options"]["kubeadm_pod_cidr"]["default"] == DEFAULT


def test_no_role_or_playbook_has_a_copy():
    known = {ROOT / "roles/kubeadm/defaults/main.yml", ROOT / "roles/kubeadm/meta/argument_specs.yml"}
    files = [
        path for top in ("roles", "playbooks", "inventories") for path in (ROOT / top).rglob("*") if path.is_file()
    ]
    copies = [path for path in files if path not in known and DEFAULT in path.read_text(errors="replace")]
    assert copies == []
