# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster gets an address for all masters later: what is written where, in which order, and after a cut."""

from __future__ import annotations

import getpass
import json
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest
from kubeconfigs import SERVER, kubeconfig
from played_machine import Clock, Played

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import address, etcd, renew

RENDERED = Path(__file__).parents[1] / "playbooks/kubeadm_init"
KEPT = "/etc/kubernetes/kubeadm-init.yaml"
NEW = "https://192.168.13.5:6443"
OPTIONS = {"address": "192.168.13.5", "users": [], "config_path": KEPT, "timeout": 400}
#: As kubeadm keeps it, from v1beta4 on and before.
CLUSTER = """\
apiServer:
  certSANs:
  - 192.168.13.7
  - k8s-master
  extraArgs:
  - name: profiling
    value: "false"
apiVersion: kubeadm.k8s.io/v1beta4
etcd:
  local:
    dataDir: /var/lib/etcd
    extraArgs:
    - name: listen-peer-urls
      value: https://127.0.0.1:2380
kind: ClusterConfiguration
"""
OLDER = CLUSTER.replace("    - name: listen-peer-urls\n      value: ", "      listen-peer-urls: ")
ETCD = """\
    - --initial-advertise-peer-urls=https://192.168.13.7:2380
    - --listen-peer-urls=https://127.0.0.1:2380
    image: registry.k8s.io/etcd:3.6.5-0
"""


@pytest.mark.parametrize("name", ["plain", "old", "much"])
def test_the_configuration_is_what_the_role_renders_with_the_address(name: str) -> None:
    kept = (RENDERED / f"{name}.yaml").read_text()
    with_address = (RENDERED / "address.yaml").read_text()
    text = address.configuration(kept, "192.168.13.5")
    assert 'controlPlaneEndpoint: "192.168.13.5:6443"\n' in text and "listen-peer-urls" not in text
    if name == "plain":
        own = (("plain", "address"), ("192.168.13.7", "192.168.13.10"))
        for old, new in own:
            text = text.replace(f'"{old}"', f'"{new}"')
        assert text == with_address


@pytest.mark.parametrize("text", [CLUSTER, OLDER])
def test_what_the_cluster_says_about_itself(text: str) -> None:
    changed = address.cluster_configuration(text, "192.168.13.5")
    assert "  certSANs:\n  - 192.168.13.7\n  - k8s-master\n  - 192.168.13.5\n  extraArgs:\n" in changed
    assert "listen-peer-urls" not in changed and "    dataDir: /var/lib/etcd\nkind:" in changed
    assert changed.endswith("\ncontrolPlaneEndpoint: 192.168.13.5:6443\n")
    assert address.cluster_configuration(changed, "192.168.13.5") == changed


def config_map(name: str, key: str, text: str) -> str:
    return json.dumps({"metadata": {"name": name}, "data": {key: text, "other": "stays"}})


@pytest.fixture
def master(played: Played, monkeypatch: pytest.MonkeyPatch) -> Played:
    """A control plane without an address."""
    played.put(KEPT, (RENDERED / "plain.yaml").read_text())
    played.put(address.API_SERVER, "    image: registry.k8s.io/kube-apiserver:v1.38.1\n")
    played.put(address.ADMIN, kubeconfig("CA"))
    played.put(etcd.MANIFEST, ETCD)
    played.put(f"{address.CERTIFICATE}.crt", "old")
    played.says("configmap kubeadm-config", config_map("kubeadm-config", "ClusterConfiguration", CLUSTER))
    played.says("configmap cluster-info", config_map("cluster-info", "kubeconfig", kubeconfig("CA")))
    played.says("configmap kube-proxy", config_map("kube-proxy", "kubeconfig.conf", kubeconfig("CA")))
    monkeypatch.setattr(renew, "restart", lambda system, name, _seconds: system.asked.append(f"restart {name}"))
    return played


