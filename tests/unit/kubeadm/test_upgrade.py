# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control plane is brought to another release, also one whose manifest a cut has taken in the middle of it."""

from __future__ import annotations

import pytest
from played_machine import Clock, Played

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import upgrade
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.static_pods import MANIFESTS, STATIC_PODS

ADMIN = "kubectl --kubeconfig /etc/kubernetes/admin.conf"
COREFILE = "health {\n   lameduck 5s\n}\n"


def manifest(name: str, tag: str) -> str:
    return f"spec:\n  containers:\n  - image: registry.k8s.io/{name}:{tag}\n"


@pytest.fixture
def master(played: Played) -> Played:
    """A control plane with 1.36.3."""
    for name in STATIC_PODS:
        played.put(f"{MANIFESTS}/{name}.yaml", manifest(name, "v1.36.3"))
    played.says("upgrade apply --help", "addon  Upgrade the default kubeadm addons\n  /coredns\n")
    played.says("get daemonset kube-proxy", "daemonset.apps/kube-proxy\n")
    played.says("get deployment coredns", "deployment.apps/coredns\n")
    played.says("configmap coredns --ignore-not-found", COREFILE)
    return played


def options(state: str = "repaired", **changed) -> dict:
    return {
        "state": state,
        "version": None if state == "repaired" else "1.37.2",
        "ignore_preflight_errors": [],
        "api_timeout": 240,
        "addon_timeout": 600,
        **changed,
    }


def copy(master: Played, time: str, name: str, text: str) -> None:
    master.put(f"{upgrade.COPIES}/kubeadm-backup-manifests-{time}/{name}.yaml", text)


def lose(master: Played, name: str = "etcd") -> None:
    """A cut in the middle of an upgrade has taken a manifest."""
    master.put(upgrade.MARK, "1.37.2\n")
    master.at(f"{MANIFESTS}/{name}.yaml").unlink()


# Repairing ------------------------------------------------------------------------------------------------------------


def test_the_newest_copy_comes_back(master: Played) -> None:
    lose(master)
    copy(master, "2026-01-01-10-00-00", "etcd", manifest("etcd", "3.5.0-0"))
    copy(master, "2026-07-01-10-00-00", "etcd", manifest("etcd", "3.6.8-0"))
    result = upgrade.run(master, options(), False)
    tags = {**dict.fromkeys(STATIC_PODS, "1.36.3"), "etcd": "3.6.8-0"}
    assert result == {"changed": True, "repaired": ["etcd"], "tags": tags, "unfinished": "1.37.2"}
    assert master.mode(f"{MANIFESTS}/etcd.yaml") == 0o600
    assert master.asked == [f"{ADMIN} --request-timeout=10s get --raw /readyz"]
    assert upgrade.run(master, options(), False) == {**result, "changed": False, "repaired": []}


@pytest.mark.parametrize("damaged", ["", "\x00" * 100])
def test_a_damaged_manifest_is_replaced_and_a_damaged_copy_passed_over(master: Played, damaged: str) -> None:
    master.put(upgrade.MARK, "1.37.2\n")
    master.put(f"{MANIFESTS}/kube-apiserver.yaml", damaged)
    copy(master, "2026-07-01-10-00-00", "kube-apiserver", manifest("kube-apiserver", "v1.36.3"))
    copy(master, "2026-07-01-11-00-00", "kube-apiserver", "")
    assert upgrade.repair(master, check=False) == ["kube-apiserver"]
    assert upgrade.tags(master)["kube-apiserver"] == "1.36.3"


def test_without_a_copy_the_way_out_is_named(master: Played) -> None:
    lose(master)
    with pytest.raises(Stop, match=r"etcd\.yaml is missing, and kubeadm has left no copy of it.*restore\.yml"):
        upgrade.run(master, options(), False)
    master.put(f"{upgrade.COPIES}/other/etcd.yaml", manifest("etcd", "1"))
    with pytest.raises(Stop, match="no copy"):
        upgrade.run(master, options(), True)


