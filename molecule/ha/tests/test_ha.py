# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three masters: one may fail at any time, and two of three lose nothing. Each test stands on those before it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import testinfra
from lab_cluster import ROOT, Cluster, changes, condition, cut_power, environment, playbook_command, run_playbook
from steady_writer import Writer

from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.kubeconfig import parse_kubeconfig

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
CLUSTER = Cluster("ha")
ADDRESS = "192.168.37.5"
MASTERS = ("k8s-master1", "k8s-master2", "k8s-master3")
NODES = (*MASTERS, "k8s-node1", "k8s-node2")
#: Seconds for which writes may fail when the Pi with the address is gone.
GAP = 15
Pis = dict[str, testinfra.host.Host]


def holders(pis: Pis) -> list[str]:
    """The masters that have the address now."""
    return [name for name in MASTERS if f" {ADDRESS}/32 " in pis[name].run("ip -4 -oneline address show").stdout]


def power(*names: str, on: bool) -> None:
    """Switch Pis on, or pull their plugs."""
    command = ["docker", "start"] if on else ["docker", "kill", "--signal", "KILL"]
    subprocess.run([*command, *(f"ha-{name}" for name in names)], check=True, capture_output=True)


def etcdctl(*arguments: str) -> dict:
    """What etcdctl says on a master whose etcd runs."""
    pods = CLUSTER.objects("pods", "--namespace=kube-system", "--selector=component=etcd")
    pod = next(pod["metadata"]["name"] for pod in pods if condition(pod, "Ready") == "True")
    key = "/etc/kubernetes/pki/etcd/server"
    flags = ["--cacert=/etc/kubernetes/pki/etcd/ca.crt", f"--cert={key}.crt", f"--key={key}.key"]
    return json.loads(
        CLUSTER.kubectl("exec", "-n", "kube-system", pod, "--", "etcdctl", *flags, *arguments, "-w", "json")
    )


def members() -> dict[str, bool]:
    """Name of each of etcd's members → whether it only learns."""
    return {one.get("name", ""): one.get("isLearner", False) for one in etcdctl("member", "list")["members"]}


@contextmanager
def apart(pis: Pis, side: Collection[str]) -> Iterator[None]:
    """Cut the network between these Pis and the others."""
    others = ", ".join(f"192.168.37.{7 + number}" for number, name in enumerate(NODES) if name not in side)
    rules = "".join(
        f"chain {hook} {{ type filter hook {hook} priority -300; ip {end} {{ {others} }} drop; }}; "
        for hook, end in (("input", "saddr"), ("output", "daddr"))
    )
    try:
        for name in side:
            with pis[name].sudo():
                pis[name].check_output("nft %s", f"table inet cut {{ {rules} }}")
        yield
    finally:
        for name in side:
            with pis[name].sudo():
                pis[name].check_output("nft delete table inet cut")


def test_all_are_ready_and_every_master_is_a_member(pis: Pis) -> None:
    assert CLUSTER.ready() == dict.fromkeys(NODES, "True")
    assert members() == dict.fromkeys(MASTERS, False)
    nodes = {node["metadata"]["name"]: node for node in CLUSTER.objects("nodes")}
    first = nodes[MASTERS[0]]
    for name in MASTERS:
        assert nodes[name]["spec"].get("taints") == first["spec"]["taints"]
        roles = [{key for key in node["metadata"]["labels"] if "node-role" in key} for node in (nodes[name], first)]
        assert roles[0] == roles[1] != set()


def test_one_master_has_the_address_by_which_all_come(pis: Pis) -> None:
    assert len(holders(pis)) == 1
    assert parse_kubeconfig(CLUSTER.kubeconfig.read_text()).server == f"https://{ADDRESS}:6443"
    for name in ("k8s-node1", "k8s-node2"):
        with pis[name].sudo():
            assert f"server: https://{ADDRESS}:6443" in pis[name].file("/etc/kubernetes/kubelet.conf").content_string


@pytest.mark.parametrize("name", MASTERS)
def test_its_user_reaches_the_cluster_from_every_master(pis: Pis, name: str) -> None:
    assert len(pis[name].check_output("kubectl get nodes --output name").split()) == len(NODES)


def test_no_token_is_left_and_nothing_secret_is_open(pis: Pis) -> None:
    secrets = CLUSTER.objects("secrets", "--namespace=kube-system")
    assert [one["metadata"]["name"] for one in secrets if one["type"] == "bootstrap.kubernetes.io/token"] == []
    for name in MASTERS:
        with pis[name].sudo():
            listed = pis[name].check_output("find /etc/kubernetes/pki -name '*.key' -o -name encryption.json")
            assert len(listed.split()) > 8
            for path in listed.split():
                assert pis[name].file(path).mode == 0o600, path
            assert not pis[name].file("/etc/kubernetes/super-admin.conf").exists


