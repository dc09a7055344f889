"""Each item of the audit finds what is wrong, leaves alone what is right, and passes nothing that was not read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from audited import ALWAYS_EXPLAINED, KUBELET, MASTER, NODE, OTHER, PKI, Audited
from scenes import ca

from ansible_collections.bramble.kube.plugins.module_utils.images.known_digests import DIGESTS
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.shipped import own_images
from ansible_collections.bramble.kube.plugins.module_utils.status import audit_loop, audit_pis
from ansible_collections.bramble.kube.plugins.module_utils.status.audit import (
    EXPLAINED,
    FAIL,
    NOT_CHECKED,
    PASS,
    UNKNOWN,
    audit,
    counts,
    reason,
)
from ansible_collections.bramble.kube.plugins.module_utils.status.audit_items import ITEMS

API, MANAGER, SCHEDULER, ETCD = "kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"
Harm = Callable[[Audited], object]
JANE = "User jane"
ROLES = Path(__file__).resolve().parents[3] / "roles"
BUSYBOX = "docker.io/library/busybox:latest"
UNKNOWN_DIGEST = next(image for image in own_images() if image not in DIGESTS)


def rule(verbs: str, resources: str, groups: str = "", **more: object) -> list[dict]:
    """A role's rule; lists are written with commas."""
    given = {"verbs": verbs.split(","), "resources": resources.split(","), "apiGroups": groups.split(",")}
    return [{**given, **more}]


def bound(verbs: str, resources: str, groups: str = "", subject: str = JANE, namespace: str = "") -> Harm:
    """Somebody gets such a role."""
    return lambda s: s.bind(subject, rule(verbs, resources, groups), namespace)


def mode(path: str, wrong: int, pi: str = MASTER) -> Harm:
    """A file's mode is wrong."""
    return lambda s: s.change(path, pi, mode=wrong)


def owner(path: str, pi: str = MASTER) -> Harm:
    """A file belongs to somebody."""
    return lambda s: s.change(path, pi, owner="pi:pi")


def flagged(component: str, name: str, value: str | None = None) -> Harm:
    """A program has a flag."""
    return lambda s: s.flag(component, name, value)


def runs(path: str, value: object) -> Harm:
    """A kubelet runs with a setting."""
    return lambda s: s.kubelet(path, value)


def both(*harms: Harm) -> Harm:
    """All of them."""
    return lambda s: [harm(s) for harm in harms]


def logged(*rules: dict) -> Harm:
    """There is an audit log with these rules."""
    empty = {"verbs": [], "users": [], "userGroups": [], "namespaces": [], "nonResourceURLs": [], "resources": []}

    def harm(s: Audited) -> None:
        s.audit[MASTER]["audit_policy"] = {"path": "/p", "file": {}, "content": [{**empty, **r} for r in rules]}
        for name, value in (("path", "/l"), ("maxage", "30"), ("maxbackup", "10"), ("maxsize", "10")):
            s.flag(API, f"audit-log-{name}", value)
        s.flag(API, "audit-policy-file", "/p")

    return harm


def encrypted(*rules: tuple[str, str]) -> Harm:
    """Secrets are encrypted by these rules: resources and providers, with commas."""
    content = [{"resources": r.split(","), "providers": p.split(",")} for r, p in rules]
    return lambda s: s.audit[MASTER]["encryption"].update(content=content)


def pod(namespace: str = "kube-system", workload: str = "Pod mine", **changed: object) -> Harm:
    """A Pod is there."""
    return lambda s: s.pod(namespace, workload, **changed)


def gone(label: str) -> Harm:
    """A policy or binding of the loop is deleted."""
    return lambda sketch: sketch.told["loop"]["rules"].pop(label)


def weakened(label: str, **spec: Any) -> Harm:
    """A policy or binding of the loop is changed."""
    return lambda sketch: sketch.told["loop"]["rules"][label].update(spec)