def test_check_mode_puts_nothing_back(master: Played) -> None:
    lose(master)
    copy(master, "2026-07-01-10-00-00", "etcd", manifest("etcd", "3.6.8-0"))
    result = upgrade.run(master, options(), True)
    assert (result["changed"], result["repaired"], result["tags"]["etcd"]) == (True, ["etcd"], "")
    assert master.asked == [] and not master.exists(f"{MANIFESTS}/etcd.yaml")


def test_what_no_upgrade_of_ours_took_is_not_ours_to_put_back(master: Played) -> None:
    lose(master)
    master.at(upgrade.MARK).unlink()
    copy(master, "2026-07-01-10-00-00", "etcd", manifest("etcd", "3.6.8-0"))
    assert upgrade.repair(master, check=False) == []
    assert not master.exists(f"{MANIFESTS}/etcd.yaml")


def test_an_api_server_that_does_not_come_is_told_with_the_kubelets_words(master: Played, clock: Clock) -> None:
    master.says("/readyz", Done(1, "", "first\nrefused"))
    with pytest.raises(Stop, match=r"has not been ready for 240 seconds, so nothing .* The kubelet says: refused$"):
        upgrade.run(master, options(), False)
    assert sum(clock.slept) == 240
    master.says("journalctl", "".join(f"E1124 03:00:01.0 1 a.go:1] error {n}\n" for n in range(3)))
    with pytest.raises(Stop, match=r"The kubelet says: error 1 / error 2$"):
        upgrade.run(master, options("applied"), False)
    assert not [line for line in master.asked if line.startswith("kubeadm")]


# Upgrading ------------------------------------------------------------------------------------------------------------


def acted(master: Played) -> list[str]:
    """What was done, without who asks and how long."""
    lines = [line.replace(f"{ADMIN} --request-timeout=15s ", "") for line in master.asked]
    return [line for line in lines if "get" not in line.split() and "--help" not in line]


def test_a_control_plane_is_upgraded_in_order_and_marked_meanwhile(master: Played) -> None:
    marks = []
    master.says("upgrade apply v1.37.2", lambda _words: marks.append(upgrade.unfinished(master)) or "")
    for time in ("2026-01-01", "2026-04-01", "2026-07-01"):
        master.put(f"{upgrade.COPIES}/kubeadm-backup-etcd-{time}/etcd/db")
    master.put(f"{upgrade.COPIES}/kubeadm-backup-manifests-2026-01-01/etcd.yaml")
    result = upgrade.run(master, options("applied", ignore_preflight_errors=["a", "b"]), False)
    assert (result["changed"], result["repaired"], result["unfinished"]) == (True, [], "")
    assert marks == ["1.37.2"]
    patch = next(line for line in acted(master) if "patch" in line)
    assert acted(master) == [
        patch,
        "kubeadm upgrade apply v1.37.2 --yes --skip-phases=addon/coredns --ignore-preflight-errors=a,b",
        f"{ADMIN} --request-timeout=0s --namespace kube-system rollout status daemonset/kube-proxy --timeout=600s",
        "kubeadm upgrade apply phase addon coredns v1.37.2",
        patch,
        f"{ADMIN} --request-timeout=0s --namespace kube-system rollout status deployment/coredns --timeout=600s",
    ]
    assert sorted(path.name for path in master.at(upgrade.COPIES).iterdir()) == [
        *("kubeadm-backup-etcd-2026-07-01", "kubeadm-backup-manifests-2026-01-01")
    ]


def test_a_kubeadm_that_knows_no_phases_does_all_at_once(master: Played) -> None:
    master.says("upgrade apply --help", "Flags:\n")
    upgrade.run(master, options("applied"), False)
    done = [line for line in master.asked if line.startswith("kubeadm") and "--help" not in line]
    assert done == ["kubeadm upgrade apply v1.37.2 --yes"]


