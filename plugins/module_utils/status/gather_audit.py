# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What an audit asks the API server for: how kubelets really run, who may do what, what Pods may and do.

Each part is asked for by itself: one that cannot be read leaves a reason, and the others stand. No Secret's content is
asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ansible_collections.bramble.kube.plugins.module_utils.common.redact import redact
from ansible_collections.bramble.kube.plugins.module_utils.common.together import together
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Client, Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError, ClusterError

RBAC = "/apis/rbac.authorization.k8s.io/v1"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
#: The settings of a kubelet that are judged; others stay where they are, since some may hold a secret.
KUBELET_SETTINGS = (
    "authentication",
    "authorization",
    "eventRecordQPS",
    "featureGates",
    "makeIPTablesUtilChains",
    "podPidsLimit",
    "readOnlyPort",
    "rotateCertificates",
    "seccompDefault",
    "serverTLSBootstrap",
    "streamingConnectionIdleTimeout",
    "tlsCertFile",
    "tlsCipherSuites",
    "tlsPrivateKeyFile",
)
ENFORCE = "pod-security.kubernetes.io/enforce"


def _meta(item: dict) -> dict:
    return item.get("metadata") or {}


def _items(client: Client, path: str, query: dict | None = None, accept: str = "application/json") -> list[dict]:
    return client.get(path, query, accept).get("items") or []


def role(kind: str, item: dict) -> dict[str, Any]:
    """A Role or ClusterRole and its rules."""
    meta = _meta(item)
    return {
        "kind": kind,
        "namespace": meta.get("namespace", ""),
        "name": meta["name"],
        "rules": item.get("rules") or [],
    }


def binding(kind: str, item: dict) -> dict[str, Any]:
    """A RoleBinding or ClusterRoleBinding: which role, and to whom."""
    to = item.get("roleRef") or {}
    return {
        "kind": kind,
        "namespace": _meta(item).get("namespace", ""),
        "name": _meta(item)["name"],
        "role_kind": to.get("kind", ""),
        "role": to.get("name", ""),
        "subjects": [
            {"kind": s.get("kind"), "name": s.get("name"), "namespace": s.get("namespace") or ""}
            for s in item.get("subjects") or []
        ],
    }


def _container(item: dict, pod: dict) -> dict[str, Any]:
    """What bears on security in a container, with what its Pod says for all of them."""
    own = item.get("securityContext") or {}
    both = {**{name: value for name, value in pod.items() if value is not None}, **own}
    capabilities = own.get("capabilities") or {}
    dropped = {name.upper().removeprefix("CAP_") for name in capabilities.get("drop") or []}
    added = {name.upper().removeprefix("CAP_") for name in capabilities.get("add") or []}
    user = both.get("runAsUser")
    environment = [entry.get("valueFrom") or {} for entry in item.get("env") or []]
    return {
        "name": item.get("name", ""),
        "image": item.get("image", ""),
        "privileged": bool(own.get("privileged")),
        "escalation": own.get("allowPrivilegeEscalation") is not False,
        "root": user == 0 or (user is None and both.get("runAsNonRoot") is not True),
        "net_raw": "NET_RAW" in added or "ALL" in added or not dropped & {"NET_RAW", "ALL"},
        "added": sorted(added),
        "dropped_all": "ALL" in dropped,
        "seccomp": (both.get("seccompProfile") or {}).get("type", ""),
        "context": bool(both),
        "host_process": bool((both.get("windowsOptions") or {}).get("hostProcess")),
        "host_ports": sorted(port["hostPort"] for port in item.get("ports") or [] if port.get("hostPort")),
        "secret_variables": any("secretKeyRef" in entry for entry in environment)
        or any("secretRef" in entry for entry in item.get("envFrom") or []),
        "token": any(mount.get("mountPath") == TOKEN_FOLDER for mount in item.get("volumeMounts") or []),
    }


def workload(item: dict) -> str:
    """What made a Pod: name of its Deployment, DaemonSet and so on; of a static Pod, its name without the node's."""
    meta, spec = _meta(item), item.get("spec") or {}
    if "kubernetes.io/config.mirror" in (meta.get("annotations") or {}):
        return f"static {meta['name'].removesuffix('-' + spec.get('nodeName', ''))}"
    owner = next((o for o in meta.get("ownerReferences") or [] if o.get("controller")), None)
    if not owner:
        return f"Pod {meta['name']}"
    name, hash_ = owner.get("name", ""), (meta.get("labels") or {}).get("pod-template-hash", "")
    if owner.get("kind") == "ReplicaSet" and hash_ and name.endswith(f"-{hash_}"):
        return f"Deployment {name.removesuffix(f'-{hash_}')}"
    return f"{owner.get('kind', '')} {name}"


def pod(item: dict) -> dict[str, Any]:
    """What bears on security in a Pod."""
    spec = item.get("spec") or {}
    containers = [
        _container(container, spec.get("securityContext") or {})
        for kind in ("initContainers", "containers", "ephemeralContainers")
        for container in spec.get(kind) or []
    ]
    return {
        "namespace": _meta(item).get("namespace", ""),
        "name": _meta(item)["name"],
        "node": spec.get("nodeName", ""),
        "workload": workload(item),
        "account": spec.get("serviceAccountName") or "default",
        "host_pid": bool(spec.get("hostPID")),
        "host_ipc": bool(spec.get("hostIPC")),
        "host_network": bool(spec.get("hostNetwork")),
        "host_paths": [v["hostPath"].get("path", "") for v in spec.get("volumes") or [] if v.get("hostPath")],
        "containers": containers,
        "finished": (item.get("status") or {}).get("phase") in ("Succeeded", "Failed"),
    }


