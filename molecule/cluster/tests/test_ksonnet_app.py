# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app of ksonnet is declared, rendered with libraries made from the cluster itself, and pushed to that cluster."""

from __future__ import annotations

from lab_cluster import Cluster, run_playbook


def test_an_app_gets_to_the_cluster_and_a_second_time_nothing_changes() -> None:
    run_playbook(
        *("localhost,", "tests/integration/ksonnet/push.yml"),
        *("-e", f"kubeconfig={Cluster('cluster').kubeconfig}"),
        *("-e", "image=registry.k8s.io/pause:3.10.2 replicas=1"),
    )
