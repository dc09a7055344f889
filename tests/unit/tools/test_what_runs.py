# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a component asks for by its entry, and how many Pis of a size that takes."""

from __future__ import annotations

from what_runs import asked, runs_on, table

from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import load

ENTRIES = [
    {
        "name": "storage",
        "line": "x",
        "engine": "manifests",
        "source": {"path": "x"},
        "workloads": [{"name": "s", "memory": "64Mi"}],
    },
    {
        "name": "pipelines",
        "line": "x",
        "engine": "manifests",
        "source": {"path": "x"},
        "needs": {"components": ["storage"], "storage": "20Gi"},
        "workloads": [
            {"name": "api", "cpu": "250m", "memory": "1Gi"},
            {"name": "pictures", "pods": 2, "memory": "500Mi"},
            {"name": "watch", "kind": "DaemonSet", "memory": "32Mi"},
        ],
        "small": [
            {"name": "api", "requests": {"memory": "128Mi"}},
            {"name": "pictures", "replicas": 0},
        ],
    },
]
CATALOGUE = load(ENTRIES)
MIB = 1024**2


def test_tuning_lowers_what_is_asked():
    assert asked(CATALOGUE["pipelines"], small=False) == (4, 250, (1024 + 1000 + 32) * MIB)
    assert asked(CATALOGUE["pipelines"], small=True) == (2, 250, (128 + 32) * MIB)


def test_more_pis_or_larger_ones_make_room():
    assert not runs_on(CATALOGUE, ["pipelines"], 1, small=False, count=3)
    assert runs_on(CATALOGUE, ["pipelines"], 1, small=True, count=2)
    assert runs_on(CATALOGUE, ["pipelines"], 4, small=False, count=1)


def test_a_pi_with_1_gb_is_no_control_plane():
    assert not runs_on(CATALOGUE, ["storage"], 1, small=True, count=1)
    assert runs_on(CATALOGUE, ["storage"], 2, small=True, count=1)


def test_the_table_has_a_line_for_each_component_and_set():
    lines = table(CATALOGUE, {"both": ["pipelines"]})
    assert lines[0].count("|") == lines[1].count("|") == lines[3].count("|")
    assert lines[2] == "| `storage` | 1 | 0 | 64 MiB |  | 2 | 1 | 1 | 1 | 1 | no |"
    assert lines[3].startswith("| `pipelines` | 2 | 250m | 160 MiB | 20 GiB |")
    assert lines[4].startswith("| **both** | 3 |")