MANIFESTS = "/etc/kubernetes/manifests"
RBAC, APPS = "rbac.authorization.k8s.io", "apps"
#: What is done, by the items that must fail for it and no others.
VIOLATIONS: list[tuple[str, Harm]] = [
    ("1.1.1", mode(f"{MANIFESTS}/{API}.yaml", 0o644)),
    ("1.1.2", owner(f"{MANIFESTS}/{API}.yaml")),
    ("1.1.3", mode(f"{MANIFESTS}/{MANAGER}.yaml", 0o640)),
    ("1.1.4", owner(f"{MANIFESTS}/{MANAGER}.yaml")),
    ("1.1.5", mode(f"{MANIFESTS}/{SCHEDULER}.yaml", 0o604)),
    ("1.1.6", owner(f"{MANIFESTS}/{SCHEDULER}.yaml")),
    ("1.1.7", mode(f"{MANIFESTS}/{ETCD}.yaml", 0o660)),
    ("1.1.8", owner(f"{MANIFESTS}/{ETCD}.yaml")),
    ("1.1.9", mode("/etc/cni/net.d/10-flannel.conflist", 0o666, OTHER)),
    ("1.1.10", owner("/etc/cni/net.d/10-flannel.conflist", OTHER)),
    ("1.1.11", mode("/var/lib/etcd", 0o755)),
    ("1.1.12", owner("/var/lib/etcd")),
    ("1.1.13 B.3", mode("/etc/kubernetes/admin.conf", 0o644)),
    ("1.1.13", lambda s: s.add("/etc/kubernetes/super-admin.conf", 0o640)),
    ("1.1.13", lambda s: s.add("/etc/kubernetes/admin.conf", 0o640, OTHER)),
    ("1.1.14", owner("/etc/kubernetes/admin.conf")),
    ("1.1.15 B.3", mode("/etc/kubernetes/scheduler.conf", 0o644)),
    ("1.1.16", owner("/etc/kubernetes/scheduler.conf")),
    ("1.1.17 B.3", mode("/etc/kubernetes/controller-manager.conf", 0o604)),
    ("1.1.18", owner("/etc/kubernetes/controller-manager.conf")),
    ("1.1.19", owner(f"{PKI}/ca.key")),
    ("1.1.19", owner(f"{PKI}/encryption.json")),
    ("1.1.20", lambda s: s.add(f"{PKI}/etcd/peer.crt", 0o666)),
    ("1.1.21 B.3", mode(f"{PKI}/ca.key", 0o640)),
    ("1.2.1", lambda s: s.flag(API, "anonymous-auth", "maybe")),
    ("1.2.2", flagged(API, "token-auth-file", "/etc/tokens")),
    ("1.2.4", flagged(API, "kubelet-client-certificate")),
    ("1.2.4", flagged(API, "kubelet-client-key")),
    ("1.2.6 1.2.7 1.2.8", flagged(API, "authorization-mode", "AlwaysAllow")),
    ("1.2.6", flagged(API, "authorization-mode", "Node,RBAC,AlwaysAllow")),
    ("1.2.6 1.2.7 1.2.8", flagged(API, "authorization-mode")),
    ("1.2.7", flagged(API, "authorization-mode", "RBAC")),
    ("1.2.8", flagged(API, "authorization-mode", "Node")),
    ("1.2.10", flagged(API, "enable-admission-plugins", "NodeRestriction,AlwaysAdmit")),
    ("1.2.12", flagged(API, "disable-admission-plugins", "ServiceAccount")),
    ("1.2.13", flagged(API, "disable-admission-plugins", "NamespaceLifecycle")),
    ("1.2.14", flagged(API, "enable-admission-plugins")),
    ("1.2.14", flagged(API, "disable-admission-plugins", "NodeRestriction")),
    ("1.2.15", flagged(API, "profiling")),
    ("1.2.15", flagged(API, "profiling", "T")),
    ("1.2.17", both(logged({"level": "Metadata"}), flagged(API, "audit-log-maxage", "3"))),
    ("1.2.18", both(logged({"level": "Metadata"}), flagged(API, "audit-log-maxbackup", "1"))),
    ("1.2.19", both(logged({"level": "Metadata"}), flagged(API, "audit-log-maxsize", "1"))),
    ("1.2.20", flagged(API, "request-timeout", "1h0m0s")),
    ("1.2.20", flagged(API, "request-timeout", "0")),
    ("1.2.21", flagged(API, "service-account-lookup", "false")),
    ("1.2.22", flagged(API, "service-account-key-file")),
    ("1.2.23", flagged(API, "etcd-certfile")),
    ("1.2.23", flagged(API, "etcd-keyfile")),
    ("1.2.24", flagged(API, "tls-private-key-file")),
    ("1.2.25", flagged(API, "client-ca-file")),
    ("1.2.26", flagged(API, "etcd-cafile")),
    (
        "1.2.27 1.2.28",
        both(flagged(API, "encryption-provider-config"), lambda s: s.audit[MASTER].update(encryption={})),
    ),
    ("1.2.28", encrypted(("configmaps", "secretbox"), ("secrets", "identity,secretbox"))),
    ("1.2.28", encrypted(("configmaps", "secretbox"))),
    ("1.2.28", encrypted(("*.apps", "secretbox"), ("*.*", "identity"))),
    ("1.2.28", encrypted(("secrets", "aesgcm"))),
    ("1.2.28", encrypted(("secrets", "identity"), ("secrets", "secretbox"))),
    ("1.2.29", flagged(API, "tls-cipher-suites", "TLS_AES_128_GCM_SHA256,TLS_RSA_WITH_AES_128_CBC_SHA")),
    ("1.2.30", flagged(API, "service-account-extend-token-expiration", "perhaps")),
    ("1.3.2", flagged(MANAGER, "profiling", "true")),
    ("1.3.3", flagged(MANAGER, "use-service-account-credentials")),
    ("1.3.4", flagged(MANAGER, "service-account-private-key-file")),
    ("1.3.5", flagged(MANAGER, "root-ca-file")),
    ("1.3.6", flagged(MANAGER, "feature-gates", "AllAlpha=false,RotateKubeletServerCertificate=false")),
    ("1.3.7", flagged(MANAGER, "bind-address", "0.0.0.0")),
    ("1.4.1", flagged(SCHEDULER, "profiling", "true")),
    ("1.4.2", flagged(SCHEDULER, "bind-address")),
    ("2.1", flagged(ETCD, "key-file")),
    ("2.2", flagged(ETCD, "client-cert-auth", "false")),
    ("2.3", flagged(ETCD, "auto-tls", "true")),
    ("2.4", flagged(ETCD, "peer-cert-file")),
    ("2.5", flagged(ETCD, "peer-client-cert-auth")),
    ("2.6", flagged(ETCD, "peer-auto-tls", "1")),
    ("2.7", flagged(ETCD, "trusted-ca-file", f"{PKI}/ca.crt")),
    ("2.7", lambda s: s.one_ca()),
    ("2.7", flagged(ETCD, "trusted-ca-file")),
    ("3.1.2", lambda s: s.told["account_secrets"].append({"namespace": "default", "name": "robot"})),
    ("3.1.3", lambda s: s.cluster["tokens"].append({"id": "abcdef", "expires": None, "description": ""})),
    ("3.2.2", logged({"level": "None", "verbs": ["get", "list", "watch"]}, {"level": "Metadata"})),
    ("3.2.2", logged({"level": "RequestResponse"})),
    ("3.2.2", logged({"level": "Metadata", "resources": [{"group": "", "resources": ["pods", "secrets"]}]})),
    ("4.1.1", mode("/usr/lib/systemd/system/kubelet.service", 0o666, NODE)),
    ("4.1.2", owner("/usr/lib/systemd/system/kubelet.service", NODE)),
    ("4.1.3", lambda s: s.audit[OTHER]["kube_proxy"]["kubeconfig"].update(mode=0o666)),
    ("4.1.4", lambda s: s.audit[OTHER]["kube_proxy"]["kubeconfig"].update(owner="pi:pi")),
    ("4.1.5 B.3", mode("/etc/kubernetes/kubelet.conf", 0o644, OTHER)),
    ("4.1.6", owner("/etc/kubernetes/kubelet.conf", OTHER)),
    ("1.1.20 4.1.7", mode(f"{PKI}/ca.crt", 0o664, OTHER)),
    ("1.1.19 4.1.8", owner(f"{PKI}/ca.crt", OTHER)),
    ("4.1.9", mode("/var/lib/kubelet/config.yaml", 0o646, OTHER)),
    ("4.1.10", owner("/var/lib/kubelet/config.yaml", OTHER)),
    ("4.2.1", runs("authentication.anonymous.enabled", True)),
    ("4.2.2", runs("authorization.mode", "AlwaysAllow")),
    ("4.2.4", runs("readOnlyPort", 10255)),
    ("4.2.5", runs("streamingConnectionIdleTimeout", "0s")),
    ("4.2.6", runs("makeIPTablesUtilChains", False)),
    ("4.2.7", lambda s: s.flag("kubelet", "hostname-override", "k8s-master", pi=OTHER)),
    ("4.2.8", runs("eventRecordQPS", 1)),
    ("4.2.10", runs("rotateCertificates", False)),
    ("4.2.11", runs("featureGates", {"RotateKubeletServerCertificate": False})),
    ("4.2.12", runs("tlsCipherSuites", ["TLS_RSA_WITH_RC4_128_SHA"])),
    ("4.2.13", runs("podPidsLimit", None)),
    ("4.2.14 5.6.2", both(runs("seccompDefault", False), pod("kubeflow", "Pod mine"))),
    ("4.3.1", lambda s: s.audit[OTHER]["kube_proxy"].update(metrics="0.0.0.0:10249")),
    ("4.3.1", lambda s: s.audit[OTHER]["kube_proxy"].update(metrics=":10400")),
    ("4.3.1", lambda s: s.audit[OTHER]["listening"].append({"port": 10249, "address": "::"})),
    ("5.1.1 5.1.3", bound("*", "*", "*")),
    ("5.1.1 5.1.3", bound("*", "*", "*", "ServiceAccount kubeflow/robot", "kubeflow")),
    ("5.1.1", bound("*", "*", "*", "ServiceAccount kube-system/generic-garbage-collector")),
    ("5.1.1 5.1.3", bound("get,list,watch,create,update,patch,delete", "*", "*")),
    ("5.1.2", bound("get", "secrets")),
    ("5.1.2", bound("watch", "configmaps,secrets", namespace="kube-system")),
    ("5.1.2", bound("list", "secrets", subject="ServiceAccount kube-system/cronjob-controller")),
    ("5.1.3", bound("get", "pods", "*")),
    ("5.1.3", bound("*", "configmaps")),
    ("5.1.3", lambda s: s.bind(JANE, [{"verbs": ["get"], "nonResourceURLs": ["*"]}])),
    ("5.1.4", bound("create", "pods")),
    ("5.1.4", bound("patch", "deployments", APPS)),
    ("5.1.4", bound("create", "cronjobs", "batch")),
    ("5.1.4", bound("get", "pods/exec")),
    ("5.1.5", bound("get", "configmaps", subject="ServiceAccount kubeflow/default", namespace="kubeflow")),
    ("5.1.5 5.1.6", pod("kubeflow", token=True)),
    ("5.1.6", pod("kubeflow", token=True, account="own")),
    ("5.1.7", lambda s: s.cluster.update(client_certificate=ca().sign("me", group="system:masters"))),
    (
        "5.1.7",
        lambda s: s.state[MASTER]["certificates"].append(
            {"file": "/etc/kubernetes/super-admin.conf", "pem": ca().sign("me", group="system:masters")}
        ),
    ),
    ("5.1.7", lambda s: s.bind("Group system:masters", [], name="mine")),
    ("5.1.8", bound("escalate", "roles", RBAC)),
    ("5.1.8", bound("bind", "clusterroles", RBAC)),
    ("5.1.8", bound("impersonate", "users")),
    ("5.1.8", lambda s: s.bind(JANE, rule("impersonate", "groups", resourceNames=["system:masters"]))),
    ("5.1.9", bound("create", "persistentvolumes")),
    ("5.1.10", bound("get", "nodes/proxy")),
    ("5.1.3 5.1.10", bound("*", "nodes/proxy")),
    ("5.1.10", bound("create", "*/proxy")),
    ("5.1.11", bound("update", "certificatesigningrequests/approval", "certificates.k8s.io")),
    ("5.1.11", bound("approve", "signers", "certificates.k8s.io")),
    ("5.1.12", bound("patch", "mutatingwebhookconfigurations", "admissionregistration.k8s.io")),
    ("5.1.13", bound("create", "serviceaccounts/token")),
    (
        "5.2.1 5.2.2 5.2.3 5.2.4 5.2.5 5.2.6 5.2.7 5.2.8 5.2.9 5.2.11 5.2.12",
        flagged(API, "disable-admission-plugins", "PodSecurity"),
    ),
    ("5.2.2 5.2.3 5.2.4 5.2.5 5.2.6 5.2.7 5.2.8 5.2.9 5.2.11 5.2.12", lambda s: s.namespace("mine", "")),
    ("5.2.2 5.6.2", pod(privileged=True)),
    ("5.2.3", pod(host_pid=True)),
    ("5.2.4", pod(host_ipc=True)),
    ("5.2.5", pod(host_network=True)),
    ("5.2.10", lambda s: s.cluster["nodes"][2].update(system="windows")),
    ("5.2.11", pod(host_paths=["/etc"])),
    ("5.2.12", pod(host_ports=[80])),
    ("5.3.2", lambda s: [s.told["policies"].clear(), s.audit[OTHER].update(policy_engines=["kube-router"])]),
    ("5.4.1", pod("kubeflow", secret_variables=True)),
    ("5.6.2", pod("kubeflow", seccomp="Unconfined")),
    ("5.6.3", pod("kubeflow", context=False)),
    ("5.6.4", pod("default")),
    ("5.6.4", lambda s: s.told["services"].append({"namespace": "default", "name": "mine"})),
    ("B.1", lambda s: s.audit[MASTER]["listening"].append({"port": 2379, "address": "0.0.0.0"})),
    (
        "B.1",
        both(
            flagged(ETCD, "listen-client-urls", "http://0.0.0.0:2999"),
            lambda s: s.audit[MASTER]["listening"].append({"port": 2999, "address": "0.0.0.0"}),
        ),
    ),
    ("B.2", lambda s: s.audit[MASTER]["listening"].append({"port": 2380, "address": "192.168.13.7"})),
    ("B.2", lambda s: s.audit[MASTER]["listening"].append({"port": 2381, "address": "::"})),
    ("B.3", mode(f"{PKI}/encryption.json", 0o644)),
    ("B.3", lambda s: s.audit[MASTER]["encryption"]["file"].update(mode=0o644)),
    ("B.3", lambda s: s.add("/tmp/admin.conf", 0o644, OTHER, secret=True)),
    ("B.4", lambda s: s.bind("User system:anonymous", rule("get", "nodes"))),
    ("B.4", lambda s: s.bind("Group system:unauthenticated", rule("get", "configmaps"), "kube-public")),
    ("B.3 B.5", mode("/home/pi/.kube/config", 0o644)),
    ("B.6", pod(image="quay.io/own/app:1")),
    ("B.6", pod("kubeflow", image="quay.io/own/app")),
    ("B.6", pod(image="registry.k8s.io/kube-proxy:v1.37.2")),
    ("B.6", pod("jupyterhub", image="busybox")),
    ("B.6", pod("model-server", image="Not an image")),
    *(("B.7", gone(label)) for label in audit_loop.shipped()),
    ("B.7", weakened("ValidatingAdmissionPolicyBinding loop-release", validationActions=["Audit"])),
    ("B.7", weakened("ValidatingAdmissionPolicyBinding loop-release", paramRef={"name": "mine", "namespace": "loop"})),
    ("B.7", weakened("ValidatingAdmissionPolicyBinding loop-release", matchResources={"excludeResourceRules": []})),
    ("B.7", weakened("ValidatingAdmissionPolicy loop-release", failurePolicy="Ignore")),
    ("B.7", weakened("ValidatingAdmissionPolicy loop-release", matchConditions=[{"name": "a", "expression": "false"}])),
    ("B.7", lambda s: s.told["loop"]["rules"]["ValidatingAdmissionPolicy loop-release"]["validations"].pop()),
    ("B.7", lambda s: s.told["loop"].update(gate=None)),
    ("B.7", lambda s: s.told["loop"]["gate"]["people"].update(eve=["reviewer"])),
    ("B.7", lambda s: s.told["loop"]["gate"]["models"]["digits"].update(thresholds={})),
    ("B.8", lambda s: s.told["loop"]["releases"][0].update(decision={})),
    ("B.8", lambda s: s.told["loop"]["releases"][0]["decision"].update(verdict="refused")),
    ("B.8", lambda s: s.told["loop"]["releases"][0]["decision"].update(by="ada")),
    ("B.8", lambda s: s.told["loop"]["releases"][0].update(evidence={})),
    (
        "B.8",
        lambda s: s.told["loop"]["releases"].append({**s.told["loop"]["releases"][0], "name": "x-1", "decision": {}}),
    ),
    ("B.8", lambda s: s.told["loop"]["servers"].append("digits-8")),
]
#: What every admitted kubelet has, so that only its absence is a fault.
VIOLATIONS.append(("4.2.3", lambda s: [s.kubelet("authentication.x509", {"clientCAFile": ""}, OTHER)]))


