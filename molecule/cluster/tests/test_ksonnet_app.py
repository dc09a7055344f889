# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app of ksonnet is declared, rendered with libraries made from the cluster itself, and pushed to that cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_an_app_gets_to_the_cluster_and_a_second_time_nothing_changes() -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "MOLECULE_"))}
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *("-i", "localhost,", "tests/integration/ksonnet/push.yml"),
            *("-e", f"kubeconfig={ROOT / '.lab' / 'cluster-kubeconfig'}"),
            *("-e", "image=registry.k8s.io/pause:3.10.2 replicas=1"),
        ],
        cwd=ROOT,
        env={**kept, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