def test_all_masters_read_each_others_secrets(pis: Pis) -> None:
    CLUSTER.kubectl("create", "secret", "generic", "shared", "--from-literal=a=b")
    for number in (7, 8, 9):
        server = f"--server=https://192.168.37.{number}:6443"
        assert CLUSTER.kubectl(server, "get", "secret", "shared", "--output=jsonpath={.data.a}") == "Yg=="


def test_the_master_with_the_address_loses_power(pis: Pis) -> None:
    (holder,) = holders(pis)
    with Writer(CLUSTER, "power-cut") as writer:
        writer.wait(50)
        power(holder, on=False)
        writer.wait(50)
        power(holder, on=True)
        writer.wait(200)
    print(f"power cut of {holder}: {writer.longest:.1f} s without an answer, {writer.failures}")
    assert writer.longest <= GAP
    assert writer.lost() == set()
    CLUSTER.settle()
    (new,) = holders(pis)
    assert new != holder, "it stays where it is"


def test_an_api_server_that_ends_gives_the_address_away(pis: Pis) -> None:
    (holder,) = holders(pis)
    with Writer(CLUSTER, "api-server-ends") as writer:
        writer.wait(20)
        with pis[holder].sudo():
            pis[holder].check_output("systemctl stop kubelet && pkill -KILL kube-apiserver")
            writer.wait(50)
            pis[holder].check_output("systemctl start kubelet")
    print(f"API server of {holder} killed: {writer.longest:.1f} s without an answer, {writer.failures}")
    assert writer.longest <= GAP
    assert writer.lost() == set()
    CLUSTER.settle()
    assert holders(pis) not in ([holder], [])


def test_a_network_cut_in_two_has_one_side_that_can_be_written_to(pis: Pis) -> None:
    (holder,) = holders(pis)
    server = f"--server=https://192.168.37.{7 + NODES.index(holder)}:6443"
    with Writer(CLUSTER, "cut-in-two") as writer:
        writer.wait(50)
        with apart(pis, (holder, NODES[-1])):
            writer.wait(50)
            deadline = time.monotonic() + GAP
            while len(having := holders(pis)) != 1:
                assert time.monotonic() < deadline, f"{having} have the address"
            assert having != [holder]
            create = ("create", "configmap", "alone", "--namespace=cut-in-two", "--request-timeout=15s")
            assert CLUSTER.kubectl(server, *create, check=False) == "", "it cannot know what the others have"
            writer.wait(50)
            assert holders(pis) == having
        writer.wait(100)
    print(f"network cut around {holder}: {writer.longest:.1f} s without an answer, {writer.failures}")
    assert writer.longest <= GAP
    assert writer.lost() == set()
    CLUSTER.settle()
    assert holders(pis) == having, "it stays where it is"
    assert CLUSTER.kubectl("get", "configmap", "alone", "--namespace=cut-in-two", check=False) == ""


def test_with_one_of_three_nothing_is_written_and_nothing_is_lost(pis: Pis) -> None:
    *gone, alone = sorted(MASTERS, key=lambda name: name not in holders(pis))
    with Writer(CLUSTER, "majority-lost") as writer:
        writer.wait(500, seconds=300)
        power(*gone, on=False)
        time.sleep(20)
        written = len(writer.acknowledged)
        time.sleep(10)
        assert len(writer.acknowledged) == written, "it cannot know what the others have"
        assert f" {ADDRESS}/32 " not in pis[alone].check_output("ip -4 -oneline address show")
        power(*gone, on=True)
        writer.wait(1000 - written, seconds=400)
    print(f"two of three off: {writer.longest:.1f} s without an answer, {len(writer.acknowledged)} acknowledged")
    assert writer.lost() == set()
    CLUSTER.settle()
    assert len(holders(pis)) == 1


def test_status_finds_nothing_and_site_has_nothing_to_do() -> None:
    run_playbook(INVENTORY, "playbooks/status.yml", "-e", "status_strict=true", "-e", "status_drill_days=0")
    assert changes(run_playbook(INVENTORY, "site.yml")) == {"0"}