def test_a_healthy_cluster_fails_nowhere() -> None:
    results = Audited().results()
    wrong = {id_: (r.verdict, r.found) for id_, r in results.items() if r.verdict in (FAIL, UNKNOWN)}
    assert wrong == {}
    numbers = counts(results.values())
    assert numbers[NOT_CHECKED] == 2
    assert numbers[PASS] > 90
    assert all(r.found.startswith("read: ") for r in results.values() if r.verdict == PASS)
    assert all(r.reason for r in results.values() if r.verdict in (EXPLAINED, NOT_CHECKED))


@pytest.mark.parametrize(("items", "harm"), VIOLATIONS, ids=[f"{i}-{n}" for n, (i, _harm) in enumerate(VIOLATIONS)])
def test_a_violation_fails_its_items_and_no_others(items: str, harm: Harm) -> None:
    sketch = Audited()
    harm(sketch)
    found = {id_: r for id_, r in sketch.results().items() if r.verdict == FAIL}
    assert set(found) == set(items.split()), {id_: r.found for id_, r in found.items()}


def test_every_check_has_a_violation() -> None:
    tried = {id_ for items, _harm in VIOLATIONS for id_ in items.split()}
    assert {item.name for item in ITEMS if NOT_CHECKED not in item.outcomes} - tried == ALWAYS_EXPLAINED