def namespace(item: dict) -> dict[str, Any]:
    """A namespace and the Pod Security level that it enforces."""
    return {"name": _meta(item)["name"], "enforce": (_meta(item).get("labels") or {}).get(ENFORCE, "")}


def account(item: dict) -> dict[str, Any]:
    """A service account, and whether its Pods get a token unless they say otherwise."""
    meta = _meta(item)
    return {
        "namespace": meta.get("namespace", ""),
        "name": meta["name"],
        "token": item.get("automountServiceAccountToken") is not False,
    }


def kubelet(client: Client, name: str) -> dict[str, Any]:
    """The settings by which a kubelet runs now, whatever file or flag they came from.

    :returns: ``config``, or ``trouble``.
    """
    try:
        answer = client.get(f"/api/v1/nodes/{quote(name)}/proxy/configz")
        config = answer["kubeletconfig"]
        return {"config": {key: config[key] for key in KUBELET_SETTINGS if key in config}}
    except (ApiError, Fault, ClusterError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = redact(str(error)) if isinstance(error, (ApiError, Fault, ClusterError)) else "it is malformed"
        return {"trouble": reason.rstrip(".")[:200]}


def _named(items: list[dict]) -> list[dict[str, str]]:
    return [{"namespace": _meta(item).get("namespace", ""), "name": _meta(item)["name"]} for item in items]


def _of_both(client: Client, plural: str, make: Callable[[str, dict], dict]) -> list[dict]:
    return [
        make(kind, item)
        for kind, path in ((f"Cluster{plural}", f"cluster{plural}"), (plural, plural))
        for item in _items(client, f"{RBAC}/{path.lower()}")
    ]


def _items_if_known(client: Client, path: str) -> list[dict]:
    """A list's objects; none where the server does not know the kind."""
    try:
        return _items(client, path)
    except ApiError as error:
        if error.status == 404:
            return []
        raise


def release(item: dict) -> dict[str, Any]:
    """A release with what its evidence comes to."""
    spec = item.get("spec") or {}
    evidence = spec.get("evidence") or {}
    return {
        "name": _meta(item)["name"],
        "asked_by": spec.get("askedBy", ""),
        "decision": spec.get("decision") or {},
        "evidence": {
            "model": (evidence.get("digests") or {}).get("model", ""),
            "data": evidence.get("dataVersion", ""),
            "accuracy": (evidence.get("scores") or {}).get("accuracy"),
        }
        if evidence
        else {},
        "phase": (item.get("status") or {}).get("phase", ""),
    }


def loop(client: Client) -> dict[str, Any]:
    """The gate of the loop, and what passed it.

    :returns: ``rules``, the specs of its policies and their bindings by kind and name; ``gate``, the Gate's spec or
        None; ``releases``; ``servers``, the releases that have Pods.
    """
    rules = {
        f"{kind} {_meta(item)['name']}": item.get("spec") or {}
        for kind, path in (
            ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
            ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
        )
        for item in _items_if_known(client, f"/apis/admissionregistration.k8s.io/v1/{path}")
        if _meta(item)["name"].startswith("loop-")
    }
    objects = "/apis/loop.bramble.kube/v1alpha1/namespaces/loop"
    gates = [item for item in _items_if_known(client, f"{objects}/gates") if _meta(item)["name"] == "gate"]
    deployments = _items_if_known(client, "/apis/apps/v1/namespaces/loop/deployments")
    return {
        "rules": rules,
        "gate": (gates[0].get("spec") or {}) if gates else None,
        "releases": [release(item) for item in _items_if_known(client, f"{objects}/releases")],
        "servers": [
            _meta(item)["name"].removeprefix("serve-")
            for item in deployments
            if _meta(item)["name"].startswith("serve-") and (item.get("spec") or {}).get("replicas") != 0
        ],
    }


def ask(client: Client, nodes: list[str]) -> dict[str, Any]:
    """Ask for everything.

    :param nodes: names of the nodes.
    :returns: ``kubelets`` by node; ``roles``, ``bindings``, ``namespaces``, ``accounts``, ``pod_specs``, ``policies``
        (NetworkPolicies), ``account_secrets`` (Secrets that hold a token for ever), ``loop``, each left out when
        it could not be read, for the reason in ``trouble``.
    """
    secrets = "/api/v1/secrets"
    parts: dict[str, Callable[[], Any]] = {
        "roles": lambda: _of_both(client, "Roles", lambda kind, item: role(kind.removesuffix("s"), item)),
        "bindings": lambda: _of_both(client, "RoleBindings", lambda kind, item: binding(kind.removesuffix("s"), item)),
        "namespaces": lambda: [namespace(item) for item in _items(client, "/api/v1/namespaces")],
        "accounts": lambda: [account(item) for item in _items(client, "/api/v1/serviceaccounts")],
        "pod_specs": lambda: [pod(item) for item in _items(client, "/api/v1/pods")],
        "services": lambda: _named(_items(client, "/api/v1/services", None, METADATA)),
        "policies": lambda: _named(_items(client, "/apis/networking.k8s.io/v1/networkpolicies", None, METADATA)),
        "account_secrets": lambda: _named(
            _items(client, secrets, {"fieldSelector": "type=kubernetes.io/service-account-token"}, METADATA)
        ),
        "loop": lambda: loop(client),
    }
    kubelets = dict(zip(nodes, together(lambda name: kubelet(client, name), nodes)))
    answer: dict[str, Any] = {"kubelets": kubelets, "trouble": {}}
    for part, read in parts.items():
        try:
            answer[part] = read()
        except (ApiError, Fault) as error:
            answer["trouble"][part] = redact(str(error)).rstrip(".")[:200]
    return answer
