# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Checks of an audit that look at what the API server tells: who may do what, and what Pods may and do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.pod_networks import NETWORKS
from ansible_collections.bramble.kube.plugins.module_utils.common.wording import counted
from ansible_collections.bramble.kube.plugins.module_utils.images.known_digests import DIGESTS
from ansible_collections.bramble.kube.plugins.module_utils.images.reference import is_reference, parse
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.shipped import own_images, own_namespaces
from ansible_collections.bramble.kube.plugins.module_utils.status import certificates, powers
from ansible_collections.bramble.kube.plugins.module_utils.status.audit import Seen
from ansible_collections.bramble.kube.plugins.module_utils.status.audit_pis import Check, no_answer, off, pis
from ansible_collections.bramble.kube.plugins.module_utils.status.model import Scene


def parts(scene: Scene, seen: Seen, *names: str) -> Mapping[str, Any] | None:
    """What the API server told, if it told all of these; else None, and the reason is noted as unread."""
    if not scene.answered:
        seen.unread.append(no_answer(scene))
        return None
    told = scene.cluster.get("audit") or {}
    for name in names:
        if name not in told:
            reason = (told.get("trouble") or {}).get(name) or "it was not asked for"
            seen.unread.append(f"the API server did not tell the {name.replace('_', ' ')}: {reason}")
            return None
    return told


# Who may do what -----------------------------------------------------------------------------------------------------

#: Components of this collection whose accounts need a power, which the items' reasons explain.
COMPONENTS: dict[str, set[str]] = {
    "ServiceAccount ingress/traefik": {powers.SECRETS},
    "ServiceAccount jobset-system/jobset-controller-manager": {powers.PODS, powers.SECRETS, powers.WEBHOOKS},
    "ServiceAccount jupyterhub/hub": {powers.PODS},
    "ServiceAccount kubeflow-system/kubeflow-trainer-controller-manager": {powers.SECRETS, powers.WEBHOOKS},
    "ServiceAccount kubeflow/training-operator": {powers.PODS, powers.SECRETS, powers.WEBHOOKS},
    "ServiceAccount loop/desk": {powers.ESCALATE},
    "ServiceAccount loop/hand": {powers.PODS},
    "ServiceAccount loop/switch": {powers.PODS},
    "ServiceAccount local-path-storage/local-path-provisioner-service-account": {powers.PODS, powers.VOLUMES},
}


def power(name: str, words: str) -> Check:
    """Nobody has a power but those who are known to need it: Kubernetes' own parts, and (explained) COMPONENTS.

    :param words: how the power is told, such as "may read Secrets".
    """

    def check(scene: Scene, seen: Seen) -> None:
        told = parts(scene, seen, "roles", "bindings")
        if told is None:
            return
        seen.read.append(f"{len(told['bindings'])} bindings to {len(told['roles'])} roles")
        for grant in powers.grants(told):
            if name not in grant.powers or name in powers.KUBERNETES.get(grant.subject, ()):
                continue
            where = f" in namespace {grant.namespace}" if grant.namespace else ""
            explained = name in COMPONENTS.get(grant.subject, ())
            seen.judge(grant.subject, False, f"{words}{where} ({grant.by})", explained)

    return check


#: What kubeadm and Kubernetes let somebody without proof of identity read (system:public-info-viewer, cluster-info).
_PUBLIC_PATHS = {"/healthz", "/livez", "/readyz", "/version", "/version/"}


def _harmless(rule: Mapping[str, Any], namespace: str) -> bool:
    if not set(rule.get("verbs") or ()) <= {"get"}:
        return False
    if rule.get("nonResourceURLs"):
        return set(rule["nonResourceURLs"]) <= _PUBLIC_PATHS
    return (
        namespace == "kube-public"
        and set(rule.get("resources") or ()) <= {"configmaps"}
        and rule.get("resourceNames") == ["cluster-info"]
    )


def anonymous_rights(scene: Scene, seen: Seen) -> None:
    """Who has no identity may read the cluster's address and its health, whatever the role is called."""
    told = parts(scene, seen, "roles", "bindings")
    if told is None:
        return
    rules = {(role["kind"], role["namespace"], role["name"]): role["rules"] for role in told["roles"]}
    seen.read.append(f"{len(told['bindings'])} bindings")
    for binding in told["bindings"]:
        names = {subject["name"] for subject in binding["subjects"]}
        if names & {"system:anonymous", "system:unauthenticated"}:
            within = binding["namespace"] if binding["role_kind"] == "Role" else ""
            given = rules.get((binding["role_kind"], within, binding["role"]), ())
            fine = all(_harmless(rule, binding["namespace"]) for rule in given)
            by = f"{binding['kind']} {binding['name']}"
            seen.judge("anybody", fine, f"may do what {binding['role']} allows ({by})")


