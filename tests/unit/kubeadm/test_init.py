# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control plane is made, finished, or left alone: what is looked at, done, and returned."""

from __future__ import annotations

import hashlib
import json

import pytest
from certificates import self_signed
from kubeconfigs import SERVER, kubeconfig
from played_machine import Clock, Played

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import Done
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import coredns, init
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm import init_rules as rules
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import ca_cert_hashes
from ansible_collections.bramble.kube.plugins.module_utils.pi import pending

CA = self_signed("kubernetes")
KEPT = "/etc/kubernetes/kubeadm-init.yaml"
UNFINISHED = KEPT + ".unfinished"
CONFIG = "kind: ClusterConfiguration\n"
FINALIZED = "user:\n  client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n"
COREFILE = "health {\n   lameduck 20s\n}\n"
KUBEADMS = COREFILE.replace("20s", "5s")


def options(**changed) -> dict:
    """As the module has them by default."""
    return {
        "config": CONFIG,
        "config_path": KEPT,
        "node_name": "k8s-master",
        "skip_addons": [],
        "schedulable": None,
        "encryption_config": None,
        "join_config": "",
        "shared_files": {},
        "api_timeout": 240,
        **changed,
    }


def item(kind: str, name: str, **more) -> dict:
    return {"kind": kind, "metadata": {"name": name}, **more}


