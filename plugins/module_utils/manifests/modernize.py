# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Rewrites objects of API versions that a server does not serve any more, by one table.

The table follows https://kubernetes.io/docs/reference/using-api/deprecation-guide/; each row names the paragraph there
or the file in k8s.io/kubernetes that its rule comes from. A rewrite keeps what the old version meant: where a default
differs between the versions, the old one is written out, or the report says that the new one holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import form
from .errors import ManifestError, Slips, collected
from .load import Item

# (converted object, what was changed beside apiVersion); raises ValueError with the reason when it cannot be done.
Convert = Callable[[dict], "tuple[dict, list[str]]"]


@dataclass(frozen=True)
class Rule:
    """How one kind of one old version is rewritten.

    :ivar target: the apiVersion that takes its place; empty when nothing does.
    :ivar convert: ``file.function`` in `conversions`, empty when the objects are of the same form.
    :ivar source: where this is written.
    :ivar refusal: why it cannot be converted, for those without a target.
    """

    target: str
    convert: str = ""
    source: str = ""
    refusal: str = ""


_GUIDE = "deprecation guide, "
_V116, _V122, _V125, _V126, _V127, _V129, _V132 = (
    _GUIDE + version for version in ("v1.16", "v1.22", "v1.25", "v1.26", "v1.27", "v1.29", "v1.32")
)