def default_accounts(scene: Scene, seen: Seen) -> None:
    """Nobody uses a namespace's account default."""
    told = parts(scene, seen, "accounts", "pod_specs", "roles", "bindings")
    if told is None:
        return
    bound = {grant.subject for grant in powers.grants(told)}
    used = {(pod["namespace"], pod["account"]) for pod in told["pod_specs"] if _mounts_token(pod)}
    for account in told["accounts"]:
        if account["name"] != "default":
            continue
        place = f"namespace {account['namespace']}"
        subject = f"ServiceAccount {account['namespace']}/default"
        seen.judge(place, subject not in bound, "its default account has a role")
        seen.judge(place, (account["namespace"], "default") not in used, "Pods have a token for its default account")
        seen.judge(place, not account["token"], "its default account would give Pods a token", explained=True)


def _mounts_token(pod: Mapping[str, Any]) -> bool:
    return not pod["finished"] and any(container["token"] for container in pod["containers"])


def needless_tokens(scene: Scene, seen: Seen) -> None:
    """Pods have a token only where their account may do something with it."""
    told = parts(scene, seen, "pod_specs", "roles", "bindings")
    if told is None:
        return
    bound = {grant.subject for grant in powers.grants(told)}
    seen.read.append(counted(len(told["pod_specs"]), "Pod"))
    for pod in told["pod_specs"]:
        if _mounts_token(pod):
            needed = f"ServiceAccount {pod['namespace']}/{pod['account']}" in bound
            what = f"it has a token for the account {pod['account']}, which has no role"
            seen.judge(_named(pod), needed, what)


def all_powerful_certificates(scene: Scene, seen: Seen) -> None:
    """No certificate or binding uses the group system:masters, which no rule can hold back."""
    for pi in pis(scene, seen, masters=True):
        seen.read.append(pi.name)
        for certificate in scene.certificates(pi):
            seen.judge(pi.name, not _in_masters(certificate), f"{certificate.file} belongs to the group system:masters")
    mine = certificates.read("the laptop's kubeconfig", scene.cluster.get("client_certificate") or "")
    if mine:
        seen.judge("the laptop", not _in_masters(mine), "its kubeconfig belongs to the group system:masters")
    told = parts(scene, seen, "bindings")
    for binding in told["bindings"] if told else ():
        known = (binding["kind"], binding["name"], binding["role"]) == (
            "ClusterRoleBinding",
            "cluster-admin",
            "cluster-admin",
        )
        if any(subject["name"] == "system:masters" for subject in binding["subjects"]) and not known:
            seen.judge(f"{binding['kind']} {binding['name']}", False, "it is for the group system:masters")


def _in_masters(certificate: certificates.Certificate) -> bool:
    return "system:masters" in certificates.groups(certificate)


def people_by_certificate(scene: Scene, seen: Seen) -> None:
    """People authenticate with something that can be taken back; the laptop's kubeconfig tells."""
    if parts(scene, seen) is not None:
        plain = not scene.cluster.get("client_certificate")
        seen.judge("the laptop", plain, "its kubeconfig has a client certificate", explained=True)


def tokens_for_ever(scene: Scene, seen: Seen) -> None:
    """No Secret holds a service account's token that never ends, which people carry about."""
    told = parts(scene, seen, "account_secrets")
    if told is not None:
        seen.read.append("Secrets of the type service-account-token")
        for secret in told["account_secrets"]:
            seen.judge(f"Secret {secret['namespace']}/{secret['name']}", False, "it holds a token that never ends")


def bootstrap_tokens(scene: Scene, seen: Seen) -> None:
    """Bootstrap tokens end."""
    if parts(scene, seen) is None or scene.cluster.get("tokens") is None:
        seen.unread.append("bootstrap tokens: they could not be read")
        return
    seen.read.append(f"{len(scene.cluster['tokens'])} bootstrap tokens")
    for token in scene.cluster["tokens"]:
        seen.judge(f"bootstrap token {token['id']}", token["expires"] is not None, "it never ends")


# Pods ----------------------------------------------------------------------------------------------------------------

