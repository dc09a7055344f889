# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Constructors of k8s.libsonnet that take arguments (facts from ksonnet-gen's custom_constructor.go and data.go)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Argument:
    """``setter`` is the function that takes it; '' is the one of the same name. ``default`` is jsonnet text."""

    name: str
    setter: str = ""
    default: str = ""


@dataclass(frozen=True)
class Constructor:
    name: str
    parameters: tuple[Argument, ...] = ()


def _new(*parameters: tuple[str, ...], name: str = "new") -> Constructor:
    return Constructor(name, tuple(Argument(*parameter) for parameter in parameters))


_META_NAME = ("name", "mixin.metadata.withName")
_NAME = ("name", "withName")
_CONTAINERS = ("containers", "mixin.spec.template.spec.withContainers")
_CLAIMS = ("volumeClaims", "mixin.spec.withVolumeClaimTemplates")
_LABELS = "mixin.spec.template.metadata.withLabels"
_TYPE = ("type", "withType", '"Opaque"')


def _shared(replicas: tuple[str, ...], labels: str) -> dict[str, tuple[Constructor, ...]]:
    """Constructors that differ between the two generators in their defaults alone."""
    pod_labels = ("podLabels", _LABELS, labels)
    return {
        "Deployment": (_new(_META_NAME, replicas, _CONTAINERS, pod_labels),),
        "StatefulSet": (_new(_META_NAME, replicas, _CONTAINERS, _CLAIMS, pod_labels),),
        "Scale": (_new(replicas),),
        "DeploymentRollback": (_new(_NAME),),
        "List": (_new(("items", "withItems")),),
        "TokenReview": (_new(("token", "mixin.spec.withToken")),),
    }


_MODERN = _shared(("replicas", "mixin.spec.withReplicas", "1"), '{ app: "name" }')
_LEGACY = _shared(("replicas", "mixin.spec.withReplicas"), "{ app: name }")

#: Those of the core group that both generators have.
_CORE = {
    "ConfigMap": (_new(_META_NAME, ("data", "withData")),),
    "Container": (_new(_NAME, ("image", "withImage")),),
    "EnvVar": (
        _new(_NAME, ("value", "withValue")),
        _new(
            _NAME,
            ("secretRefName", "mixin.valueFrom.secretKeyRef.withName"),
            ("secretRefKey", "mixin.valueFrom.secretKeyRef.withKey"),
            name="fromSecretRef",
        ),
        _new(_NAME, ("fieldPath", "mixin.valueFrom.fieldRef.withFieldPath"), name="fromFieldPath"),
    ),
    "KeyToPath": (_new(("key", "withKey"), ("path", "withPath")),),
    "Namespace": (_new(_META_NAME),),
    "Service": (_new(_META_NAME, ("selector", "mixin.spec.withSelector"), ("ports", "mixin.spec.withPorts")),),
    "ServiceAccount": (_new(_META_NAME),),
    "ServicePort": (
        _new(("port", "withPort"), ("targetPort", "withTargetPort")),
        _new(_NAME, ("port", "withPort"), ("targetPort", "withTargetPort"), name="newNamed"),
    ),
    "VolumeMount": (_new(_NAME, ("mountPath", "withMountPath"), ("readOnly", "withReadOnly", "false")),),
}


def _volume(claim: str) -> tuple[Constructor, ...]:
    return (
        _new(
            _NAME,
            ("configMapName", "mixin.configMap.withName"),
            ("configMapItems", "mixin.configMap.withItems"),
            name="fromConfigMap",
        ),
        _new(_NAME, ("emptyDir", "mixin.emptyDir.mixinInstance", "{}"), name="fromEmptyDir"),
        _new(_NAME, (claim, "mixin.persistentVolumeClaim.withClaimName"), name="fromPersistentVolumeClaim"),
        _new(_NAME, ("hostPath", "mixin.hostPath.withPath"), name="fromHostPath"),
        _new(_NAME, ("secretName", "mixin.secret.withSecretName"), name="fromSecret"),
    )