TABLE: dict[tuple[str, str], Rule] = {
    ("extensions/v1beta1", "Deployment"): Rule("apps/v1", "workloads.deployment", _V116),
    ("extensions/v1beta1", "DaemonSet"): Rule("apps/v1", "workloads.daemon_set", _V116),
    ("extensions/v1beta1", "ReplicaSet"): Rule("apps/v1", "workloads.replica_set", _V116),
    ("extensions/v1beta1", "NetworkPolicy"): Rule("networking.k8s.io/v1", "", _V116),
    ("extensions/v1beta1", "Ingress"): Rule("networking.k8s.io/v1", "networking.ingress", _V122),
    ("apps/v1beta1", "Deployment"): Rule("apps/v1", "workloads.deployment", _V116),
    ("apps/v1beta1", "StatefulSet"): Rule("apps/v1", "workloads.stateful_set", _V116),
    ("apps/v1beta1", "ControllerRevision"): Rule("apps/v1", "", _V116),
    ("apps/v1beta2", "Deployment"): Rule("apps/v1", "workloads.deployment", _V116),
    ("apps/v1beta2", "DaemonSet"): Rule("apps/v1", "workloads.daemon_set", _V116),
    ("apps/v1beta2", "ReplicaSet"): Rule("apps/v1", "workloads.replica_set", _V116),
    ("apps/v1beta2", "StatefulSet"): Rule("apps/v1", "workloads.stateful_set", _V116),
    ("apps/v1beta2", "ControllerRevision"): Rule("apps/v1", "", _V116),
    ("rbac.authorization.k8s.io/v1beta1", "Role"): Rule("rbac.authorization.k8s.io/v1", "", _V122),
    ("rbac.authorization.k8s.io/v1beta1", "RoleBinding"): Rule("rbac.authorization.k8s.io/v1", "", _V122),
    ("rbac.authorization.k8s.io/v1beta1", "ClusterRole"): Rule("rbac.authorization.k8s.io/v1", "", _V122),
    ("rbac.authorization.k8s.io/v1beta1", "ClusterRoleBinding"): Rule("rbac.authorization.k8s.io/v1", "", _V122),
    ("rbac.authorization.k8s.io/v1alpha1", "Role"): Rule("rbac.authorization.k8s.io/v1", "", _V122),
    ("rbac.authorization.k8s.io/v1alpha1", "ClusterRole"): Rule("rbac.authorization.k8s.io/v1", "", _V122),
    ("rbac.authorization.k8s.io/v1alpha1", "RoleBinding"): Rule(
        "rbac.authorization.k8s.io/v1", "others.alpha_binding", "pkg/apis/rbac/v1alpha1/conversion.go"
    ),
    ("rbac.authorization.k8s.io/v1alpha1", "ClusterRoleBinding"): Rule(
        "rbac.authorization.k8s.io/v1", "others.alpha_binding", "pkg/apis/rbac/v1alpha1/conversion.go"
    ),
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"): Rule(
        "apiextensions.k8s.io/v1", "definitions.definition", _V122
    ),
    ("apiregistration.k8s.io/v1beta1", "APIService"): Rule("apiregistration.k8s.io/v1", "", _V122),
    ("admissionregistration.k8s.io/v1beta1", "MutatingWebhookConfiguration"): Rule(
        "admissionregistration.k8s.io/v1", "admission.webhooks", _V122
    ),
    ("admissionregistration.k8s.io/v1beta1", "ValidatingWebhookConfiguration"): Rule(
        "admissionregistration.k8s.io/v1", "admission.webhooks", _V122
    ),
    ("admissionregistration.k8s.io/v1beta1", "ValidatingAdmissionPolicy"): Rule(
        "admissionregistration.k8s.io/v1", "", "staging/src/k8s.io/api/admissionregistration/v1beta1/types.go"
    ),
    ("admissionregistration.k8s.io/v1beta1", "ValidatingAdmissionPolicyBinding"): Rule(
        "admissionregistration.k8s.io/v1", "", "staging/src/k8s.io/api/admissionregistration/v1beta1/types.go"
    ),
    ("networking.k8s.io/v1beta1", "Ingress"): Rule("networking.k8s.io/v1", "networking.ingress", _V122),
    ("networking.k8s.io/v1beta1", "IngressClass"): Rule("networking.k8s.io/v1", "", _V122),
    ("policy/v1beta1", "PodDisruptionBudget"): Rule("policy/v1", "others.disruption_budget", _V125),
    ("batch/v1beta1", "CronJob"): Rule("batch/v1", "", _V125),
    ("batch/v2alpha1", "CronJob"): Rule("batch/v1", "", "CHANGELOG-1.21, batch/v2alpha1 removed"),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): Rule("autoscaling/v2", "autoscaling.from_v2beta1", _V125),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): Rule("autoscaling/v2", "", _V126),
    ("scheduling.k8s.io/v1alpha1", "PriorityClass"): Rule("scheduling.k8s.io/v1", "", _V122),
    ("scheduling.k8s.io/v1beta1", "PriorityClass"): Rule("scheduling.k8s.io/v1", "", _V122),
    ("storage.k8s.io/v1beta1", "StorageClass"): Rule("storage.k8s.io/v1", "", _V122),
    ("storage.k8s.io/v1beta1", "VolumeAttachment"): Rule("storage.k8s.io/v1", "", _V122),
    ("storage.k8s.io/v1beta1", "CSIDriver"): Rule("storage.k8s.io/v1", "", _V122),
    ("storage.k8s.io/v1beta1", "CSINode"): Rule("storage.k8s.io/v1", "", _V122),
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity"): Rule("storage.k8s.io/v1", "", _V127),
    ("coordination.k8s.io/v1beta1", "Lease"): Rule("coordination.k8s.io/v1", "", _V122),
    ("certificates.k8s.io/v1beta1", "CertificateSigningRequest"): Rule(
        "certificates.k8s.io/v1", "others.signing_request", _V122
    ),
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): Rule("discovery.k8s.io/v1", "networking.endpoint_slice", _V125),
    ("node.k8s.io/v1beta1", "RuntimeClass"): Rule("node.k8s.io/v1", "", _V125),
    ("node.k8s.io/v1alpha1", "RuntimeClass"): Rule(
        "node.k8s.io/v1", "others.alpha_runtime_class", "pkg/apis/node/v1alpha1/conversion.go"
    ),
    ("policy/v1beta1", "PodSecurityPolicy"): Rule(
        "",
        "",
        _V125,
        "Pod security policies are gone since 1.25; label the namespace for Pod Security admission instead",
    ),
    ("extensions/v1beta1", "PodSecurityPolicy"): Rule(
        "",
        "",
        _V116,
        "Pod security policies are gone since 1.25; label the namespace for Pod Security admission instead",
    ),
    ("events.k8s.io/v1beta1", "Event"): Rule("", "", _V125, "events are written by controllers, not from manifests"),
    ("settings.k8s.io/v1alpha1", "PodPreset"): Rule(
        "",
        "",
        "CHANGELOG-1.20, settings.k8s.io removed",
        "Pod presets are gone since 1.20; use a mutating webhook instead",
    ),
    ("auditregistration.k8s.io/v1alpha1", "AuditSink"): Rule(
        "",
        "",
        "CHANGELOG-1.19, DynamicAuditing removed",
        "dynamic audit sinks are gone since 1.19; configure the API server",
    ),
}
for _kind in ("FlowSchema", "PriorityLevelConfiguration"):
    for _version, _source in (
        ("v1alpha1", _GUIDE + "v1.24"),
        ("v1beta1", _V126),
        ("v1beta2", _V129),
        ("v1beta3", _V132),
    ):
        _convert = "others.priority_level" if _kind == "PriorityLevelConfiguration" else ""
        TABLE["flowcontrol.apiserver.k8s.io/" + _version, _kind] = Rule(
            "flowcontrol.apiserver.k8s.io/v1", _convert, _source
        )


