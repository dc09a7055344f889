# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Who may do what is dangerous: judged by the rules of roles, never by their names.

Rules are read as the API server does (k8s.io/component-helpers/auth/rbac/validation and pkg/apis/rbac/v1
evaluation_helpers.go): ``*`` stands for every verb, group or resource, subresources included, and ``*/log`` for that
subresource of everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

EVERYTHING, SECRETS, WILDCARD, PODS, ESCALATE = "everything", "secrets", "wildcard", "pods", "escalate"
VOLUMES, NODES, REQUESTS, WEBHOOKS, TOKENS = "volumes", "nodes", "requests", "webhooks", "tokens"

_WRITE = ("create", "update", "patch")
_RBAC, _ADMISSION, _CERTIFICATES = (
    "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io",
    "certificates.k8s.io",
)
#: Power, API group, resource, verbs of which one is enough.
_TABLE: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (SECRETS, "", "secrets", ("get", "list", "watch")),
    # Whoever makes Pods, lets something make them, or gets into them, has what their accounts and volumes have.
    *((PODS, "", name, _WRITE) for name in ("replicationcontrollers", "podtemplates")),
    (PODS, "", "pods", _WRITE),
    *((PODS, "apps", name, _WRITE) for name in ("deployments", "daemonsets", "replicasets", "statefulsets")),
    *((PODS, "batch", name, _WRITE) for name in ("jobs", "cronjobs")),
    *((PODS, "", f"pods/{name}", ("get", "create")) for name in ("exec", "attach")),
    (PODS, "", "pods/ephemeralcontainers", ("update", "patch")),
    *((ESCALATE, _RBAC, name, ("escalate", "bind")) for name in ("roles", "clusterroles")),
    *((ESCALATE, "", name, ("impersonate",)) for name in ("users", "groups", "serviceaccounts")),
    *((ESCALATE, "authentication.k8s.io", name, ("impersonate",)) for name in ("userextras", "uids")),
    (VOLUMES, "", "persistentvolumes", _WRITE),
    (NODES, "", "nodes/proxy", ("get", *_WRITE, "delete")),
    (REQUESTS, _CERTIFICATES, "certificatesigningrequests/approval", ("update", "patch")),
    (REQUESTS, _CERTIFICATES, "signers", ("approve", "sign")),
    *((WEBHOOKS, _ADMISSION, f"{name}configurations", _WRITE) for name in ("validatingwebhook", "mutatingwebhook")),
    *((WEBHOOKS, _ADMISSION, f"mutatingadmissionpolic{end}", _WRITE) for end in ("ies", "ybindings")),
    (TOKENS, "", "serviceaccounts/token", ("create",)),
)
#: Whoever may do all of this to every resource may do everything, also without the word for it.
_ALL_VERBS = {"get", "list", "create", "update", "patch", "delete"}


def _allows(rule: Mapping[str, Any], group: str, resource: str, verbs: Iterable[str]) -> bool:
    groups, resources, allowed = (rule.get(key) or [] for key in ("apiGroups", "resources", "verbs"))
    if not {"*", group} & set(groups):
        return False
    subresource = resource.partition("/")[2]
    if not {"*", resource, f"*/{subresource}" if subresource else "*"} & set(resources):
        return False
    return "*" in allowed or bool(set(verbs) & set(allowed))


def powers(rules: Iterable[Mapping[str, Any]]) -> set[str]:
    """Which dangerous powers the rules of a role give.

    A rule for objects by name gives no power over others of their kind, but those of a token or a proxy stay one.
    """
    found = set()
    for rule in rules:
        verbs, resources, groups = (set(rule.get(key) or ()) for key in ("verbs", "resources", "apiGroups"))
        paths = set(rule.get("nonResourceURLs") or ())
        named = bool(rule.get("resourceNames"))
        if {"*"} <= resources & groups and ("*" in verbs or verbs >= _ALL_VERBS) and not named:
            return {EVERYTHING, WILDCARD}
        if "*" in verbs | resources | groups | paths:
            found.add(WILDCARD)
        for power, group, resource, wanted in _TABLE:
            if named and power in (SECRETS, PODS, VOLUMES, WEBHOOKS):
                continue
            if resources and _allows(rule, group, resource, wanted):
                found.add(power)
    return found


@dataclass(frozen=True)
class Grant:
    """Somebody has powers.

    :ivar subject: "User jane", "Group devs" or "ServiceAccount namespace/name".
    :ivar namespace: where; empty for everywhere.
    :ivar by: the binding.
    """

    subject: str
    powers: frozenset[str]
    namespace: str
    by: str


def _subject(entry: Mapping[str, str], namespace: str) -> str:
    if entry.get("kind") == "ServiceAccount":
        return f"ServiceAccount {entry.get('namespace') or namespace}/{entry.get('name')}"
    return f"{entry.get('kind')} {entry.get('name')}"


def grants(cluster: Mapping[str, Any]) -> list[Grant]:
    """What every binding gives to each of its subjects; a binding to a role that is not there gives nothing."""
    rules = {(role["kind"], role["namespace"], role["name"]): role["rules"] for role in cluster["roles"]}
    found = []
    for binding in cluster["bindings"]:
        within = binding["namespace"] if binding["role_kind"] == "Role" else ""
        given = frozenset(powers(rules.get((binding["role_kind"], within, binding["role"]), ())))
        for entry in binding["subjects"]:
            subject = _subject(entry, binding["namespace"])
            found.append(Grant(subject, given, binding["namespace"], f"{binding['kind']} {binding['name']}"))
    return found


def _controller(name: str) -> str:
    return f"ServiceAccount kube-system/{name}"


_ANY = {SECRETS, PODS, WILDCARD, NODES, REQUESTS, VOLUMES, WEBHOOKS}
#: What Kubernetes gives to its own parts and to its administrators, everywhere
#: (kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy of 1.37, kubeadm's phases).
KUBERNETES: dict[str, set[str]] = {
    "Group system:masters": {EVERYTHING, WILDCARD},
    "Group kubeadm:cluster-admins": {EVERYTHING, WILDCARD},
    "User kube-apiserver-kubelet-client": {NODES, WILDCARD},  # how kubeadm lets the API server reach kubelets
    "User system:kube-controller-manager": {SECRETS, TOKENS, WILDCARD},
    "User system:kube-scheduler": {VOLUMES},
    _controller("bootstrap-signer"): {SECRETS},
    _controller("certificate-controller"): {REQUESTS},
    _controller("clusterrole-aggregation-controller"): {ESCALATE},
    _controller("cronjob-controller"): {PODS},
    _controller("daemon-set-controller"): {PODS},
    _controller("deployment-controller"): {PODS},
    _controller("disruption-controller"): {WILDCARD},
    _controller("expand-controller"): {VOLUMES},
    _controller("generic-garbage-collector"): _ANY,
    _controller("horizontal-pod-autoscaler"): {WILDCARD},
    _controller("job-controller"): {PODS},
    _controller("namespace-controller"): {SECRETS, PODS, NODES, WILDCARD},
    _controller("persistent-volume-binder"): {PODS, VOLUMES},
    _controller("pv-protection-controller"): {VOLUMES},
    _controller("replicaset-controller"): {PODS},
    _controller("replication-controller"): {PODS},
    _controller("resourcequota-controller"): {SECRETS, WILDCARD},
    _controller("statefulset-controller"): {PODS},
    _controller("storage-version-migrator-controller"): _ANY,
    _controller("token-cleaner"): {SECRETS},
}
