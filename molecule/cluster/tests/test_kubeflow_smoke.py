# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubeflow as its users meet it: models are trained by both operators and served, and a notebook keeps its files."""

from __future__ import annotations

import json
from pathlib import Path

from lab_cluster import Cluster, run_playbook

CLUSTER = Cluster("cluster")
INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
PROOFS = ["storage", "metrics", "tfjob", "trainjob", "serve", "notebook"]


def test_every_component_does_what_it_is_there_for(tmp_path):
    results = tmp_path / "results.json"
    output = run_playbook(
        INVENTORY, "playbooks/kubeflow.yml", "--tags", "smoke", "-e", f"kubeflow_smoke_results={results}"
    )
    told = json.loads(results.read_text())
    assert [result["proof"] for result in told] == PROOFS
    assert all(result["ok"] for result in told), told
    assert "3 members" in next(result["seen"] for result in told if result["proof"] == "trainjob")
    for proof in PROOFS:
        assert f"{proof} " in output, "the table is printed"
    assert not CLUSTER.kubectl("get", "namespace", "kubeflow-smoke", "--ignore-not-found").strip()
    assert not CLUSTER.objects("pods", "--namespace=jupyterhub", "--selector=component=singleuser-server")


def test_a_component_that_does_not_work_is_named(tmp_path):
    """A proof must be able to fail: an image that does not exist is reported with the Pod's own reason."""
    results = tmp_path / "results.json"
    output = run_playbook(
        INVENTORY,
        *("playbooks/kubeflow.yml", "--tags", "smoke", "-e", f"kubeflow_smoke_results={results}"),
        *("-e", "kubeflow_smoke_image=docker.io/library/no-such-image:1", "-e", "kubeflow_smoke_timeout=20"),
        *("-e", '{"kubeflow_components": ["local-path"]}'),
        ok=False,
    )
    assert "Not proven: storage." in output
    [result] = json.loads(results.read_text())
    assert not result["ok"]
    assert "no-such-image" in result["seen"]