def modernize(
    items: list[Item],
    unserved: Callable[[Item], bool],
    serves: Callable[[str, str], bool],
    slips: Slips | None = None,
) -> tuple[list[Item], list[dict[str, Any]]]:
    """Rewrite what the server does not serve.

    :param unserved: whether the server lacks an object's kind in its version.
    :param serves: ``serves(apiVersion, kind)``.
    :returns: the objects, and a report of each rewrite: kind, name, from, to, changes, source.
    :raises ManifestError: naming an object that cannot be converted.
    """
    result: list[Item] = []
    report: list[dict[str, Any]] = []
    with collected(slips) as slips:
        for item in items:
            try:
                _modernize_one(item, unserved, serves, result, report)
            except ManifestError as error:
                slips.add(str(error), item)
                result.append(item)
    return result, report


def _modernize_one(
    item: Item,
    unserved: Callable[[Item], bool],
    serves: Callable[[str, str], bool],
    result: list[Item],
    report: list[dict[str, Any]],
) -> None:
    rule = TABLE.get((item.api_version, item.kind))
    if rule is None or not unserved(item):
        result.append(item)
        return
    if not rule.target:
        raise ManifestError(f"{item.label} at {item.where} ({item.api_version}) cannot be converted: {rule.refusal}.")
    if not serves(rule.target, item.kind):
        raise ManifestError(
            f"{item.label} at {item.where}: this server serves neither {item.api_version} nor {rule.target}."
        )
    try:
        document, changes = _converted(rule, item.object)
    except ValueError as error:
        raise ManifestError(
            f"{item.label} at {item.where} cannot be converted from {item.api_version} to {rule.target}: {error}."
        ) from None
    document["apiVersion"] = rule.target
    result.append(Item(document, item.source, item.line))
    entry: dict[str, Any] = {"kind": item.kind, "name": item.name, "from": item.api_version, "to": rule.target}
    if item.namespace:
        entry["namespace"] = item.namespace
    entry.update(changes=changes, source=rule.source)
    report.append(entry)


def _converted(rule: Rule, document: dict) -> tuple[dict, list[str]]:
    """The converted object; ValueError with the reason when it cannot be, also when it is not of its kind's form."""
    fault = form.fault(document) if rule.convert else ""
    if fault:
        raise ValueError(fault)
    try:
        return converter(rule.convert)(document)
    except (TypeError, KeyError, AttributeError, IndexError) as error:
        missing = f"it has no {error.args[0]}" if isinstance(error, KeyError) else "its form is not that of its kind"
        raise ValueError(missing) from None


def converter(name: str) -> Convert:
    """The function of a rule; conversions are imported only when a set needs them."""
    if not name:
        return lambda document: (dict(document), [])
    from .conversions import admission, autoscaling, definitions, networking, others, workloads

    files = {
        "admission": admission,
        "autoscaling": autoscaling,
        "definitions": definitions,
        "networking": networking,
        "others": others,
        "workloads": workloads,
    }
    file, _dot, function = name.partition(".")
    return getattr(files[file], function)
