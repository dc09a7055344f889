# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Digests of the images that the catalogue and the roles name: of the index, which has all architectures.

``tools/catalogue --digests`` asks the registries and writes this file; with ``--check`` it only compares. The first
digests come from lists that their publishers keep (github.com/kubernetes/k8s.io, github.com/docker-library/repo-info)
and from public repositories that pin the same image: each is in such a list, or in two or more that do not depend on
each other.
"""

from __future__ import annotations

#: Image in full → digest of its index; "" where none is known, so that the image goes by its tag alone.
DIGESTS: dict[str, str] = {
    "docker.io/chrislusf/seaweedfs:4.00": "",
    "docker.io/cloudnativelabs/kube-router:v2.1.0": "",
    "docker.io/kserve/agent:v0.16.0": "",
    "docker.io/kserve/art-explainer:latest": "",
    "docker.io/kserve/huggingfaceserver:v0.16.0": "",
    "docker.io/kserve/huggingfaceserver:v0.16.0-gpu": "",
    "docker.io/kserve/kserve-controller:v0.16.0": "",
    "docker.io/kserve/kserve-localmodel-controller:v0.16.0": "",
    "docker.io/kserve/lgbserver:v0.16.0": "",
    "docker.io/kserve/llmisvc-controller:v0.16.0": "",
    "docker.io/kserve/paddleserver:v0.16.0": "",
    "docker.io/kserve/pmmlserver:v0.16.0": "",
    "docker.io/kserve/router:v0.16.0": "",
    "docker.io/kserve/sklearnserver:v0.16.0": "",
    "docker.io/kserve/sklearnserver:v0.21.0": "",
    "docker.io/kserve/storage-initializer:v0.16.0": "",
    "docker.io/kserve/xgbserver:v0.16.0": "",
    "docker.io/kubeflow/training-operator:v1-04f9f13": "",
    "docker.io/library/busybox:latest": "sha256:dc2d74b28e4cf8984fa52af1f39bc7c3d9c73760b41a74d629f5d11b1ab28616",
    "docker.io/library/mysql:8.0.29": "sha256:152cf187a3efc56afb0b3877b4d21e231d1d6eb828ca9221056590b0ac834c75",
    "docker.io/library/mysql:8.3": "sha256:9de9d54fecee6253130e65154b930978b1fcc336bcc86dfd06e89b72a2588ebe",
    "docker.io/library/mysql:8.4": "sha256:6ea90827b1100f8f2ae306a539f86d2c264a26ed435a2a9f75551dd5c3aeb242",
    "docker.io/library/redis:4.0.1": "",
    "docker.io/library/traefik:v3.7.13": "sha256:24841fe2de7304c149343d877d2923b4c8800a38ba015dea9174c23b20e344a0",
    "docker.io/pytorch/torchserve-kfs:0.9.0": "",
    "docker.io/rancher/local-path-provisioner:v0.0.30": (
        "sha256:9b914881170048f80ae9302f36e5b99b4a6b18af73a38adc1c66d12f65d360be"
    ),
    "docker.io/seldonio/cluster-manager:0.1.5": "",
    "docker.io/seldonio/mlserver:1.5.0": "",
    "docker.io/tensorflow/serving:2.6.2": "",
    "gcr.io/kubeflow-images-public/tf-model-server-cpu:v20180327-995786ec": "",
    "gcr.io/kubeflow-images-public/tf_operator:v20180329-a7511ff": "",
    "gcr.io/kubeflow/jupyterhub-k8s:1.0.1": "",
    "gcr.io/tfx-oss-public/ml_metadata_store_server:1.14.0": "",
    "ghcr.io/flannel-io/flannel-cni-plugin:v1.9.1-flannel3": "",
    "ghcr.io/flannel-io/flannel:v0.28.10": "",
    "ghcr.io/kubeflow/katib/earlystopping-medianstop:v0.19.0": "",
    "ghcr.io/kubeflow/katib/enas-cnn-cifar10-cpu:v0.19.0": "",
    "ghcr.io/kubeflow/katib/file-metrics-collector:v0.19.0": "",
    "ghcr.io/kubeflow/katib/katib-controller:v0.19.0": "",
    "ghcr.io/kubeflow/katib/katib-db-manager:v0.19.0": "",
    "ghcr.io/kubeflow/katib/katib-ui:v0.19.0": "",
    "ghcr.io/kubeflow/katib/pytorch-mnist-cpu:v0.19.0": "",
    "ghcr.io/kubeflow/katib/suggestion-darts:v0.19.0": "",
    "ghcr.io/kubeflow/katib/suggestion-enas:v0.19.0": "",
    "ghcr.io/kubeflow/katib/suggestion-goptuna:v0.19.0": "",
    "ghcr.io/kubeflow/katib/suggestion-hyperband:v0.19.0": "",
    "ghcr.io/kubeflow/katib/suggestion-hyperopt:v0.19.0": "",
    "ghcr.io/kubeflow/katib/suggestion-optuna:v0.19.0": "",
    "ghcr.io/kubeflow/katib/suggestion-pbt:v0.19.0": "",
    "ghcr.io/kubeflow/katib/suggestion-skopt:v0.19.0": "",
    "ghcr.io/kubeflow/katib/tfevent-metrics-collector:v0.19.0": "",
    "ghcr.io/kubeflow/kfp-api-server:2.16.0": "",
    "ghcr.io/kubeflow/kfp-cache-deployer:2.16.0": "",
    "ghcr.io/kubeflow/kfp-cache-server:2.16.0": "",
    "ghcr.io/kubeflow/kfp-driver:2.16.0": "",
    "ghcr.io/kubeflow/kfp-frontend:2.16.0": "",
    "ghcr.io/kubeflow/kfp-launcher:2.16.0": "",
    "ghcr.io/kubeflow/kfp-metadata-envoy:2.16.0": "",
    "ghcr.io/kubeflow/kfp-metadata-writer:2.16.0": "",
    "ghcr.io/kubeflow/kfp-persistence-agent:2.16.0": "",
    "ghcr.io/kubeflow/kfp-scheduled-workflow-controller:2.16.0": "",
    "ghcr.io/kubeflow/kfp-viewer-crd-controller:2.16.0": "",
    "ghcr.io/kubeflow/kfp-visualization-server:2.16.0": "",
    "ghcr.io/kubeflow/kubeflow/central-dashboard:v1.10.0": "",
    "ghcr.io/kubeflow/kubeflow/jupyter-web-app:v1.10.0": "",
    "ghcr.io/kubeflow/kubeflow/notebook-controller:v1.10.0": "",
    "ghcr.io/kubeflow/kubeflow/notebook-servers/codeserver-python:v1.10.0": "",
    "ghcr.io/kubeflow/kubeflow/notebook-servers/jupyter-pytorch-cuda-full:v1.10.0": "",
    "ghcr.io/kubeflow/kubeflow/notebook-servers/jupyter-pytorch-full:v1.10.0": "",
    "ghcr.io/kubeflow/kubeflow/notebook-servers/jupyter-pytorch-gaudi-full:v1.10.0": "",
    "ghcr.io/kubeflow/kubeflow/notebook-servers/jupyter-scipy:v1.10.0": "",
    "ghcr.io/kubeflow/kubeflow/notebook-servers/jupyter-tensorflow-cuda-full:v1.10.0": "",
    "ghcr.io/kubeflow/kubeflow/notebook-servers/jupyter-tensorflow-full:v1.10.0": "",
    "ghcr.io/kubeflow/kubeflow/notebook-servers/rstudio-tidyverse:v1.10.0": "",
    "ghcr.io/kubeflow/model-registry/server:v0.3.7": "",
    "ghcr.io/kubeflow/trainer/trainer-controller-manager:v2.0.0": "",
    "nvcr.io/nvidia/tritonserver:23.05-py3": "",
    "quay.io/argoproj/argoexec:v3.7.3": "",
    "quay.io/argoproj/workflow-controller:v3.7.3": "",
    "quay.io/brancz/kube-rbac-proxy:v0.18.0": "",
    "quay.io/datawire/ambassador:0.30.1": "",
    "quay.io/datawire/statsd:0.30.1": "",
    "quay.io/jetstack/cert-manager-acmesolver:v1.19.4": "",
    "quay.io/jetstack/cert-manager-cainjector:v1.19.4": "",
    "quay.io/jetstack/cert-manager-controller:v1.19.4": "",
    "quay.io/jetstack/cert-manager-webhook:v1.19.4": "",
    "quay.io/jupyter/scipy-notebook:2024-11-19": "",
    "quay.io/jupyterhub/configurable-http-proxy:5.2.0": "",
    "quay.io/jupyterhub/k8s-hub:4.4.0": "",
    "registry.k8s.io/jobset/jobset:v0.8.2": "sha256:a25804af6def03d794c218930176c5dac12b5de06a450e38b8a15143a6fd0071",
    "registry.k8s.io/metrics-server/metrics-server:v0.9.0": (
        "sha256:d9862115e7c7881280d3d75ca26bda8ffc0fc213315979575bf23ce9826205c0"
    ),
}