def test_status_names_a_member_of_etcd_that_is_no_master() -> None:
    added = etcdctl("member", "add", "ghost", "--learner", "--peer-urls=https://192.168.37.99:2380")
    try:
        said = " ".join(run_playbook(INVENTORY, "playbooks/status.yml").split())
    finally:
        etcdctl("member", "remove", f"{added['member']['ID']:x}")
    assert "etcd has a member 192.168.37.99 that is not a master in the inventory" in said


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Arguments of backup.yml and restore.yml."""
    folder = tmp_path_factory.mktemp("backup")
    (folder / "vault").write_text("password")
    return ("-e", f"backup_dest={folder / 'backups'}", "--vault-password-file", str(folder / "vault"))


def test_a_backup_and_a_joining_node_go_by_a_master_that_answers(backup: tuple[str, ...]) -> None:
    CLUSTER.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    power(MASTERS[0], on=False)
    try:
        assert "at 192.168.37.8," in run_playbook(INVENTORY, "playbooks/backup.yml", *backup)
        given = ("-e", f"reset_confirm={MASTERS[0]}", "-e", "reset_packages=false")
        run_playbook(INVENTORY, "playbooks/reset.yml", "--limit", NODES[-1], *given)
        assert NODES[-1] not in CLUSTER.ready()
        run_playbook(INVENTORY, "site.yml", "--limit", f"all:!{MASTERS[0]}")
        assert CLUSTER.ready()[NODES[-1]] == "True"
    finally:
        power(MASTERS[0], on=True)
    CLUSTER.settle()


@pytest.mark.parametrize("name", [MASTERS[2], MASTERS[0]])
def test_a_master_with_a_blank_card_joins_the_others(pis: Pis, name: str) -> None:
    """Also the first one, which must not begin a cluster of its own."""
    uid = CLUSTER.kubectl("get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}")
    container = f"ha-{name}"
    listed = subprocess.run(
        ["docker", "volume", "ls", "--quiet", "--filter", f"name={container}-"],
        check=True,
        capture_output=True,
        text=True,
    )
    subprocess.run(["docker", "rm", "--force", "--volumes", container], check=True, capture_output=True)
    subprocess.run(["docker", "volume", "rm", *listed.stdout.split()], check=True, capture_output=True)
    run_playbook(INVENTORY, "lab/playbooks/create.yml")
    run_playbook(INVENTORY, "site.yml")
    assert CLUSTER.kubectl("get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}") == uid
    assert members() == dict.fromkeys(MASTERS, False)
    CLUSTER.settle()


def test_a_join_that_loses_power_is_done_again(pis: Pis) -> None:
    """Half of a member, which the next run takes away and joins from the start."""
    leave = (
        "playbooks/reset.yml",
        "--limit",
        MASTERS[2],
        "-e",
        f"reset_confirm={MASTERS[0]}",
        "-e",
        "reset_packages=false",
    )
    power(MASTERS[2], on=False)
    assert f"{MASTERS[2]} does not answer" in " ".join(run_playbook(INVENTORY, *leave).split())
    assert set(members()) == set(MASTERS[:2]), "gone for good, as far as the others know"
    power(MASTERS[2], on=True)
    run_playbook(INVENTORY, "lab/playbooks/create.yml")  # waits until the Pi has started
    run_playbook(INVENTORY, *leave)
    assert set(members()) == set(MASTERS[:2])
    running = subprocess.Popen(
        playbook_command(INVENTORY, "site.yml"),
        cwd=ROOT,
        env=environment(ANSIBLE_SSH_RETRIES="0", ANSIBLE_TIMEOUT="5"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    begun = "until sudo test -e /etc/kubernetes/manifests/etcd.yaml; do sleep 0.1; done; sleep 2"
    pis[MASTERS[2]].check_output("timeout 500 sh -c %s", begun)
    cut_power(f"ha-{MASTERS[2]}")
    assert running.wait(timeout=600) != 0
    run_playbook(INVENTORY, "site.yml")
    assert members() == dict.fromkeys(MASTERS, False)
    CLUSTER.settle()
    assert changes(run_playbook(INVENTORY, "site.yml")) == {"0"}


def test_all_of_them_come_back_from_the_backup_of_another_than_the_first(backup: tuple[str, ...]) -> None:
    """That one from the file, and the others by joining it."""
    CLUSTER.kubectl("delete", "configmap", "kept")
    output = run_playbook(INVENTORY, "playbooks/restore.yml", *backup, ok=False)
    assert f"there is no backup of the cluster {MASTERS[0]}" in " ".join(output.split())
    run_playbook(INVENTORY, "playbooks/restore.yml", *backup, "-e", f"restore_master={MASTERS[1]}")
    assert CLUSTER.kubectl("get", "configmap", "kept", "--output=jsonpath={.data.a}") == "b"
    assert members() == dict.fromkeys(MASTERS, False)
    CLUSTER.settle()
    assert changes(run_playbook(INVENTORY, "site.yml")) == {"0"}