def cluster(*left_out: str, taints: tuple[str, ...] = (), corefile: str = COREFILE, version: str = "v1.37.2") -> str:
    """What kubectl prints about a whole cluster."""
    items = [
        item("ConfigMap", "kubeadm-config", data={"ClusterConfiguration": f"kubernetesVersion: {version}\n"}),
        item("ConfigMap", "coredns", data={"Corefile": corefile}),
        item("Deployment", "coredns"),
        item("DaemonSet", "kube-proxy"),
        item("Node", "k8s-master", spec={"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]}),
    ]
    return json.dumps({"items": [one for one in items if f"{one['kind']}/{one['metadata']['name']}" not in left_out]})


def written(played: Played, words: list[str]) -> str:
    """What init writes."""
    for name in rules.ESSENTIAL:
        played.put(f"/etc/kubernetes/{name}", "x", 0o600)
    played.put("/etc/kubernetes/admin.conf", kubeconfig(CA), 0o600)
    played.put("/etc/kubernetes/super-admin.conf", kubeconfig(CA), 0o600)
    played.put("/etc/kubernetes/kubelet.conf", FINALIZED)
    played.at("/var/lib/etcd/member").mkdir(parents=True, exist_ok=True)
    played.at("/var/lib/etcd").chmod(0o700)
    return ""


@pytest.fixture
def blank(played: Played) -> Played:
    """A machine without a control plane, on which kubeadm init works."""
    played.says("kubeadm init --config", lambda words: written(played, words))
    played.says("get --namespace kube-system --ignore-not-found --output json", cluster())
    played.says("get nodes --output name", "node/k8s-master\n")
    played.says("configmap coredns --ignore-not-found", KUBEADMS)
    return played


@pytest.fixture
def made(blank: Played, clock: Clock) -> Played:
    """One with a control plane."""
    init.run(blank, options(), False)
    blank.asked.clear()
    return blank


def did(played: Played) -> list[str]:
    """What was changed by programs."""
    return [line for line in played.asked if line.split()[0] == "kubeadm" or " taint " in line or " patch " in line]


DESCRIBED = {
    "cluster_ca_sha256": ca_cert_hashes(CA)[0],
    "admin_kubeconfig_sha256": hashlib.sha256(kubeconfig(CA).encode()).hexdigest(),
    "server": SERVER,
}
NOTHING = {"did": "nothing", "why": "", "version": "1.37.2", "settings_differ": False, **DESCRIBED, "warned": []}


def test_a_blank_machine_gets_a_control_plane(blank: Played) -> None:
    seen = []
    blank.says("kubeadm init --config", lambda words: seen.append(blank.files()) or written(blank, words))
    result = init.run(blank, options(), False)
    assert result == {
        "changed": True,
        "did": "init",
        "why": "there is no control plane yet",
        "version": "",
        "settings_differ": False,
        **DESCRIBED,
        "warned": [],
    }
    assert seen[0] == {UNFINISHED: CONFIG, "/run/bramble.kube/kubeadm.lock": ""}
    assert did(blank)[0] == f"kubeadm init --config {UNFINISHED} --skip-token-print"
    assert did(blank)[1].partition(" patch ")[2].startswith("--namespace kube-system configmap coredns")
    assert len(did(blank)) == 2
    assert blank.at(KEPT).read_text() == CONFIG and blank.mode(KEPT) == 0o600
    gone = (UNFINISHED, "/etc/kubernetes/super-admin.conf", "/etc/kubernetes/encryption.json")
    assert not any(map(blank.exists, gone))


def test_etcds_folder_is_closed_before_anything_is_in_it(blank: Played) -> None:
    modes = []
    blank.says(
        "kubeadm init --config", lambda words: modes.append(blank.mode("/var/lib/etcd")) or written(blank, words)
    )
    blank.at("/var/lib/etcd").mkdir(parents=True, mode=0o755)
    init.run(blank, options(), False)
    assert modes == [0o700]


def test_add_ons_that_are_not_wanted_are_left_out(blank: Played) -> None:
    init.run(blank, options(skip_addons=["coredns", "kube-proxy"]), False)
    assert did(blank)[0].endswith(" --skip-token-print --skip-phases addon/coredns,addon/kube-proxy")


def test_secrets_get_a_key_once(blank: Played) -> None:
    path = "/etc/kubernetes/bramble/encryption.json"
    init.run(blank, options(encryption_config=path), False)
    key = blank.at(path).read_text()
    assert len(json.loads(key)["resources"][0]["providers"][0]["secretbox"]["keys"][0]["secret"]) == 44
    assert blank.mode(path) == 0o600 and blank.mode("/etc/kubernetes/bramble") == 0o700
    again = init.Init(blank, options(encryption_config=path), False)
    again.make_encryption_config()
    assert blank.at(path).read_text() == key


def test_check_mode_on_a_blank_machine_touches_nothing(blank: Played) -> None:
    result = init.run(blank, options(encryption_config="/e"), True)
    assert (result["changed"], result["did"], result["cluster_ca_sha256"]) == (True, "init", "")
    assert list(blank.files()) == ["/run/bramble.kube/kubeadm.lock"]
    assert blank.asked == [] and not blank.exists("/var/lib/etcd")


def test_a_second_run_changes_nothing(made: Played) -> None:
    before = made.files()
    assert init.run(made, options(), False) == {"changed": False, **NOTHING}
    assert did(made) == [] and made.files() == before


def test_other_settings_are_told(made: Played) -> None:
    result = init.run(made, options(config=CONFIG + "x"), False)
    assert (result["changed"], result["settings_differ"]) == (False, True)
    made.at(KEPT).unlink()
    assert not init.run(made, options(config=CONFIG + "x"), False)["settings_differ"]


def asked_by_pi_due(played: Played, **changed) -> tuple[list[str], dict]:
    return pending.due(played, {"kubeadm_init": {"config": CONFIG, "node_name": "k8s-master", **changed}})


def test_a_finished_control_plane_is_not_due_and_tells_what_it_is(made: Played) -> None:
    assert asked_by_pi_due(made) == ([], {"kubeadm_init": DESCRIBED})


def test_whatever_is_to_be_done_shown_or_waited_for_is_due(made: Played) -> None:
    assert asked_by_pi_due(made, config=CONFIG + "x") == (["kubeadm_init"], {})
    made.at("/var/lib/etcd").chmod(0o755)
    assert asked_by_pi_due(made) == (["kubeadm_init"], {})
    made.at("/var/lib/etcd").chmod(0o700)
    made.says("get --namespace kube-system --ignore-not-found --output json", Done(1, "", "refused"))
    assert asked_by_pi_due(made) == (["kubeadm_init"], {})


def test_a_blank_machine_is_due(blank: Played) -> None:
    assert asked_by_pi_due(blank) == (["kubeadm_init"], {})


@pytest.mark.parametrize("check", [True, False])
def test_the_credential_that_no_role_binds_goes_once(made: Played, check: bool) -> None:
    path = made.put("/etc/kubernetes/super-admin.conf")
    assert init.run(made, options(), check)["changed"]
    assert path.exists() == check
    assert init.run(made, options(), check)["changed"] == check


@pytest.mark.parametrize("check", [True, False])
def test_an_open_folder_of_etcd_is_closed(made: Played, check: bool) -> None:
    for mode in (0o750, 0o701):
        made.at("/var/lib/etcd").chmod(mode)
        assert init.run(made, options(), check)["changed"]
        assert made.mode("/var/lib/etcd") == (mode if check else 0o700)


def test_a_folder_of_etcd_that_is_not_there_is_not_made(made: Played) -> None:
    made.at("/var/lib/etcd/member").rmdir()
    made.at("/var/lib/etcd").rmdir()
    assert not init.run(made, options(), False)["changed"]
    assert not made.exists("/var/lib/etcd")


@pytest.mark.parametrize("check", [True, False])
def test_coredns_gets_its_time(made: Played, check: bool) -> None:
    made.says("get --namespace kube-system --ignore-not-found --output json", cluster(corefile=KUBEADMS))
    assert init.run(made, options(), check)["changed"]
    assert len(did(made)) == (0 if check else 1)
    made.asked.clear()
    assert coredns.patient(KUBEADMS) == COREFILE


@pytest.mark.parametrize(
    ("tainted", "wanted", "taint"),
    [
        ((), None, ""),
        (rules.TAINTS, None, ""),
        ((), True, ""),
        (rules.TAINTS[:1], False, ""),
        ((), False, f"{rules.TAINTS[0]}=:NoSchedule"),
        (rules.TAINTS, True, f"{rules.TAINTS[0]}:NoSchedule- {rules.TAINTS[1]}:NoSchedule-"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_the_nodes_taint(made: Played, tainted: tuple, wanted: bool | None, taint: str, check: bool) -> None:
    made.says("get --namespace kube-system --ignore-not-found --output json", cluster(taints=tainted))
    assert init.run(made, options(schedulable=wanted), check)["changed"] == bool(taint)
    sent = [line.partition(" taint ")[2] for line in did(made)]
    assert sent == ([f"nodes k8s-master {taint} --overwrite"] if taint and not check else [])


def test_a_taint_that_cannot_be_changed_is_told(made: Played) -> None:
    made.says(" taint ", Done(1, "", "forbidden\n"))
    with pytest.raises(Stop, match=r"^The taint of node k8s-master could not be changed: forbidden\.$"):
        init.run(made, options(schedulable=False), False)


def test_missing_add_ons_are_brought(made: Played) -> None:
    made.says("get --namespace kube-system --ignore-not-found --output json", cluster("DaemonSet/kube-proxy"))
    result = init.run(made, options(), False)
    assert (result["did"], result["changed"]) == ("addons", True)
    assert did(made)[0] == f"kubeadm init phase addon kube-proxy --config {KEPT}"
    assert " patch " in did(made)[1]
    made.asked.clear()
    assert init.run(made, options(skip_addons=["kube-proxy"]), False)["did"] == "nothing"
    assert init.run(made, options(), True)["did"] == "addons"
    assert did(made) == []


def test_an_init_that_was_cut_at_its_end_is_finished_with_its_own_configuration(made: Played) -> None:
    made.at(KEPT).rename(made.at(UNFINISHED))
    made.says("get --namespace kube-system --ignore-not-found --output json", cluster("Deployment/coredns"))
    assert init.run(made, options(), False)["did"] == "addons"
    assert did(made)[0] == f"kubeadm init phase addon coredns --config {UNFINISHED}"
    assert made.exists(KEPT) and not made.exists(UNFINISHED)


def test_an_init_that_was_cut_in_its_last_step_only_gets_its_name(made: Played) -> None:
    made.at(KEPT).rename(made.at(UNFINISHED))
    assert init.run(made, options(), False)["did"] == "nothing"
    assert made.exists(KEPT) and not made.exists(UNFINISHED)


def test_an_init_that_was_cut_early_is_taken_away_and_done_again(made: Played, clock: Clock) -> None:
    made.at(KEPT).rename(made.at(UNFINISHED))
    made.put("/etc/kubernetes/kubelet.conf", "client-certificate-data: x")
    made.says("get --namespace kube-system --ignore-not-found --output json", Done(1, "", "refused"))
    result = init.run(made, options(), False)
    assert (result["did"], result["changed"]) == ("reset", True)
    assert did(made)[:2] == [
        "kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock",
        f"kubeadm init --config {UNFINISHED} --skip-token-print",
    ]
    assert sum(clock.slept) == 20, "a cut init's API server need not be waited for long"


def test_an_api_server_that_takes_its_time_is_waited_for(made: Played, clock: Clock) -> None:
    no = Done(1, "", "refused")
    made.says("get --namespace kube-system --ignore-not-found --output json", no, no, cluster())
    assert init.run(made, options(), False)["did"] == "nothing"
    assert clock.slept == [1, 1]


def test_one_that_does_not_answer_stops_the_run_but_not_check_mode(made: Played, clock: Clock) -> None:
    made.says("get --namespace kube-system --ignore-not-found --output json", Done(1, "", "refused"))
    with pytest.raises(Stop, match=r"^There is a control plane, but its API server does not answer\. 'journalctl"):
        init.run(made, options(), False)
    assert sum(clock.slept) == 240
    clock.slept.clear()
    result = init.run(made, options(), True)
    assert (result["changed"], result["did"], result["version"]) == (False, "nothing", "")
    assert result["warned"] == [
        "there is a control plane, but its API server does not answer: check mode does not wait for it."
    ]
    assert clock.slept == []


def test_one_that_has_lost_its_configuration_stops_check_mode_too(made: Played) -> None:
    made.says("get --namespace kube-system --ignore-not-found --output json", cluster("ConfigMap/kubeadm-config"))
    for check in (True, False):
        with pytest.raises(Stop, match="what kubeadm wrote into it is gone"):
            init.run(made, options(), check)


def test_other_nodes_are_counted_before_anything_is_taken_away(made: Played, clock: Clock) -> None:
    made.put("/etc/kubernetes/kubelet.conf", "client-certificate-data: x")
    made.at(KEPT).rename(made.at(UNFINISHED))
    made.says("get --namespace kube-system --ignore-not-found --output json", cluster("ConfigMap/kubeadm-config"))
    made.says("get nodes --output name", "node/k8s-master\nnode/k8s-node1\n")
    with pytest.raises(Stop, match="The cluster has other nodes"):
        init.run(made, options(), False)
    made.says("get nodes --output name", Done(1, "node/k8s-master\n", "refused"))
    assert init.Init(made, options(), False).ask() is None


@pytest.mark.parametrize("check", [True, False])
def test_a_restore_that_was_cut_short_comes_first(made: Played, check: bool) -> None:
    made.put(rules.RESTORING)
    with pytest.raises(Stop, match=r"^A restore was interrupted on this control plane: run the playbook restore\.yml"):
        init.run(made, options(), check)
    assert did(made) == []


def test_lost_files_are_named_and_never_made_again(made: Played) -> None:
    made.at("/etc/kubernetes/pki/sa.key").unlink()
    with pytest.raises(Stop, match=r"files that it needs are missing: /etc/kubernetes/pki/sa\.key\. The"):
        init.run(made, options(), False)
    for name in rules.ESSENTIAL:
        made.at(f"/etc/kubernetes/{name}").unlink(missing_ok=True)
    assert init.Init(made, options(), False).lost_files() == [], "a machine after a reset is blank"
    made.at(KEPT).unlink()
    made.put("/etc/kubernetes/admin.conf", kubeconfig(CA))
    assert init.Init(made, options(), False).lost_files() == [], "not a control plane that was finished"


@pytest.mark.parametrize("gone", ["manifests/kube-apiserver.yaml", "admin.conf"])
def test_what_has_no_api_server_or_no_administrator_is_not_waited_for(made: Played, gone: str, clock: Clock) -> None:
    made.at(KEPT).unlink()
    made.put(f"/etc/kubernetes/{gone}", "")
    with pytest.raises(Stop, match="its API server does not answer"):
        init.run(made, options(), False)
    assert made.asked == [] and clock.slept == []


def test_a_kubeadm_that_waited_in_vain_is_told_with_the_kubelets_errors(blank: Played) -> None:
    blank.says("kubeadm init --config", Done(1, "", "error execution phase wait-control-plane: timeout"))
    blank.says("journalctl", "".join(f"E1124 03:00:01.0 1 a.go:1] error {n}\n" for n in range(3)))
    with pytest.raises(Stop, match=r"^kubeadm init failed: .*timeout\. The kubelet's last errors: error 1 / error 2$"):
        init.run(blank, options(), False)
    assert blank.exists(UNFINISHED), "the next run knows that it is its own"
    blank.says("journalctl", "")
    with pytest.raises(Stop, match=r"timeout\.$"):
        init.run(blank, options(), False)


def test_a_kubeconfig_of_no_use_is_named(made: Played) -> None:
    made.put("/etc/kubernetes/admin.conf", "x")
    with pytest.raises(Stop, match=r"^/etc/kubernetes/admin\.conf is not a usable kubeconfig: "):
        init.run(made, options(), False)


def test_the_question_names_the_node_and_does_not_wait_for_ever(made: Played) -> None:
    init.run(made, options(), False)
    assert made.asked[0] == (
        "kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=15s get --namespace kube-system"
        " --ignore-not-found --output json configmap/kubeadm-config configmap/coredns deployment/coredns"
        " daemonset/kube-proxy node/k8s-master"
    )


JOINING = KEPT + ".joining"
CA_KEY = "/etc/kubernetes/pki/ca.key"
RESET = "kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock"
JOIN = f"kubeadm join --config {init.JOIN_CONFIG}"
SHARED = {CA_KEY: "c2VjcmV0", "/etc/kubernetes/pki/ca.crt": "Y2E="}


def joins(**changed) -> dict:
    """The options of a machine that joins."""
    return options(join_config="kind: JoinConfiguration\n", shared_files=SHARED, **changed)


def test_a_blank_machine_joins_with_what_all_have_in_common(blank: Played) -> None:
    blank.says(JOIN, lambda _words: blank.put("/seen", blank.read(init.JOIN_CONFIG) + blank.read(CA_KEY)) and "")
    result = init.run(blank, joins(), False)
    assert (result["changed"], result["did"]) == (True, "join")
    assert [line for line in did(blank) if line.startswith("kubeadm")] == [JOIN]
    assert blank.read("/seen") == "kind: JoinConfiguration\nsecret"
    assert (blank.mode(CA_KEY), blank.mode("/etc/kubernetes/pki/ca.crt")) == (0o600, 0o644)
    assert blank.read(KEPT) == CONFIG and not blank.exists(JOINING) and not blank.exists(init.JOIN_CONFIG)


def test_check_mode_joins_nothing(blank: Played) -> None:
    assert init.run(blank, joins(), True)["did"] == "join"
    assert did(blank) == [] and not blank.exists(CA_KEY)


def test_a_join_that_failed_begins_again_from_nothing(blank: Played) -> None:
    blank.says(JOIN, Done(1, "", "error execution phase etcd-join: timeout"))
    with pytest.raises(Stop, match=r"^kubeadm join failed: .*timeout\."):
        init.run(blank, joins(), False)
    assert blank.exists(JOINING) and not blank.exists(init.JOIN_CONFIG)
    assert asked_by_pi_due(blank) == (["kubeadm_init"], {})
    blank.says(JOIN, "")
    blank.asked.clear()
    assert init.run(blank, joins(), False)["did"] == "reset"
    assert [line for line in did(blank) if line.startswith("kubeadm")] == [RESET, JOIN]


def test_a_join_that_was_cut_after_the_node_was_there_is_not_finished(made: Played) -> None:
    made.at(KEPT).unlink()
    made.put(JOINING)
    assert asked_by_pi_due(made) == (["kubeadm_init"], {})
    assert init.run(made, joins(), False)["did"] == "reset"
    made.put(JOINING)
    with pytest.raises(Stop, match="this run does not say what to join"):
        init.run(made, options(), False)


def test_leftovers_of_another_kubeadm_are_not_joined_over(made: Played) -> None:
    made.at(KEPT).unlink()
    with pytest.raises(Stop, match=r"^There are leftovers of kubeadm .* reset\.yml with --limit"):
        init.run(made, joins(), False)
    assert did(made) == []


def test_one_that_has_joined_is_like_any_other(made: Played) -> None:
    assert init.run(made, joins(), False) == {"changed": False, **NOTHING}