def test_explained_is_only_what_the_reason_says() -> None:
    found = {id_ for id_, result in Audited().results().items() if result.verdict == EXPLAINED}
    assert found >= ALWAYS_EXPLAINED - {"3.1.1"}
    assert all(reason(item) for item in ITEMS if item.name in found)


def test_all_items_of_the_benchmark_are_there_once() -> None:
    sections = {"1.1": 21, "1.2": 30, "1.3": 7, "1.4": 2, "2": 7, "3.1": 3, "3.2": 2, "4.1": 10, "4.2": 14, "4.3": 1}
    sections |= {"5.1": 13, "5.2": 12, "5.3": 2, "5.4": 2, "5.5": 1, "5.6": 4}
    wanted = {f"{section}.{number}" for section, last in sections.items() for number in range(1, last + 1)}
    assert sorted(item.name for item in ITEMS if not item.name.startswith("B")) == sorted(wanted)
    assert sum(not entry.name.startswith("B") for entry in ITEMS) == 131  # the benchmark's own


@pytest.mark.parametrize(
    ("harm", "verdict", "found"),
    [
        (pod("mine", image="busybox"), EXPLAINED, "registry.k8s.io/kube-proxy:v1.37.2 is used by its tag alone"),
        (pod("kubeflow", image="busybox", finished=True), EXPLAINED, "registry.k8s.io/kube-proxy:v1.37.2"),
        (pod("kube-flannel", image=UNKNOWN_DIGEST), EXPLAINED, "is used by its tag alone"),
        (
            pod("kubeflow", image="busybox"),
            FAIL,
            f"Pod kubeflow/p-1 (main): busybox is used by its tag alone, though its digest is {DIGESTS[BUSYBOX]}",
        ),
        (pod("kubeflow", image="mine:1"), FAIL, "Pod kubeflow/p-1 (main): mine:1 is used by its tag alone"),
    ],
)
def test_images_by_tag_are_judged_by_who_chose_them(harm: Harm, verdict: str, found: str) -> None:
    sketch = Audited()
    harm(sketch)
    result = sketch.results()["B.6"]
    assert result.verdict == verdict
    assert found in result.found