LEVELS = {"privileged": 0, "baseline": 1, "restricted": 2}
BASELINE, RESTRICTED = 1, 2
#: Namespaces of the cluster's own parts, in which nobody but administrators makes Pods.
SYSTEM = (
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "local-path-storage",
    *(network.namespace for network in NETWORKS.values()),
)
_KUBEADM = {
    *(f"kube-system/static {name}" for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")),
    "kube-system/DaemonSet kube-proxy",
}
#: Pods whose images kubeadm chooses.
KUBEADM_PODS = {*_KUBEADM, "kube-system/Deployment coredns"}
#: Pods that need the machine itself: static ones of the control plane, kube-proxy, the Pod network.
SYSTEM_PODS = {
    *_KUBEADM,
    *(f"{network.namespace}/DaemonSet {network.daemonset}" for network in NETWORKS.values()),
}


#: Pods that take a Secret as a variable, because their program (configurable-http-proxy) reads it from nowhere else.
_VARIABLES = {"jupyterhub/Deployment proxy"}


def _workload(pod: Mapping[str, Any]) -> str:
    return f"{pod['namespace']}/{pod['workload']}"


def of_system(pod: Mapping[str, Any]) -> bool:
    """Whether a Pod is in one of the cluster's own namespaces."""
    return pod["namespace"] in SYSTEM


def of_jupyterhub(pod: Mapping[str, Any]) -> bool:
    """Whether a Pod is one of JupyterHub's own that need a Secret as a variable."""
    return _workload(pod) in _VARIABLES


def _needs_the_machine(pod: Mapping[str, Any]) -> bool:
    """Whether a Pod is one of the cluster's that work on the machine itself."""
    return _workload(pod) in SYSTEM_PODS or _workload(pod).startswith("local-path-storage/Pod helper-pod-")


def _named(pod: Mapping[str, Any]) -> str:
    return f"Pod {pod['namespace']}/{pod['name']}"


def _pod_security(scene: Scene, seen: Seen) -> tuple[str, set[str]] | None:
    """The level of namespaces without a label, and those that are exempt, by the API servers; None if unread."""
    levels: list[str] = []
    exempt: set[str] = set()
    for pi in pis(scene, seen, masters=True):
        program = pi.audit["programs"].get("kube-apiserver")
        admission = pi.audit["admission"]
        if program is None:
            seen.unread.append(f"{pi.name}: kube-apiserver does not run")
            return None
        if "PodSecurity" in program["flags"].get("disable-admission-plugins", "").split(","):
            return "off", set()
        if admission.get("trouble"):
            seen.unread.append(f"{pi.name}: {admission['path']} could not be read ({admission['trouble']})")
            return None
        content = admission.get("content") or {}
        levels.append(content.get("enforce", "privileged"))
        exempt |= set(content.get("namespaces", ()))
    if seen.unread or not levels:
        return None
    return min(levels, key=lambda level: LEVELS.get(level, 0)), exempt


def namespace_levels(scene: Scene, seen: Seen) -> dict[str, str] | None:
    """The Pod Security level that each namespace enforces; None when that could not be read."""
    told, by_default = parts(scene, seen, "namespaces"), _pod_security(scene, seen)
    if told is None or by_default is None:
        return None
    default, exempt = by_default
    names = {namespace["name"]: namespace["enforce"] or default for namespace in told["namespaces"]}
    return {
        name: "privileged" if default == "off" or name in exempt else level for name, level in sorted(names.items())
    }


def admission(level: int, uses: Callable[[Mapping[str, Any]], bool] | None = None) -> Check:
    """Every namespace lets in only Pods of this Pod Security level.

    Explained are the cluster's own namespaces, the namespace default while it is empty, and what takes the strictest
    level where baseline holds.

    :param uses: whether a Pod does what the level forbids; such Pods are told where it is not in force.
    """

    def check(scene: Scene, seen: Seen) -> None:
        told, levels = parts(scene, seen, "pod_specs"), namespace_levels(scene, seen)
        if told is None or levels is None:
            return
        used = {pod["namespace"] for pod in told["pod_specs"]}
        for name, enforced in levels.items():
            enough = LEVELS.get(enforced, 0) >= level
            own = name in SYSTEM or (name == "default" and name not in used)
            explained = own or (level == RESTRICTED and enforced == "baseline")
            seen.judge(f"namespace {name}", enough, f"its Pods may (its level is {enforced})", explained)
        for pod in told["pod_specs"]:
            if uses and LEVELS.get(levels.get(pod["namespace"], ""), 0) < level and uses(pod):
                seen.judge(_named(pod), False, "it does", _needs_the_machine(pod))

    return check


def some_policy(scene: Scene, seen: Seen) -> None:
    """Something decides which Pods may be made."""
    levels = namespace_levels(scene, seen)
    if levels is not None:
        strict = [name for name, level in levels.items() if LEVELS.get(level, 0) >= BASELINE]
        seen.judge("the cluster", bool(strict), "no namespace enforces a Pod Security level")


def has_container(name: str) -> Callable[[Mapping[str, Any]], bool]:
    """Whether one of a Pod's containers has this."""
    return lambda pod: any(container[name] for container in pod["containers"])


def has(name: str) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a Pod has this."""
    return lambda pod: bool(pod[name])


def no_windows(scene: Scene, seen: Seen) -> None:
    """No node runs Windows, the only system that has HostProcess containers."""
    if parts(scene, seen) is None:
        return
    for node in scene.cluster["nodes"]:
        if node.get("system"):
            seen.judge(node["name"], node["system"] == "linux", f"it runs {node['system']}")
        else:
            seen.unread.append(f"{node['name']}: it does not report its system")


def each_container(
    right: Callable[[Mapping[str, Any]], bool], what: str, explained: Callable[[Mapping[str, Any]], bool]
) -> Check:
    """Every container of every Pod is right.

    :param right: looks at a container.
    :param explained: whether the item's reason explains a Pod's.
    """

    def check(scene: Scene, seen: Seen) -> None:
        told = parts(scene, seen, "pod_specs")
        if told is None:
            return
        seen.read.append(counted(len(told["pod_specs"]), "Pod"))
        for pod in told["pod_specs"]:
            if pod["finished"]:
                continue
            for container in pod["containers"]:
                if not right(container):
                    seen.judge(f"{_named(pod)} ({container['name']})", False, what, explained(pod))

    return check


def images_by_digest(scene: Scene, seen: Seen) -> None:
    """Images in our namespaces go by digest; explained are those of kubeadm, and those without a known digest."""
    told = parts(scene, seen, "pod_specs")
    if told is None:
        return
    namespaces = {*SYSTEM, *own_namespaces()}
    ours = [pod for pod in told["pod_specs"] if pod["namespace"] in namespaces and not pod["finished"]]
    seen.read.append(counted(len(ours), "Pod"))
    for pod in ours:
        for container in pod["containers"]:
            place, image = f"{_named(pod)} ({container['name']})", container["image"]
            if not is_reference(image):
                seen.judge(place, False, "its image is not an image reference")
            elif not parse(image).digest:
                name = str(parse(image))
                known = DIGESTS.get(name)
                explained = _workload(pod) in KUBEADM_PODS or (not known and name in own_images())
                hint = f", though its digest is {known}" if known else ""
                seen.judge(place, False, f"{image} is used by its tag alone{hint}", explained)


def seccomp(scene: Scene, seen: Seen) -> None:
    """Every container's system calls are filtered, by its own wish or by its kubelet's."""
    told = parts(scene, seen, "pod_specs", "kubelets")
    if told is None:
        return
    seen.read.append(counted(len(told["pod_specs"]), "Pod"))
    for pod in told["pod_specs"]:
        if pod["finished"] or not pod["node"]:
            continue
        answer = told["kubelets"].get(pod["node"]) or {"trouble": "it is not a node of the cluster"}
        for container in pod["containers"]:
            place = f"{_named(pod)} ({container['name']})"
            own = _needs_the_machine(pod)
            if container["seccomp"] == "Unconfined" or container["privileged"]:
                seen.judge(place, False, "its system calls are not filtered", own)
            elif container["seccomp"]:
                continue
            elif "config" not in answer:
                seen.unread.append(f"{place}: the kubelet of {pod['node']} did not tell ({answer['trouble']})")
            elif off(answer["config"].get("seccompDefault", False)):
                seen.judge(place, False, "its system calls are not filtered", own)


def network_policies(scene: Scene, seen: Seen) -> None:
    """Every namespace has a NetworkPolicy; explained where no Pi enforces one, and of the cluster's own namespaces."""
    told = parts(scene, seen, "namespaces", "policies", "pod_specs")
    if told is None:
        return
    enforced = any(pi.audit["policy_engines"] for pi in pis(scene, seen))
    with_policy = {policy["namespace"] for policy in told["policies"]}
    used = {pod["namespace"] for pod in told["pod_specs"]}
    for namespace in told["namespaces"]:
        name = namespace["name"]
        explained = not enforced or name in SYSTEM or name not in used
        seen.judge(f"namespace {name}", name in with_policy, "it has no NetworkPolicy", explained)


def default_namespace(scene: Scene, seen: Seen) -> None:
    """Nothing lives in the namespace default but the API server's Service."""
    told = parts(scene, seen, "pod_specs", "services")
    if told is None:
        return
    found: Iterable[str] = (
        *(_named(pod) for pod in told["pod_specs"] if pod["namespace"] == "default"),
        *(f"{w['kind']} {w['name']}" for w in scene.cluster.get("workloads") or () if w["namespace"] == "default"),
        *(
            f"Service {service['name']}"
            for service in told["services"]
            if service["namespace"] == "default" and service["name"] != "kubernetes"
        ),
    )
    seen.read.append("namespace default")
    for name in found:
        seen.judge(name, False, "it is in the namespace default")