def test_what_the_cluster_does_not_have_is_not_waited_for(master: Played) -> None:
    master.says("get daemonset kube-proxy", "")
    master.says("get deployment coredns", "\n")
    upgrade.run(master, options("applied"), False)
    assert not [line for line in master.asked if "rollout" in line]


@pytest.mark.parametrize(
    ("answer", "told"),
    [(Done(1, "Waiting\n", "error: timed out\n"), "error: timed out"), (Done(1, "", ""), "kubectl says nothing")],
)
def test_an_add_on_that_does_not_come_leaves_the_mark(master: Played, answer: Done, told: str) -> None:
    master.says("rollout status daemonset/kube-proxy", answer)
    with pytest.raises(Stop, match=rf"^kube-proxy does not run .* after 600 seconds \({told}\): 'kubectl"):
        upgrade.run(master, options("applied"), False)
    assert upgrade.unfinished(master) == "1.37.2" and master.mode(upgrade.MARK) == 0o600
    assert not [line for line in master.asked if "addon coredns" in line]


def test_kubeadms_failure_leaves_the_mark(master: Played) -> None:
    master.says("upgrade apply v1.37.2", Done(1, "", "error: no"))
    with pytest.raises(Stop, match=r"^kubeadm upgrade apply v1\.37\.2 failed: error: no\.$"):
        upgrade.run(master, options("applied"), False)
    assert upgrade.unfinished(master) == "1.37.2"


def test_a_node_gets_its_kubelets_settings(played: Played) -> None:
    result = upgrade.run(played, options("node", ignore_preflight_errors=["Swap"]), False)
    assert (result["changed"], result["repaired"]) == (True, [])
    assert played.asked == ["kubeadm upgrade node --ignore-preflight-errors=Swap"]


def test_a_further_master_is_repaired_first_and_marked_meanwhile(master: Played) -> None:
    lose(master)
    copy(master, "2026-07-01-10-00-00", "etcd", manifest("etcd", "3.6.8-0"))
    master.says("upgrade node", Done(1, "", "error: no"))
    with pytest.raises(Stop, match=r"^kubeadm upgrade node failed: error: no\.$"):
        upgrade.run(master, options("node"), False)
    assert upgrade.unfinished(master) == "1.37.2" and upgrade.tags(master)["etcd"] == "3.6.8-0"
    master.asked.clear()
    master.says("upgrade node", "")
    assert upgrade.run(master, options("node"), False)["unfinished"] == ""
    assert [line for line in master.asked if line.startswith("kubeadm") and "--help" not in line] == [
        "kubeadm upgrade node"
    ]


def test_the_last_of_several_masters_brings_kube_proxy_and_then_coredns(master: Played) -> None:
    """kubeadm skips both on all others; both at once would lose look-ups."""
    master.says("upgrade node --help", "addon  Upgrade the default kubeadm addons\n  /coredns\n")
    upgrade.run(master, options("node", ignore_preflight_errors=["a"]), False)
    patch = next(line for line in acted(master) if "patch" in line)
    assert acted(master) == [
        patch,
        "kubeadm upgrade node --skip-phases=addon/coredns --ignore-preflight-errors=a",
        f"{ADMIN} --request-timeout=0s --namespace kube-system rollout status daemonset/kube-proxy --timeout=600s",
        "kubeadm upgrade node phase addon coredns",
        patch,
        f"{ADMIN} --request-timeout=0s --namespace kube-system rollout status deployment/coredns --timeout=600s",
    ]


def test_a_machine_without_a_control_plane_has_nothing_to_repair(played: Played) -> None:
    assert upgrade.run(played, options(), False)["tags"] == dict.fromkeys(STATIC_PODS, "")
    assert played.asked == []


@pytest.mark.parametrize("state", ["node", "applied"])
def test_check_mode_upgrades_nothing(master: Played, state: str) -> None:
    before = master.files()
    assert upgrade.run(master, options(state), True)["changed"]
    assert master.asked == [] and master.files() == {**before, "/run/bramble.kube/kubeadm.lock": ""}