@pytest.mark.parametrize(
    "namespace", ["kubeflow", "cert-manager", "kubeflow-smoke", "kube-flannel", "local-path-storage"]
)
def test_namespaces_of_components_are_ours(namespace: str) -> None:
    sketch = Audited()
    pod(namespace, image="busybox")(sketch)
    assert sketch.results()["B.6"].verdict == FAIL


# Nothing passes that was not read -------------------------------------------------------------------------------------


def unread(harm: Harm) -> set[str]:
    """Items that cannot be judged any more after something."""
    sketch = Audited()
    harm(sketch)
    results = sketch.results()
    assert all(r.found for r in results.values() if r.verdict == UNKNOWN)
    assert {r.verdict for r in results.values()} <= {PASS, EXPLAINED, UNKNOWN, NOT_CHECKED}
    return {id_ for id_, r in results.items() if r.verdict == UNKNOWN}


@pytest.mark.parametrize(
    ("harm", "items"),
    [
        (lambda s: s.remove(f"{MANIFESTS}/{API}.yaml"), "1.1.1 1.1.2"),
        (lambda s: s.remove("/etc/kubernetes/admin.conf"), "1.1.13 1.1.14"),
        (lambda s: s.remove("/var/lib/kubelet/config.yaml", NODE), "4.1.9 4.1.10"),
        (lambda s: s.audit[MASTER]["encryption"].update(content=None, trouble="Permission denied"), "1.2.28"),
        (lambda s: s.audit[MASTER]["programs"].pop(SCHEDULER), "1.4.1 1.4.2"),
        (lambda s: s.audit[MASTER].update(listening=None), "4.3.1 B.1 B.2"),
        (lambda s: s.audit[OTHER].update(kube_proxy={"trouble": "/c: no such file"}), "4.1.3 4.1.4 4.3.1"),
        (
            lambda s: s.audit[MASTER]["admission"].update(path="/a", trouble="no"),
            "5.2.1 5.2.2 5.2.3 5.2.4 5.2.5 5.2.6 5.2.7 5.2.8 5.2.9 5.2.11 5.2.12",
        ),
        (flagged(API, "authorization-config", "/a"), "1.2.6 1.2.7 1.2.8"),
        (flagged(API, "authentication-config", "/a"), "1.2.1"),
        (flagged(ETCD, "trusted-ca-file", "/elsewhere/ca.crt"), "2.7"),
        (flagged(ETCD, "config-file", "/etcd.yml"), "2.1 2.2 2.3 2.4 2.5 2.6 2.7"),
        (lambda s: s.told.pop("account_secrets"), "3.1.2"),
        (
            lambda s: s.told.pop("bindings"),
            "5.1.1 5.1.2 5.1.3 5.1.4 5.1.5 5.1.6 5.1.7 5.1.8 5.1.9 5.1.10 5.1.11 5.1.12 5.1.13 B.4",
        ),
    ],
)
def test_what_could_not_be_read_is_unknown(harm: Harm, items: str) -> None:
    assert unread(harm) == set(items.split())


