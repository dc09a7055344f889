# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The order of a push: in which wave each kind goes, and which kinds have no namespace."""

from __future__ import annotations

from collections.abc import Iterable

from .load import Item

NAMESPACES, DEFINITIONS, POLICY, GROUNDWORK, SECRETS, WORKLOADS, CUSTOM, WEBHOOKS = range(8)

# (group, kind) → wave: no more of them than are needed, since each waits for the last answer of the one before. Secrets
# come after the ServiceAccounts whose tokens they may hold. Kinds that are not here are custom resources.
WAVES: dict[tuple[str, str], int] = {
    ("", "Namespace"): NAMESPACES,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): DEFINITIONS,
    ("scheduling.k8s.io", "PriorityClass"): POLICY,
    ("node.k8s.io", "RuntimeClass"): POLICY,
    ("networking.k8s.io", "IngressClass"): POLICY,
    ("policy", "PodSecurityPolicy"): POLICY,
    ("", "ResourceQuota"): POLICY,
    ("", "LimitRange"): POLICY,
    ("networking.k8s.io", "NetworkPolicy"): POLICY,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): POLICY,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): POLICY,
    ("certificates.k8s.io", "CertificateSigningRequest"): POLICY,
    ("certificates.k8s.io", "ClusterTrustBundle"): POLICY,
    ("resource.k8s.io", "DeviceClass"): POLICY,
    ("rbac.authorization.k8s.io", "ClusterRole"): POLICY,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): POLICY,
    ("rbac.authorization.k8s.io", "Role"): POLICY,
    ("rbac.authorization.k8s.io", "RoleBinding"): POLICY,
    ("", "Node"): POLICY,
    ("", "ServiceAccount"): GROUNDWORK,
    ("", "ConfigMap"): GROUNDWORK,
    ("", "Secret"): SECRETS,
    ("storage.k8s.io", "StorageClass"): POLICY,
    ("storage.k8s.io", "CSIDriver"): POLICY,
    ("storage.k8s.io", "CSINode"): GROUNDWORK,
    ("storage.k8s.io", "CSIStorageCapacity"): GROUNDWORK,
    ("storage.k8s.io", "VolumeAttachment"): GROUNDWORK,
    ("storage.k8s.io", "VolumeAttributesClass"): POLICY,
    ("", "PersistentVolume"): GROUNDWORK,
    ("", "PersistentVolumeClaim"): GROUNDWORK,
    ("", "Service"): GROUNDWORK,
    ("", "Endpoints"): GROUNDWORK,
    ("discovery.k8s.io", "EndpointSlice"): GROUNDWORK,
    ("networking.k8s.io", "ServiceCIDR"): POLICY,
    ("networking.k8s.io", "IPAddress"): GROUNDWORK,
    ("", "Pod"): WORKLOADS,
    ("", "PodTemplate"): WORKLOADS,
    ("", "ReplicationController"): WORKLOADS,
    ("apps", "Deployment"): WORKLOADS,
    ("apps", "DaemonSet"): WORKLOADS,
    ("apps", "StatefulSet"): WORKLOADS,
    ("apps", "ReplicaSet"): WORKLOADS,
    ("apps", "ControllerRevision"): WORKLOADS,
    ("extensions", "Deployment"): WORKLOADS,
    ("extensions", "DaemonSet"): WORKLOADS,
    ("extensions", "ReplicaSet"): WORKLOADS,
    ("batch", "Job"): WORKLOADS,
    ("batch", "CronJob"): WORKLOADS,
    ("autoscaling", "HorizontalPodAutoscaler"): WORKLOADS,
    ("policy", "PodDisruptionBudget"): WORKLOADS,
    ("networking.k8s.io", "Ingress"): WORKLOADS,
    ("extensions", "Ingress"): WORKLOADS,
    ("extensions", "NetworkPolicy"): POLICY,
    ("extensions", "PodSecurityPolicy"): POLICY,
    ("resource.k8s.io", "ResourceClaim"): WORKLOADS,
    ("resource.k8s.io", "ResourceClaimTemplate"): WORKLOADS,
    ("coordination.k8s.io", "Lease"): WORKLOADS,
    ("apiregistration.k8s.io", "APIService"): WEBHOOKS,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): WEBHOOKS,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): WEBHOOKS,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): WEBHOOKS,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): WEBHOOKS,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): WEBHOOKS,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): WEBHOOKS,
}

# Kinds of Kubernetes itself that live outside namespaces (kubectl api-resources --namespaced=false).
CLUSTER_SCOPED: frozenset[tuple[str, str]] = frozenset(
    [
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("certificates.k8s.io", "CertificateSigningRequest"),
        ("certificates.k8s.io", "ClusterTrustBundle"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "ServiceCIDR"),
        ("node.k8s.io", "RuntimeClass"),
        ("policy", "PodSecurityPolicy"),
        ("extensions", "PodSecurityPolicy"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("resource.k8s.io", "DeviceClass"),
        ("resource.k8s.io", "ResourceSlice"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "VolumeAttachment"),
        ("storage.k8s.io", "VolumeAttributesClass"),
    ]
)


def wave_of(item: Item) -> int:
    """The wave in which an object is pushed; kinds that Kubernetes does not have itself are custom resources."""
    return WAVES.get((item.group, item.kind), CUSTOM)


def waves(items: Iterable[Item]) -> list[tuple[int, list[Item]]]:
    """The objects by wave, empty waves left out, the order of the input kept within a wave."""
    by_wave: dict[int, list[Item]] = {}
    for item in items:
        by_wave.setdefault(wave_of(item), []).append(item)
    return sorted(by_wave.items(), key=lambda pair: pair[0])


def known_scope(group: str, kind: str, definitions: dict[tuple[str, str], bool]) -> bool | None:
    """Whether a kind is namespaced, as far as it is known without asking a server.

    :param definitions: the same for the kinds that the set's own CRDs define, from `defined_scopes`.
    :returns: True (namespaced), False (cluster-wide), or None (only the server knows).
    """
    if (group, kind) in definitions:
        return definitions[group, kind]
    if (group, kind) in CLUSTER_SCOPED:
        return False
    if (group, kind) in WAVES:
        return True
    return None


def defined_scopes(items: Iterable[Item]) -> dict[tuple[str, str], bool]:
    """(group, kind) → namespaced, for every CustomResourceDefinition in the set."""
    scopes: dict[tuple[str, str], bool] = {}
    for item in items:
        if item.kind == "CustomResourceDefinition":
            group, kind, spec = _defined(item)
            if kind:
                scopes[group, kind] = spec.get("scope") != "Cluster"
    return scopes


def _defined(item: Item) -> tuple[str, str, dict]:
    """Group and kind that a CustomResourceDefinition defines, and its spec; what is not of the right form is empty."""
    spec = item.object.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    names = spec.get("names")
    group, kind = spec.get("group"), names.get("kind") if isinstance(names, dict) else None
    return group if isinstance(group, str) else "", kind if isinstance(kind, str) else "", spec


def defined_kinds(item: Item) -> set[tuple[str, str]]:
    """(apiVersion, kind) of all that a CustomResourceDefinition serves; nothing for other objects."""
    if item.kind != "CustomResourceDefinition":
        return set()
    group, kind, spec = _defined(item)
    versions = spec.get("versions") or [{"name": spec.get("version")}]
    listed = [version for version in versions if isinstance(version, dict)] if isinstance(versions, list) else []
    served = [version.get("name") for version in listed if version.get("served", True)]
    return {(f"{group}/{name}", kind) for name in served if isinstance(name, str) and name and kind}
