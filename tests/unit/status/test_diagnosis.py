"""Each trouble is told, with its cause and what to do, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from scenes import NAMES, NOW, Sketch, ca, drill, node, other_ca, pod, trouble

from ansible_collections.bramble.kube.plugins.module_utils.status.diagnosis import CHECKS, diagnose, why_not_ready

MASTER, NODE, OTHER = NAMES


def told(sketch: Sketch) -> list[tuple[str, str]]:
    """Checks and sentences of what is not well."""
    return [(finding.check, finding.sentence) for finding in diagnose(sketch.scene())]


def condition(sketch: Sketch, name: str, kind: str, status: str, message: str = "") -> None:
    """Change a condition of a node."""
    entry = next(n for n in sketch.cluster["nodes"] if n["name"] == name)
    entry["conditions"][kind] = {"status": status, "reason": "", "message": message}


def test_nothing_is_said_about_a_healthy_cluster() -> None:
    assert told(Sketch()) == []


def test_nor_about_three_masters_that_share_an_address() -> None:
    sketch = Sketch()
    sketch.share()
    assert told(sketch) == []


def _drill_old(s: Sketch) -> None:
    s.state[MASTER]["drill"] = drill(31)


def _drill_failed(s: Sketch) -> None:
    s.state[MASTER]["drill"] = drill(1, "no etcd")


def _drill_none(s: Sketch) -> None:
    s.state[MASTER]["drill"] = {}
    s.now = NOW + timedelta(days=30)


def _keepalived_idle(s: Sketch) -> None:
    s.share()
    s.facts[OTHER]["pi_services"]["keepalived"]["active"] = False


def _address_twice(s: Sketch) -> None:
    s.share()
    s.facts[OTHER]["pi_interfaces"][0]["addresses"].append("192.168.13.5/32")


def _member_gone(s: Sketch) -> None:
    s.share()
    s.unreachable = {MASTER: "no route to host"}
    s.state[NODE]["etcd_members"].append({"name": "old-pi", "address": "192.168.13.4", "learner": False})


def _member_gone_before_its_start(s: Sketch) -> None:
    s.share()
    s.state[MASTER]["etcd_members"].append({"name": "", "address": "192.168.13.4", "learner": True})


def _member_learns(s: Sketch) -> None:
    s.share()
    s.state[MASTER]["etcd_members"][2]["learner"] = True


def _member_never_started(s: Sketch) -> None:
    s.share()
    s.state[MASTER]["etcd_members"][2]["name"] = ""


def _member_missing(s: Sketch) -> None:
    s.share()
    del s.state[MASTER]["etcd_members"][2]


def _one_of_three_api_servers(s: Sketch) -> None:
    s.share()
    s.state[OTHER]["control_plane"]["kube-apiserver"]["running"] = False


def _majority_lost(s: Sketch) -> None:
    s.share()
    s.silence()
    s.unreachable = {MASTER: "no route to host"}
    s.state[OTHER]["control_plane"]["etcd"]["running"] = False


def _kubelet_stopped(s: Sketch) -> None:
    s.state[NODE]["services"]["kubelet"].update(state="inactive", substate="dead", enabled=False)
    condition(s, NODE, "Ready", "Unknown", "Kubelet stopped posting node status.")


def _kubelet_failing(s: Sketch) -> None:
    s.state[NODE]["services"]["kubelet"].update(state="activating", substate="auto-restart", result="exit-code")
    s.state[NODE]["kubelet"]["errors"] = ["failed to load kubelet config file, path: /var/lib/kubelet/config.yaml"]


def _kubelet_flapping(s: Sketch) -> None:
    s.state[NODE]["services"]["kubelet"].update(restarts=7, up_s=2)
    s.state[NODE]["kubelet"]["errors"] = ["failed to load kubelet config file"]


def _swap(s: Sketch) -> None:
    s.facts[NODE]["pi_swaps"] = [{"name": "/var/swap"}]


def _cgroup(s: Sketch) -> None:
    s.facts[NODE]["pi_cgroup"] = {"version": 1, "memory": False, "cpuset": True}


def _no_cni(s: Sketch) -> None:
    s.state[NODE]["pod_network"].update(configuration=[], flannel=False)


def _cni_not_read(s: Sketch) -> None:
    condition(s, NODE, "Ready", "False", "Network plugin returns error: cni plugin not initialized")


def _no_plugin(s: Sketch) -> None:
    s.state[NODE]["pod_network"].update(plugins_missing=["portmap"])


def _no_subnet(s: Sketch) -> None:
    s.state[NODE]["pod_network"].update(subnet="")
    said = "failed to acquire lease: subnet not found"
    s.state[NODE]["containers"] = [
        {"namespace": "kube-flannel", "pod": "x", "container": "kube-flannel", "said": said, "restarts": 1}
    ]


def _no_pod_cidr(s: Sketch) -> None:
    s.state[NODE]["pod_network"].update(subnet="")
    next(n for n in s.cluster["nodes"] if n["name"] == NODE)["pod_cidr"] = ""


def _image(reason: str):
    def hurt(s: Sketch) -> None:
        s.cluster["pods"] = [
            pod(ready=False, troubles=[trouble(reason="ImagePullBackOff", message=reason, restarts=0, exit_code=None)])
        ]

    return hurt


def _disk_pressure(s: Sketch) -> None:
    condition(s, NODE, "DiskPressure", "True")


def _memory_pressure(s: Sketch) -> None:
    condition(s, NODE, "MemoryPressure", "True")


def _disk_full(s: Sketch) -> None:
    s.state[NODE]["disks"][0].update(free_mb=300)


def _read_only(s: Sketch) -> None:
    s.state[NODE]["disks"][0].update(read_only=True)


def _skew(s: Sketch) -> None:
    s.state[NODE]["time_server"]["ahead_s"] = -86400.0 * 3


def _skew_to_laptop(s: Sketch) -> None:
    s.state[NODE]["ahead_of_laptop_s"] = -7199.7


def _unset_clock(s: Sketch) -> None:
    s.facts[NODE]["pi_time"] = {"service": "", "synchronized": False}


def _certificate(file: str, pem: str, name: str = MASTER):
    def hurt(s: Sketch) -> None:
        s.state[name]["certificates"] = [e for e in s.state[name]["certificates"] if e["file"] != file]
        s.state[name]["certificates"].append({"file": file, "pem": pem})

    return hurt


def _wrong_ca(s: Sketch) -> None:
    s.state[NODE]["membership"]["ca_pem"] = other_ca().pem
    s.state[NODE]["api"] = {"outcome": "untrusted", "said": "self-signed certificate in certificate chain"}


def _wrong_ca_file(s: Sketch) -> None:
    s.state[NODE]["certificates"][0]["pem"] = other_ca().pem


def _token_gone(s: Sketch) -> None:
    s.state[NODE]["membership"].update(joined=False, bootstrapping=True, token_id="abcdef")
    s.cluster["nodes"] = [n for n in s.cluster["nodes"] if n["name"] != NODE]


def _token_expired(s: Sketch) -> None:
    _token_gone(s)
    s.cluster["tokens"] = [{"id": "abcdef", "expires": "2026-06-01T11:59:00Z", "description": ""}]


def _token_holds(s: Sketch) -> None:
    _token_gone(s)
    s.cluster["tokens"] = [{"id": "abcdef", "expires": "2026-06-01T12:30:00Z", "description": ""}]


def _token_refused_without_api(s: Sketch) -> None:
    s.silence()
    s.state[NODE]["membership"].update(joined=False, bootstrapping=True, token_id="abcdef")
    s.state[NODE]["kubelet"]["errors"] = [
        "failed to run Kubelet: cannot create certificate signing request: Unauthorized"
    ]


def _crash(s: Sketch) -> None:
    s.cluster["pods"] = [pod(ready=False, troubles=[trouble()])]


def _crash_words_of_the_pi(s: Sketch) -> None:
    s.cluster["pods"] = [pod(ready=False, troubles=[trouble(said="")])]
    s.state[NODE]["containers"] = [
        {"namespace": "default", "pod": "web", "container": "main", "said": "panic: out of luck", "restarts": 7}
    ]


def _oom(s: Sketch) -> None:
    s.cluster["pods"] = [pod(ready=False, troubles=[trouble(ended_by="OOMKilled", exit_code=137)])]


def _stopped_with_its_pi(s: Sketch) -> None:
    ended = trouble(reason="Unknown", ended_by="Unknown", restarts=1, exit_code=255)
    s.cluster["pods"] = [pod(ready=False, troubles=[ended])]


def _unscheduled(s: Sketch) -> None:
    said = "0/3 nodes are available: 3 Insufficient memory."
    s.cluster["pods"] = [pod(where="", phase="Pending", ready=False, unscheduled=said)]


def _unreachable(s: Sketch) -> None:
    s.unreachable[NODE] = "ssh: connect to host 192.168.13.8 port 22: No route to host"
    condition(s, NODE, "Ready", "Unknown", "Kubelet stopped posting node status.")


def _api_etcd(s: Sketch) -> None:
    s.silence()
    parts = s.state[MASTER]["control_plane"]
    parts["etcd"]["running"] = parts["kube-apiserver"]["running"] = False
    s.state[MASTER]["containers"] = [
        {
            "namespace": "kube-system",
            "pod": "etcd-k8s-master",
            "container": "etcd",
            "said": "open /x: permission denied",
        }
    ]


def _api_itself(s: Sketch) -> None:
    s.silence()
    s.state[MASTER]["control_plane"]["kube-apiserver"]["running"] = False
    s.state[MASTER]["containers"] = [
        {
            "namespace": "kube-system",
            "container": "kube-apiserver",
            "pod": "p",
            "said": "Error: unknown flag: --nonsense",
        }
    ]


def _api_kubelet(s: Sketch) -> None:
    s.silence()
    for part in s.state[MASTER]["control_plane"].values():
        part["running"] = False
    s.state[MASTER]["services"]["kubelet"].update(state="inactive", substate="dead")


def _api_manifest(s: Sketch) -> None:
    s.silence()
    s.state[MASTER]["control_plane"]["etcd"] = {"manifest": False, "running": False}


def _api_way(s: Sketch) -> None:
    s.cluster = {
        "reachable": False,
        "outcome": "silent",
        "said": "no answer in time",
        "server": "https://10.0.0.1:6443",
    }


def _api_unknown(s: Sketch) -> None:
    s.silence()
    s.unreachable[MASTER] = "Connection timed out"


def _admin_expired(s: Sketch) -> None:
    pem = ca().sign("kubernetes-admin", -3)
    s.cluster = {"reachable": False, "outcome": "unauthorized", "said": "Unauthorized", "client_certificate": pem}


def _kubeconfig_of_another(s: Sketch) -> None:
    s.cluster = {"reachable": False, "outcome": "untrusted", "said": "unable to get issuer", "ca": other_ca().pem}


def _no_kubeconfig(s: Sketch) -> None:
    s.cluster = {"reachable": False, "outcome": "no_kubeconfig", "said": "There is no kubeconfig"}


def _one_pi_cut_off(s: Sketch) -> None:
    s.state[NODE]["api"] = {"outcome": "silent", "said": "no answer in 5 seconds"}
    condition(s, NODE, "Ready", "Unknown")


def _scheduler(s: Sketch) -> None:
    s.state[MASTER]["control_plane"]["kube-scheduler"]["running"] = False


def _containerd(s: Sketch) -> None:
    s.state[NODE]["services"]["containerd"].update(state="failed")
    condition(s, NODE, "Ready", "False", "container runtime is down")


def _not_ready(s: Sketch) -> None:
    condition(s, NODE, "Ready", "False", "PLEG is not healthy: pleg was last seen active 5m ago.")


def _missing_node(s: Sketch) -> None:
    s.cluster["nodes"] = [n for n in s.cluster["nodes"] if n["name"] != NODE]


def _stranger(s: Sketch) -> None:
    s.cluster["nodes"].append({**node(NODE), "name": "old-pi"})


def _hot(s: Sketch) -> None:
    s.state[NODE]["temperature_c"] = 84.0


def _power(s: Sketch) -> None:
    s.facts[NODE]["pi_throttled"] = 0x50005


def _etcd_full(s: Sketch) -> None:
    s.state[MASTER]["etcd"]["size"] = 1900 * 2**20


def _ipvs(s: Sketch) -> None:
    s.cluster["proxy_mode"] = "ipvs"


def _serving(s: Sketch) -> None:
    request = {
        "name": "csr-1",
        "signer": "kubernetes.io/kubelet-serving",
        "by": f"system:node:{NODE}",
        "decided": False,
    }
    s.cluster["requests"] = [request]


API_CRT, CLIENT = "/etc/kubernetes/pki/apiserver.crt", "/var/lib/kubelet/pki/kubelet-client-current.pem"
TROUBLES = [
    (_kubelet_stopped, "kubelet", f"{NODE}: its kubelet was stopped and is disabled", "systemctl enable --now kubelet"),
    (_kubelet_failing, "kubelet", "failed to load kubelet config file", "systemctl restart kubelet"),
    (_kubelet_flapping, "kubelet", "does not stay up", "systemctl restart kubelet"),
    (_swap, "swap", f"{NODE}: it swaps to /var/swap", "site.yml --tags base"),
    (_cgroup, "cgroups", "no memory cgroup", "cgroup_enable=memory"),
    (_no_cni, "Pod network", "/etc/cni/net.d is empty", "kube-flannel"),
    (_cni_not_read, "Pod network", "containerd has not read its CNI configuration (/etc/cni", "restart containerd"),
    (_no_plugin, "Pod network", "CNI plugin portmap", "kubernetes-cni"),
    (_no_subnet, "Pod network", "flannel says 'failed to acquire lease: subnet not found'", "delete the Pod"),
    (_no_pod_cidr, "Pod network", "not given its node a podCIDR", "kubeadm_pod_cidr"),
    (
        _image('failed to resolve reference "example.org/web:1": example.org/web:1: not found'),
        "images",
        "default/web: the image example.org/web:1 cannot be pulled on k8s-node1: the registry has no such image",
        "correct the name or tag",
    ),
    (_image("dial tcp: lookup example.org on 1.1.1.1:53: no such host"), "images", "cannot be resolved", "name server"),
    (
        _image("dial tcp 10.0.0.1:443: connect: connection refused"),
        "images",
        "cannot be reached",
        "docker_registry_mirrors",
    ),
    (_image("no match for platform in manifest"), "images", "not for this Pi's architecture", "arm64"),
    (_image("pull access denied, authorization failed"), "images", "requires a login", "imagePullSecret"),
    (_disk_pressure, "pressure", "shortage of disk (20000 MB free in /)", "make room"),
    (_memory_pressure, "pressure", "shortage of memory (3000 of 4000 MB available)", "stop or move"),
    (_disk_full, "disk", "only 300 MB of 30000 MB are free", "larger card"),
    (_read_only, "disk", "is read-only", "replace the card"),
    (_skew, "clock", f"{NODE}: its clock is 3 days behind its time server's (192.168.13.2)", "site.yml --tags base"),
    (_skew_to_laptop, "clock", "2 hours behind the laptop's", "chronyc tracking"),
    (_unset_clock, "clock", "not synchronised (no time service runs)", "site.yml --tags base"),
    (_certificate(API_CRT, ca().sign("a", -3)), "certificates", f"{API_CRT} expired 2 days ago", "--tags master"),
    (_certificate(API_CRT, ca().sign("a", 12)), "certificates", f"{API_CRT} expires in 12 days", "--tags master"),
    (
        _certificate(CLIENT, ca().sign("a", -3), NODE),
        "certificates",
        f"{NODE}: the certificate {CLIENT}",
        "joins this Pi",
    ),
    (
        _certificate(CLIENT, ca().sign("a", begins=NOW + timedelta(days=3)), NODE),
        "certificates",
        "is not valid before 2026-06-04",
        "clocks",
    ),
    (_certificate(CLIENT, other_ca().sign("a"), NODE), "certificates", "not this cluster's", "joins this Pi"),
    (_wrong_ca, "wrong CA", f"{NODE}: its kubelet trusts another CA", "kubeadm reset"),
    (_wrong_ca_file, "wrong CA", "pki/ca.crt is not the master's", "copy"),
    (_token_gone, "token", "bootstrap token abcdef with which it tries has expired or was deleted", "site.yml"),
    (_token_expired, "token", "has expired or was deleted", "site.yml"),
    (_token_holds, "token", "its bootstrap token abcdef still holds", "site.yml"),
    (_token_refused_without_api, "token", "refuses its bootstrap token abcdef", "site.yml"),
    (
        _crash,
        "Pods",
        "7 restarts, exit code 1); its last message was 'no such table: users'",
        "logs web -c main --previous",
    ),
    (_stopped_with_its_pi, "Pods", "its container main ended with its Pi", "wait a minute"),
    (_crash_words_of_the_pi, "Pods", "'panic: out of luck'", "logs web"),
    (_oom, "Pods", "more memory than its limit", "raise its memory limit"),
    (_unscheduled, "Pods", "cannot be scheduled (0/3 nodes are available", "lower its requests"),
    (_unreachable, "access", f"{NODE}: it cannot be reached at 192.168.13.8 (no route to host)", "ping"),
    (_api_etcd, "API server", "because etcd, which holds its data, does not run", "restore.yml"),
    (_api_itself, "API server", "kube-apiserver does not run", "unknown flag: --nonsense"),
    (_api_kubelet, "API server", "because the master's kubelet, which keeps it running, is down", "fix the kubelet"),
    (_api_manifest, "API server", "manifests/etcd.yaml is gone", "kubeadm init phase etcd local"),
    (_api_way, "API server", "answers on the master itself, but not the laptop", "master_kubeconfig_server"),
    (_api_unknown, "API server", "the master cannot be asked why, either", "k8s-master"),
    (_admin_expired, "API server", "whose certificate expired on 2026-05-29", "site.yml --tags master"),
    (_kubeconfig_of_another, "API server", "is for another CA than this master's", "site.yml --tags master"),
    (_no_kubeconfig, "API server", "no kubeconfig", "site.yml --tags master"),
    (_one_pi_cut_off, "way to the API server", f"{NODE}: it does not reach the API server", "firewall"),
    (
        _majority_lost,
        "API server",
        "etcd, which holds its data, runs on 1 of 3 masters and needs 2",
        "k8s-master and k8s",
    ),
    (_keepalived_idle, "API address", f"{OTHER}: keepalived does not run on it", "site.yml --tags master"),
    (_address_twice, "API address", f"{MASTER} and {OTHER} have the API server's address 192.168.13.5", "protocol 112"),
    (_one_of_three_api_servers, "control plane", f"{OTHER}: kube-apiserver does not run on it, so one master", "fewer"),
    (_member_gone, "etcd members", "a member old-pi that is not a master", "3 of its 4 members"),
    (_member_gone, "etcd members", "reset.yml --limit old-pi", "take it out again"),
    (_member_gone_before_its_start, "etcd members", "a member 192.168.13.4 that is not a master", "3 of its 4"),
    (_member_learns, "etcd members", f"{OTHER}: etcd has not made it a full member (it is a learner", "site.yml"),
    (_member_never_started, "etcd members", f"{OTHER}: etcd has not made it a full member", "it has never started"),
    (_member_missing, "etcd members", f"{OTHER}: it is in group master, but is not a member", "reset.yml --limit"),
    (_scheduler, "control plane", "kube-scheduler does not run", "new Pods get no node"),
    (_containerd, "container engine", "is failed", "systemctl start containerd"),
    (_not_ready, "nodes", "PLEG is not healthy", "wait a minute"),
    (_missing_node, "nodes", "in the inventory, but not in the cluster", "site.yml"),
    (_stranger, "nodes", "old-pi: there is a node", "kubectl delete node old-pi"),
    (_hot, "heat and power", "84.0 °C", "fan"),
    (_power, "heat and power", "under-voltage and throttling", "power supply"),
    (_ipvs, "kube-proxy", "the mode ipvs, which Kubernetes 1.40 switches off", "edit configmap kube-proxy"),
    (_etcd_full, "etcd", "1900 MiB of 2048 MiB", "defragment"),
    (_drill_old, "backup", "k8s-master: the last drill with a backup was 31 days ago", "backup.yml --tags drill"),
    (_drill_failed, "backup", "the drill on 2026-05-31 with the backup kept-1 failed: no etcd", "make a new backup"),
    (_drill_none, "backup", "the cluster is 31 days old, and no drill has yet shown", "make one with backup.yml"),
    (_serving, "certificate requests", "1 request for a serving certificate", "site.yml"),
]


@pytest.mark.parametrize(("hurt", "check", "cause", "remedy"), TROUBLES, ids=lambda v: getattr(v, "__name__", None))
def test_a_trouble_is_told_with_cause_and_remedy(hurt, check: str, cause: str, remedy: str) -> None:
    sketch = Sketch()
    hurt(sketch)
    found = [sentence for name, sentence in told(sketch) if name == check]
    assert found, told(sketch)
    assert cause in found[0]
    assert remedy in found[0]


@pytest.mark.parametrize("days", [0, 40])
def test_a_drill_is_asked_for_when_it_is_time(days: int) -> None:
    sketch = Sketch()
    _drill_old(sketch)
    assert [f.check for f in diagnose(replace(sketch.scene(), drill_days=days))] == []


def test_a_young_cluster_needs_no_drill_yet() -> None:
    sketch = Sketch()
    sketch.state[MASTER]["drill"] = {}
    assert told(sketch) == []


#: Troubles of which another one is told by right, too.
WITH_COMPANY = {
    _majority_lost,
    _member_gone,
    _token_refused_without_api,
    _api_kubelet,
    _api_unknown,
    _unreachable,
    _no_pod_cidr,
    _token_gone,
}


@pytest.mark.parametrize("hurt", [t[0] for t in TROUBLES if t[0] not in WITH_COMPANY])
def test_what_only_follows_from_it_is_not_told(hurt) -> None:
    sketch = Sketch()
    hurt(sketch)
    assert len(told(sketch)) == 1, told(sketch)


def test_an_unreachable_pi_is_told_once() -> None:
    sketch = Sketch()
    _unreachable(sketch)
    assert [check for check, _sentence in told(sketch)] == ["access"]


def test_every_outcome_has_a_sentence_that_reads_well() -> None:
    for check in CHECKS:
        for name, outcome in check.outcomes.items():
            assert not outcome.sentence.endswith("."), (check.name, name)
            assert not outcome.remedy.endswith("."), (check.name, name)


OF_ONE_NODE = [
    _kubelet_stopped,
    _kubelet_failing,
    _kubelet_flapping,
    _swap,
    _cgroup,
    _no_cni,
    _cni_not_read,
    _no_plugin,
    _no_subnet,
    _no_pod_cidr,
    _disk_pressure,
    _disk_full,
    _read_only,
    _skew,
    _one_pi_cut_off,
    _containerd,
]


@pytest.mark.parametrize("hurt", OF_ONE_NODE)
def test_a_run_that_waits_for_a_node_says_what_status_says_about_it(hurt) -> None:
    sketch = Sketch()
    hurt(sketch)
    scene = sketch.scene()
    pi = next(pi for pi in scene.pis if pi.name == NODE)
    of_status = [f.sentence for f in diagnose(scene) if f.subject == NODE and f.severity == "bad"]
    lines = why_not_ready(pi, scene.node(pi), ["Ready is False: x"], scene.network)
    assert lines[0] == "The cluster says: Ready is False: x."
    errors = [f"  {error}" for error in sketch.state[NODE]["kubelet"]["errors"]]
    assert lines[1:] == [*of_status, *(["The kubelet's last errors:", *errors] if errors else [])]
    assert of_status


def test_a_node_of_an_unfinished_join_is_explained_without_the_clusters_tokens() -> None:
    sketch = Sketch()
    _token_gone(sketch)
    pi = next(pi for pi in sketch.scene().pis if pi.name == NODE)
    text = "\n".join(why_not_ready(pi, {}, ["the cluster does not know this node"], "flannel"))
    assert "the cluster does not know this node" in text
    assert "its join did not finish" in text
    assert "was deleted" not in text


def test_the_worst_comes_first() -> None:
    sketch = Sketch()
    _hot(sketch)
    _swap(sketch)
    assert [f.severity for f in diagnose(sketch.scene())] == ["bad", "warn"]