_CORE_LISTS = (
    *("ConfigMapList", "EndpointsList", "EventList", "LimitRangeList", "NamespaceList", "NodeList"),
    *("PersistentVolumeClaimList", "PersistentVolumeList", "PodList", "PodTemplateList", "ReplicationControllerList"),
    *("ResourceQuotaList", "SecretList", "ServiceAccountList", "ServiceList"),
)

#: (group, kind) to constructors, for 1.8 and later.
MODERN_CONSTRUCTORS: dict[tuple[str, str], tuple[Constructor, ...]] = {
    **{(g, k): _MODERN[k] for g in ("apps", "extensions") for k in ("Deployment", "StatefulSet", "Scale")},
    **{(g, "DeploymentRollback"): _MODERN["DeploymentRollback"] for g in ("apps", "extensions")},
    **{(g, k): _MODERN["List"] for g in ("apps", "extensions") for k in ("DeploymentList", "StatefulSetList")},
    ("authentication", "TokenReview"): _MODERN["TokenReview"],
    ("autoscaling", "HorizontalPodAutoscalerList"): _MODERN["List"],
    ("autoscaling", "Scale"): _MODERN["Scale"],
    ("batch", "JobList"): _MODERN["List"],
    ("batch", "CronJobList"): _MODERN["List"],
    ("certificates", "CertificateSigningRequestList"): _MODERN["List"],
    **{("core", kind): _MODERN["List"] for kind in _CORE_LISTS},
    **{("core", kind): constructors for kind, constructors in _CORE.items()},
    ("core", "ContainerPort"): (
        _new(("containerPort", "withContainerPort")),
        _new(("containerPort", "withContainerPort"), _NAME, name="newNamed"),
    ),
    ("core", "Secret"): (_new(_META_NAME, ("data", "withData"), _TYPE),),
    ("core", "Volume"): _volume("emptyDir"),
}

#: (group, version, kind) to constructors, for 1.7.
LEGACY_CONSTRUCTORS: dict[tuple[str, str, str], tuple[Constructor, ...]] = {
    **{
        (group, "v1beta1", kind): _LEGACY[kind]
        for group in ("apps", "extensions")
        for kind in ("Deployment", "DeploymentRollback", "Scale", "StatefulSet")
    },
    **{
        (group, "v1beta1", kind): _LEGACY["List"]
        for group in ("apps", "extensions")
        for kind in ("DeploymentList", "StatefulSetList")
    },
    ("authentication", "v1", "TokenReview"): _LEGACY["TokenReview"],
    ("authentication", "v1beta1", "TokenReview"): _LEGACY["TokenReview"],
    ("autoscaling", "v1", "HorizontalPodAutoscalerList"): _LEGACY["List"],
    ("autoscaling", "v1", "Scale"): _LEGACY["Scale"],
    ("autoscaling", "v2alpha1", "HorizontalPodAutoscalerList"): _LEGACY["List"],
    ("batch", "v1", "JobList"): _LEGACY["List"],
    ("batch", "v2alpha1", "CronJobList"): _LEGACY["List"],
    ("certificates", "v1beta1", "CertificateSigningRequestList"): _LEGACY["List"],
    **{("core", "v1", kind): _LEGACY["List"] for kind in _CORE_LISTS},
    **{("core", "v1", kind): constructors for kind, constructors in _CORE.items()},
    ("core", "v1", "ContainerPort"): (
        _new(("containerPort", "withContainerPort")),
        _new(_NAME, ("containerPort", "withContainerPort"), name="newNamed"),
    ),
    ("core", "v1", "Secret"): (
        _new(_META_NAME, ("data", "withData"), _TYPE),
        _new(_META_NAME, ("stringData", "withStringData"), _TYPE, name="fromString"),
    ),
    ("core", "v1", "Volume"): _volume("claimName"),
}