def test_why_the_levels_of_namespaces_are_unknown_is_said() -> None:
    sketch = Audited()
    sketch.audit[MASTER]["admission"].update(path="/a", trouble="Permission denied")
    assert "/a could not be read (Permission denied)" in sketch.results()["5.2.2"].found


KUBELETS = {f"4.2.{n}" for n in range(1, 15)}


def test_a_kubelet_that_does_not_tell_is_unknown_and_its_command_line_still_judged() -> None:
    sketch = Audited()
    sketch.told["kubelets"][NODE] = {"trouble": "no route to host"}
    results = sketch.results()
    found = {id_ for id_, result in results.items() if result.verdict == UNKNOWN}
    assert found == (KUBELETS - {"4.2.7"}) | {"4.1.7", "4.1.8"}
    assert "no route to host" in results["4.2.1"].found
    sketch.flag("kubelet", "anonymous-auth", "true", pi=NODE)
    assert sketch.results()["4.2.1"].verdict == FAIL


@pytest.mark.parametrize("gone", [MASTER, NODE])
def test_a_pi_that_cannot_be_reached_leaves_its_items_unknown(gone: str) -> None:
    def harm(sketch: Audited) -> None:
        sketch.unreachable[gone] = "timed out"

    items = unread(harm)
    assert {"1.1.9", "4.1.1", "4.3.1", "5.3.1", "B.3"} <= items
    assert ("1.2.6" in items) is (gone == MASTER)


