# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Good input of every kind that the collection reads, which the tests damage."""

# ruff: noqa: E501 - the manifests are tables
from __future__ import annotations

import hashlib
import io
import tarfile
from typing import Any

import yaml

from ansible_collections.bramble.kube.plugins.module_utils.backup import archive

SECRET = "hunter2hunter2x9"
TOKEN = f"abcdef.{SECRET}"

META = {"name": "a", "namespace": "b", "labels": {"app": "a"}, "annotations": {"x": "z"}}
POD = {
    "serviceAccountName": "a",
    "containers": [{"name": "c", "image": "busybox:1", "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 1}],
                    "volumeMounts": [{"name": "v", "mountPath": "/v"}], "resources": {"limits": {"cpu": "1"}}}],
    "initContainers": [{"name": "i", "image": "busybox"}],
    "volumes": [{"name": "v", "configMap": {"name": "a"}}],
}  # fmt: skip
TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": POD}
MANIFESTS: tuple[dict[str, Any], ...] = (
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": META,
     "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE}},
    {"apiVersion": "extensions/v1beta1", "kind": "Deployment", "metadata": {"name": "old"},
     "spec": {"replicas": 1, "rollbackTo": {"revision": 1}, "template": TEMPLATE}},
    {"apiVersion": "apps/v1beta1", "kind": "StatefulSet", "metadata": META,
     "spec": {"serviceName": "a", "template": TEMPLATE, "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {}}]}},
    {"apiVersion": "extensions/v1beta1", "kind": "Ingress", "metadata": META,
     "spec": {"backend": {"serviceName": "a", "servicePort": 80},
              "rules": [{"host": "h", "http": {"paths": [{"path": "/", "backend": {"serviceName": "a", "servicePort": "w"}}]}}]}},
    {"apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": META,
     "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": TEMPLATE}}}},
    {"apiVersion": "apiextensions.k8s.io/v1beta1", "kind": "CustomResourceDefinition", "metadata": {"name": "as.x.org"},
     "spec": {"group": "x.org", "version": "v1", "scope": "Namespaced", "names": {"plural": "as", "kind": "A"},
              "additionalPrinterColumns": [{"name": "spec", "type": "string", "JSONPath": ".spec"}],
              "validation": {"openAPIV3Schema": {"properties": {"spec": {"type": "object"}}}}}},
    {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "bs.x.org"},
     "spec": {"group": "x.org", "scope": "Cluster", "names": {"plural": "bs", "kind": "B"},
              "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]}},
    {"apiVersion": "rbac.authorization.k8s.io/v1beta1", "kind": "RoleBinding", "metadata": META,
     "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"},
     "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "b"}]},
    {"apiVersion": "autoscaling/v2beta1", "kind": "HorizontalPodAutoscaler", "metadata": META,
     "spec": {"maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "a", "apiVersion": "apps/v1"},
              "metrics": [{"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 5}}]}},
    {"apiVersion": "admissionregistration.k8s.io/v1beta1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "a"},
     "webhooks": [{"name": "a.x.org", "clientConfig": {"service": {"name": "a", "namespace": "b"}},
                   "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["*"]}]}]},
    {"apiVersion": "v1", "kind": "Secret", "metadata": META, "stringData": {"password": SECRET}},
    {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": META, "data": {"a": "b"}}]},
    {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": META,
     "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}},
)  # fmt: skip
KUBECONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "n"}}],
    "clusters": [{"name": "k", "cluster": {"server": "https://192.168.13.7:6443", "insecure-skip-tls-verify": False}}],
    "users": [{"name": "u", "user": {"token": SECRET, "as": "x", "as-groups": ["g"], "as-user-extra": {"e": ["f"]}}}],
}
NODE = {
    "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/control-plane": ""}},
    "spec": {"podCIDR": "10.244.0.0/24"},
    "status": {"addresses": [{"type": "InternalIP", "address": "192.168.13.7"}], "nodeInfo": {"kubeletVersion": "v1.37.2"},
               "allocatable": {"pods": "110"}, "conditions": [{"type": "Ready", "status": "True", "message": SECRET[:0]}]},
}  # fmt: skip
ENDED = {"exitCode": 1, "reason": "Error", "message": f"\x1b[31mpassword={SECRET}"}
RUNNING_POD = {
    "metadata": {"name": "p", "namespace": "b"},
    "spec": {"nodeName": "n"},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}],
               "containerStatuses": [{"name": "c", "image": "i", "restartCount": 3, "state": {"terminated": ENDED}}]},
}  # fmt: skip
API = {
    "/version": {"gitVersion": "v1.37.2"},
    "/api/v1/nodes": {"items": [NODE]},
    "/api/v1/pods": {"items": [RUNNING_POD]},
    "/apis/apps/v1/deployments": {
        "items": [{"metadata": {"name": "d", "namespace": "b"}, "spec": {"replicas": 1}, "status": {}}]
    },
    "/api/v1/configmaps": {"items": [{"metadata": {
        "name": "bramble-s", "labels": {"applyset.kubernetes.io/id": "i"},
        "annotations": {"applyset.kubernetes.io/tooling": "bramble.kube/v1"}}}]},
    "/api/v1/services": {"items": [{
        "metadata": {"name": "s", "labels": {"applyset.kubernetes.io/part-of": "i"},
                     "annotations": {"bramble.kube/path": "/p"}},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.168.13.50"}]}}}]},
    "/apis/networking.k8s.io/v1/ingresses": {"items": [{
        "metadata": {"name": "s", "labels": {"applyset.kubernetes.io/part-of": "i"}},
        "spec": {"rules": [{"http": {"paths": [{"path": "/p"}]}}]}}]},
}  # fmt: skip
INDEX = {
    "token": "t0ken",  # the token service answers with the same
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.index.v1+json",
    "manifests": [{"digest": "sha256:" + "0" * 64, "platform": {"os": "linux", "architecture": "arm64"}}],
}
VARIABLES = {
    "ansible_host": "192.168.13.7",
    "kubeadm_version": "1.37.2",
    "kubeadm_pod_cidr": "10.244.0.0/16",
    "kubeadm_service_cidr": "10.96.0.0/12",
    "base_wifi_ssid": "home",
    "base_wifi_password": SECRET,
    "base_wifi_country": "GB",
    "base_kernel_modules": ["overlay"],
    "base_kernel_settings": {"net.ipv4.ip_forward": 1},
    "base_static_address": "192.168.13.7/24",
    "docker_registry_mirrors": {"docker.io": ["http://192.168.13.2:5000"]},
    "kubeadm_node_labels": {"a": "b"},
    "kubeadm_node_taints": [{"key": "a", "effect": "NoSchedule"}],
    "kubeflow_components": ["trainer", {"name": "katib", "state": "present"}],
    "kubeflow_catalogue_extra": [{"name": "own", "version": "1"}],
    "kubeflow_model_server_model": "digits",
}
CMDLINE = "console=serial0,115200 console=tty1 root=PARTUUID=1234-02 rootfstype=ext4 fsck.repair=yes rootwait quiet\n"
DOCKER = {"auths": {"r.example": {"auth": "YWRhOmh1bnRlcjJodW50ZXIyeDk="}, "q.example": {"identitytoken": SECRET}}}
ETCD = yaml.safe_dump(
    {"kind": "Pod", "spec": {"containers": [{"command": ["etcd", "--data-dir=/var/lib/etcd", "--name=m", "--initial-advertise-peer-urls=https://192.168.13.7:2380"], "image": "registry.k8s.io/etcd:3.7"}]}}
)  # fmt: skip
DESCRIPTION = archive.Description(
    1700000000, "m", "192.168.13.7", "https://192.168.13.7:6443", "1.37.2", "registry.k8s.io/etcd:3.7", "0a" * 32, 1, 1
)


def backup() -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        for name, content in (
            (archive.DESCRIPTION, DESCRIPTION.to_json()),
            (archive.SNAPSHOT, bytes(1024) + hashlib.sha256(bytes(1024)).digest()),
            *(
                (archive.FILES + path, (ETCD if path.endswith("/etcd.yaml") else SECRET).encode())
                for path in archive.NEEDED
            ),
        ):
            head = tarfile.TarInfo(name)
            head.size = len(content)
            tar.addfile(head, io.BytesIO(content))
    return whole.getvalue()