def test_a_master_gets_it(master: Played) -> None:
    seen = []
    master.says("phase certs apiserver", lambda _words: seen.append(master.read(KEPT + ".address")) or "")
    assert address.run(master, OPTIONS, False) == {"changed": True}
    assert 'kubernetesVersion: "v1.38.1"\n' in seen[0], "an older release than the last but one is refused by kubeadm"
    assert master.read(KEPT) == address.configuration((RENDERED / "plain.yaml").read_text(), "192.168.13.5")
    assert not master.exists(f"{address.CERTIFICATE}.crt") and not master.exists(KEPT + ".address")
    assert "--listen-peer-urls=https://192.168.13.7:2380\n" in master.read(etcd.MANIFEST)
    assert f"server: {NEW}\n" in master.read(address.ADMIN) and SERVER not in master.read(address.ADMIN)
    steps = [line for line in master.asked if "get " not in line or "readyz" in line]
    order = (
        "phase certs",
        "readyz",
        "kubeadm-config",
        "cluster-info",
        "kube-proxy",
        "rollout restart",
    )
    assert [word for word, line in zip(order, steps, strict=False) if word in line] == list(order)
    patches = [json.loads(line.partition("--patch ")[2])["data"] for line in steps if " patch " in line]
    assert [list(patch) for patch in patches] == [["ClusterConfiguration"], ["kubeconfig"], ["kubeconfig.conf"]]
    assert all(NEW.removeprefix("https://") in text for patch in patches for text in patch.values())
    master.asked.clear()
    assert address.run(master, OPTIONS, False) == {"changed": False} and master.asked == []


def test_an_api_server_that_does_not_take_up_its_certificate_restarts(master: Played, clock: Clock) -> None:
    strange = Done(1, "", "x509: certificate is valid for 192.168.13.7, not 192.168.13.5\n")
    master.says("readyz", "ok", *[strange] * 92, "ok")
    assert address.run(master, OPTIONS, False)["changed"]
    assert "restart kube-apiserver" in master.asked


@pytest.mark.parametrize("step", ["get --namespace kube-system configmap", "patch --namespace kube-public", "rollout"])
def test_etcd_may_restart_only_once_the_api_server_was_found_ready(master: Played, clock: Clock, step: str) -> None:
    away = Done(1, "", "Unable to connect to the server: context deadline exceeded\n")
    answer = config_map("kubeadm-config", "ClusterConfiguration", CLUSTER) if "get" in step else ""
    master.says(step, away, away, answer)
    assert address.run(master, OPTIONS, False)["changed"] and not address.is_due(master, OPTIONS)
    assert sum(clock.slept) == 2


def test_what_was_cut_is_done_again(master: Played, clock: Clock) -> None:
    master.says("rollout restart", Done(1, "", "no route to host\n"))
    with pytest.raises(Stop, match=r"^kube-proxy could not be restarted: no route to host\.$"):
        address.run(master, OPTIONS, False)
    assert sum(clock.slept) == address.RESTARTING and address.is_due(master, OPTIONS)
    master.says("rollout restart", "")
    assert address.run(master, OPTIONS, False)["changed"] and not address.is_due(master, OPTIONS)


def test_check_mode_and_an_unfinished_control_plane_are_left(master: Played) -> None:
    before = master.files()
    assert address.run(master, OPTIONS, True) == {"changed": True}
    assert master.asked == [] and master.files() == {**before, "/run/bramble.kube/kubeadm.lock": ""}
    master.at(KEPT).unlink()
    assert address.run(master, OPTIONS, False) == {"changed": False}


def test_a_users_kubeconfig_of_another_cluster_stays(master: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    own = pwd.getpwnam(getpass.getuser())
    users = {n: SimpleNamespace(pw_dir=f"/home/{n}", pw_uid=own.pw_uid, pw_gid=own.pw_gid) for n in "ab"}
    monkeypatch.setattr(pwd, "getpwnam", lambda name: users[name])
    master.put("/home/a/.kube/config", kubeconfig("CA"))
    master.put("/home/b/.kube/config", "server: https://example.org:6443\n")
    address.run(master, {**OPTIONS, "users": ["a", "b", "nobody"]}, False)
    assert f"server: {NEW}\n" in master.read("/home/a/.kube/config")
    assert master.read("/home/b/.kube/config") == "server: https://example.org:6443\n"


def test_a_node_follows(played: Played) -> None:
    played.put(address.KUBELET_CONF, kubeconfig("CA"))
    assert address.run(played, OPTIONS, False) == {"changed": True}
    assert f"server: {NEW}\n" in played.read(address.KUBELET_CONF)
    assert played.asked == ["systemctl restart kubelet"] and played.mode(address.KUBELET_CONF) == 0o600
    assert address.run(played, OPTIONS, False) == {"changed": False}
    played.at(address.KUBELET_CONF).unlink()
    assert address.run(played, OPTIONS, False) == {"changed": False}, "a Pi that is in no cluster"


def test_an_api_server_that_does_not_come_back_is_told(master: Played, clock: Clock) -> None:
    master.says("readyz", Done(1, "", "refused\n"))
    with pytest.raises(Stop, match=r"not been ready for 400 seconds: refused\.$"):
        address.run(master, OPTIONS, False)
    assert sum(clock.slept) == 400