def test_a_node_that_is_no_pi_of_the_inventory_is_not_forgotten() -> None:
    def harm(sketch: Audited) -> None:
        sketch.cluster["nodes"].append({**sketch.cluster["nodes"][2], "name": "stranger"})
        sketch.told["kubelets"]["stranger"] = {"config": KUBELET}

    items = unread(harm)
    assert {"4.1.1", "1.1.9", "B.3"} <= items
    assert "1.2.6" not in items
    assert not items & (KUBELETS - {"4.2.7"})


def test_without_an_api_server_the_pis_are_judged_and_the_rest_is_unknown() -> None:
    items = unread(lambda s: s.silence())
    assert {f"5.1.{n}" for n in range(1, 14)} | KUBELETS - {"4.2.7"} <= items
    assert not {"1.1.1", "1.2.6", "2.1", "B.3"} & items


# Rules of others, kept ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "provider"),
    [
        ([("secrets", "secretbox,identity")], "secretbox"),
        ([("configmaps", "aescbc"), ("secrets", "identity,aescbc")], "identity"),
        ([("*.", "kms")], "kms"),
        ([("*.*", "secretbox")], "secretbox"),
        ([("secrets", "aescbc"), ("*.*", "identity")], "aescbc"),
        ([("events", "identity"), ("*.", "aescbc"), ("*.*", "identity")], "aescbc"),
        ([("*.apps", "aescbc")], ""),
        ([], ""),
    ],
)
def test_the_provider_for_secrets_is_found_as_the_api_server_does(rules: list, provider: str) -> None:
    entries = [{"resources": r.split(","), "providers": p.split(",")} for r, p in rules]
    assert audit_pis.provider_of_secrets(entries) == provider


