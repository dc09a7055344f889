# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same master goes back to its backup; then the whole cluster is taken away, and nothing else. The last tests."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "support"))

from lab_cluster import changes, network_test_image
from troubles import MASTER, NODE, OTHER, Lab, shown, wait

ALL = (MASTER, NODE, OTHER)
#: What kubeadm, the kubelet and the Pod network leave on a machine; each line printed is one thing too much.
REMAINS = r"""
set +e +o pipefail
dpkg-query -W -f '${Package} ${db:Status-Status}\n' kubeadm kubelet kubectl kubernetes-cni | grep -v ' not-installed$'
find /etc/kubernetes /var/lib/etcd /var/lib/kubelet /var/lib/cni /etc/cni/net.d /run/flannel -mindepth 1 2>/dev/null
ls -A /etc/apt/sources.list.d /etc/apt/keyrings | grep kubernetes
ls /home/*/.kube/config /root/.kube/config 2>/dev/null
ip -o link | grep -o -e 'flannel[.][0-9]*' -e 'cni0' -e 'kube-ipvs0' -e 'veth[0-9a-f]*@'
for program in iptables-save ip6tables-save; do $program | grep -e KUBE- -e FLANNEL -e CNI-; done
nft list tables | grep kube-proxy
grep -e /var/lib/kubelet/pods -e /run/netns/cni- /proc/mounts
ctr --namespace k8s.io containers list --quiet
pgrep -l 'kube|etcd|flannel'
true
"""


@pytest.fixture(scope="module")
def lab() -> Lab:
    """The scenario's Pis, or those of the inventory in BRAMBLE_INVENTORY."""
    own = os.environ.get("BRAMBLE_INVENTORY")
    return Lab(Path(own) if own else Path(__file__).resolve().parents[1] / "inventory")


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments of backup.yml and restore.yml: where backups lie, and the password."""
    folder = tmp_path_factory.mktemp("backups")
    (folder / "password").write_text("quiet as a mouse\n")
    (folder / "password").chmod(0o600)
    return ["--vault-password-file", f"{folder}/password", "-e", f"backup_dest={folder}/kept"]


def must(lab: Lab, *arguments: str) -> str:
    """Run a playbook; it has to work."""
    done = lab.play(*arguments)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    return done.stdout


def uid(lab: Lab, node: str) -> str:
    """Which Node object it is."""
    return lab.kubectl("get", "node", node, "--output=jsonpath={.metadata.uid}")


def revision(lab: Lab) -> int:
    """etcd's, as the API server tells it."""
    return int(
        json.loads(lab.kubectl("get", "--raw=/api/v1/namespaces/default/configmaps"))["metadata"]["resourceVersion"]
    )


def test_a_backup_is_tried_in_a_drill_of_which_nothing_stays(lab: Lab, vault: list[str]) -> None:
    lab.kubectl("create", "secret", "generic", "tried", "--from-literal=word=encrypted")
    must(lab, "playbooks/backup.yml", *vault)
    lab.kubectl("delete", "secret", "tried")
    assert "it is whole, and there is room for it" in " ".join(
        must(lab, "playbooks/backup.yml", "--tags", "drill", "--check", *vault).split()
    )
    said = " ".join(must(lab, "playbooks/backup.yml", "--tags", "drill", *vault).split())
    assert "can be restored:" in said
    assert "secrets: " in said
    assert lab.on(MASTER, "ls -d /var/lib/bramble.kube/drill /etc/tmpfiles.d/bramble-drill.conf", check=False) == ""
    assert lab.on(MASTER, "ctr -n k8s.io containers list -q | grep bramble-", check=False) == ""
    assert lab.on(MASTER, "systemctl list-timers --all | grep bramble-drill", check=False) == ""
    assert lab.kubectl("get", "secret", "tried", "--ignore-not-found") == "", "the drill has touched the cluster"
    assert "last drill with a backup: 20" in shown(lab.status())


def test_the_same_master_goes_back_to_its_backup(lab: Lab, vault: list[str]) -> None:
    lab.kubectl("create", "configmap", "before", "--from-literal=word=kept")
    nodes = {node: uid(lab, node) for node in ALL}
    must(lab, "playbooks/backup.yml", *vault)
    lab.kubectl("delete", "configmap", "before")
    lab.kubectl("create", "configmap", "after", "--from-literal=word=lost")
    must(lab, "playbooks/restore.yml", *vault)
    first = revision(lab)
    must(lab, "playbooks/restore.yml", *vault)
    assert revision(lab) > first + 10**8, "a second restore does not begin above the first"
    assert lab.kubectl("get", "configmap", "before", "--output=jsonpath={.data.word}") == "kept"
    assert lab.kubectl("get", "configmap", "after", "--ignore-not-found") == ""
    assert {node: uid(lab, node) for node in ALL} == nodes, "a node joined anew"
    lab.kubectl("delete", "configmap", "before")
    # What watches has noticed: a new Pod gets an address, and its end is followed up.
    lab.pod("anew", network_test_image(), "pause", node=OTHER)
    ready = "--output=jsonpath={.status.phase}"
    wait("a new Pod", lambda: lab.kubectl("-n", "troubles", "get", "pod", "anew", ready, check=False) == "Running")
    lab.remove_pod("anew")
    assert changes(must(lab, "site.yml")) == {"0"}


def test_a_dry_run_of_the_reset_names_what_would_go_and_takes_nothing(lab: Lab) -> None:
    said = must(lab, "playbooks/reset.yml", "--check")
    assert "files and containers of kubeadm" in " ".join(said.split())  # long lines are folded
    assert lab.answers()


def test_another_name_takes_nothing(lab: Lab) -> None:
    done = lab.play("playbooks/reset.yml", "-e", "reset_confirm=other")
    assert done.returncode != 0
    assert f"Nothing was changed: the cluster's name is {MASTER}, and 'other' was given." in " ".join(
        done.stdout.split()
    )
    assert lab.answers()


def test_the_whole_cluster_goes_and_nothing_else(lab: Lab) -> None:
    for node in ALL:
        lab.on(node, "iptables -N MINE; iptables -A MINE -j RETURN; echo mine > /etc/cni/mine")
    must(lab, "playbooks/reset.yml", "-e", f"reset_confirm={MASTER}")
    for node in ALL:
        assert lab.on(node, REMAINS) == "", node
        assert lab.on(node, "systemctl is-active docker containerd") == "active\nactive\n"
        assert "-A MINE -j RETURN" in lab.on(node, "iptables-save")
        lab.on(node, "iptables -F MINE; iptables -X MINE; rm /etc/cni/mine")
    assert not lab.kubeconfig.exists()
    assert changes(must(lab, "playbooks/reset.yml", "-e", f"reset_confirm={MASTER}")) == {"0"}


def test_the_pis_are_fit_for_a_new_cluster(lab: Lab) -> None:
    must(lab, "site.yml", "--skip-tags", "kubeflow")
    assert lab.ready() == dict.fromkeys(ALL, "True")