@pytest.mark.parametrize(("text", "seconds"), [("4h0m0s", 14400), ("1m0s", 60), ("0s", 0), ("0", 0), ("x", None)])
def test_durations_of_go(text: str, seconds: float | None) -> None:
    assert audit_pis.seconds(text) == seconds


def test_a_narrow_rule_of_an_audit_policy_covers_nobody_else() -> None:
    narrow = {"level": "None", "verbs": [], "users": ["x"], "userGroups": [], "namespaces": [], "nonResourceURLs": []}
    rules = [{**narrow, "resources": []}, {**narrow, "users": [], "level": "Metadata", "resources": []}]
    assert audit_pis.audit_level(rules, "create", "", "pods") == "Metadata"
    sub = {**narrow, "users": [], "level": "Metadata", "resources": [{"group": "", "resources": ["pods"]}]}
    assert audit_pis.audit_level([sub], "get", "", "pods/exec") == "None"
    sub["resources"] = [{"group": "", "resources": ["pods/*"]}]
    assert audit_pis.audit_level([sub], "get", "", "pods/exec") == "Metadata"


def test_the_audit_says_which_model_answers_and_who_allowed_it() -> None:
    result = Audited().results()["B.8"]
    evidence = "96.1% right, data digits 40 corrections, model sha256:111111111111"
    said = f"read: digits-7 (Live, approved by ben on 2026-01-02 with {evidence}), 1 release"
    assert (result.verdict, result.found) == (PASS, said)


def test_a_model_that_one_person_may_decide_alone_passes() -> None:
    sketch = Audited()
    sketch.told["loop"]["releases"][0].update(asked_by="ben")
    sketch.told["loop"]["releases"][0]["decision"].update(alone=True)
    assert sketch.results()["B.8"].verdict == PASS


def test_a_cluster_without_a_loop_has_no_gate_to_keep() -> None:
    sketch = Audited()
    sketch.told["loop"] = {"rules": {}, "gate": None, "releases": [], "servers": []}
    scene = dataclasses.replace(sketch.scene(), gate=None)
    found = {result.id: result for result in audit(scene, ITEMS)}
    assert {found[id_].verdict for id_ in ("B.7", "B.8")} == {PASS}
    assert found["B.7"].found == "read: the cluster, which has no loop"


def test_a_loop_that_could_not_be_read_is_unknown() -> None:
    sketch = Audited()
    del sketch.told["loop"]
    sketch.told["trouble"]["loop"] = "no answer"
    assert {sketch.results()[id_].verdict for id_ in ("B.7", "B.8")} == {UNKNOWN}
