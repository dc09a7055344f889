"""Kubeflow 0.1.3 against what ks 0.9.2 gave: counts, names and digests; no text of theirs is kept here.

Runs where KUBEFLOW_SNAPSHOT names a checkout of kubeflow/kubeflow at v0.1.3. The digests are those of the objects that
the real `ks show` printed for apps of the same declaration, as canonical JSON.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2] / ".lab" / "collections"), str(HERE.parents[1] / "unit" / "ksonnet")]

from app_builder import Builder, digest

SNAPSHOT = Path(os.environ.get("KUBEFLOW_SNAPSHOT", "/nonexistent"))
pytestmark = pytest.mark.skipif(not SNAPSHOT.is_dir(), reason="KUBEFLOW_SNAPSHOT names no checkout")

SWAGGER = SNAPSHOT / "testing/workflows/lib/v1.7.0/swagger.json"
PROTOTYPES = {
    "kubeflow-core": ("kubeflow-core", {}),
    "argo": ("pkg.argo", {}),
    "seldon": ("pkg.seldon", {}),
    "serve": ("seldon-serve-simple", {"image": "me/model:1"}),
    "myjob": ("pkg.tf-job", {}),
    "cnn": ("tf-cnn", {}),
    "serving": ("tf-serving", {}),
    "cert-manager": ("cert-manager", {"acmeEmail": "me@example.com"}),
    "iap": ("iap-ingress", {"ipName": "myip"}),
}
PARAMS: dict[str, dict[str, Any]] = {
    "kubeflow-core": {
        "cloud": "gke",
        "disks": "disk1,disk2",
        "jupyterHubAuthenticator": "iap",
        "jupyterHubServiceType": "LoadBalancer",
        "jupyterNotebookPVCMount": "/home/jovyan",
        "reportUsage": "true",
        "tfJobUiServiceType": "NodePort",
        "usageId": "abc",
    },
    "argo": {"namespace": "argo-ns"},
    "seldon": {"withApife": "true", "withRbac": "false"},
    "serve": {"replicas": 3, "endpoint": "GRPC"},
    "myjob": {
        "args": 'python,x.py,--a="b c"',
        "image": "tf:1",
        "image_gpu": "tf:gpu",
        "num_gpus": 1,
        "num_masters": 1,
        "num_ps": 2,
        "num_workers": 3,
    },
    "cnn": {"num_gpus": 1, "batch_size": 64},
    "serving": {
        "defaultHttpProxyImage": "p",
        "deployHttpProxy": True,
        "httpProxyImage": "proxy:2",
        "modelPath": "gs://bucket/model",
        "numGpus": 1,
    },
    "cert-manager": {"acmeUrl": "https://staging"},
    "iap": {"hostname": "kf.example.com", "disableJwtChecking": "true"},
}
OVERRIDES: dict[str, dict[str, Any]] = {
    "kubeflow-core": {"jupyterHubImage": "hub:2", "namespace": "other", "usageId": "zzz"},
    "serve": {"replicas": 5},
    "serving": {"modelPath": "s3://x", "name": "renamed"},
    "myjob": {"num_workers": 7},
    "seldon": {"apifeServiceType": "LoadBalancer"},
}
#: (with parameters, environment): number of objects and their digest
KS_GAVE = {
    (False, "default"): (65, "87116d5072eea4f9bf0f34330cb612e00c1f2378183c21bcba9a2a66fc1d7ebe"),
    (False, "prod"): (65, "460a01444f293e9470852566add8094421f66eaf17e0d24b32bf6ad98f79d37f"),
    (True, "default"): (81, "353635683c4eef4c83686722ec3be1a988a87a5983a006539e43886a5f7b1ca6"),
    (True, "prod"): (81, "8706f42ec5fc9f1aadcc5c95c4c5125bb587bee5138bc1fc45238e098529af18"),
}
CORE = {
    "ClusterRole": ["tf-job-dashboard", "tf-job-operator"],
    "ClusterRoleBinding": ["tf-job-dashboard", "tf-job-operator"],
    "ConfigMap": ["jupyterhub-config", "tf-job-operator-config"],
    "CustomResourceDefinition": ["tfjobs.kubeflow.org"],
    "Deployment": ["ambassador", "tf-job-dashboard", "tf-job-operator"],
    "Role": ["ambassador", "jupyter-role"],
    "RoleBinding": ["ambassador", "jupyter-role"],
    "Service": ["ambassador", "ambassador-admin", "k8s-dashboard", "tf-hub-0", "tf-hub-lb", "tf-job-dashboard"],
    "ServiceAccount": ["ambassador", "jupyter-hub", "tf-job-dashboard", "tf-job-operator"],
    "StatefulSet": ["tf-hub"],
}


def declare(build: Builder, with_params: bool) -> None:
    """The app, with k.libsonnet made from the snapshot's OpenAPI description."""
    given = PARAMS if with_params else {}
    build.apply(
        libraries=[{"openapi": str(SWAGGER)}],
        environments=[
            {"name": "default", "server": "https://192.168.20.7:6443", "namespace": "kubeflow"},
            {"name": "prod", "namespace": "production", "params": OVERRIDES if with_params else {}},
        ],
        registries=[{"name": "kubeflow", "uri": str(SNAPSHOT / "kubeflow")}],
        packages=[{"name": f"kubeflow/{name}"} for name in ("core", "argo", "seldon", "tf-job", "tf-serving")],
        components=[
            {"name": name, "prototype": found, "params": {**required, **given.get(name, {})}}
            for name, (found, required) in PROTOTYPES.items()
        ],
    )


@pytest.mark.parametrize("with_params", [False, True])
@pytest.mark.parametrize("library", ["made here", "of the snapshot"])
def test_objects_are_those_of_ks(tmp_path: Path, with_params: bool, library: str) -> None:
    build = Builder(tmp_path / "app", tmp_path / "cache")
    declare(build, with_params)
    if library == "of the snapshot":
        for name in ("k.libsonnet", "k8s.libsonnet"):
            build.write(f"lib/v1.7.0/{name}", SWAGGER.with_name(name).read_text())
    for environment in ("default", "prod"):
        objects = build.render(environment).objects
        assert (len(objects), digest(objects)) == KS_GAVE[with_params, environment]


def test_kubeflow_core_has_its_25_objects(tmp_path: Path) -> None:
    build = Builder(tmp_path / "app", tmp_path / "cache")
    declare(build, False)
    names = defaultdict(list)
    for item in build.render(components=["kubeflow-core"]).objects:
        names[item["kind"]].append(item["metadata"]["name"])
    assert {kind: sorted(found) for kind, found in names.items()} == CORE


#: what `ks generate`, then `ks param set serve replicas 3`, `ks param set kubeflow-core cloud gke --env=prod` and
#: `ks component rm iap` left: SHA-256 of each file's lines without comments
KS_WROTE = {
    "components/argo.jsonnet": "deb8f9e56fbefc4d",
    "components/cert-manager.jsonnet": "82cbbb2079a1b067",
    "components/cnn.jsonnet": "953cd973a1dfce91",
    "components/kubeflow-core.jsonnet": "6360e499cb7e377e",
    "components/myjob.jsonnet": "73f0315d6a6f3623",
    "components/params.libsonnet": "e909b30e20779ae8",
    "components/seldon.jsonnet": "b9af3c38ff1ae321",
    "components/serve.jsonnet": "adaa207c527bdc48",
    "components/serving.jsonnet": "f68823ce5d7441db",
    "environments/default/params.libsonnet": "9273e0cf56f691db",
    "environments/prod/params.libsonnet": "8c3c29b9da2c60f4",
}


def test_files_are_those_that_ks_wrote(tmp_path: Path) -> None:
    build = Builder(tmp_path / "app", tmp_path / "cache")
    declare(build, False)
    build.apply(
        components=[{"name": "serve", "params": {"replicas": 3}}, {"name": "iap", "state": "absent"}],
        environments=[{"name": "prod", "params": {"kubeflow-core": {"cloud": "gke"}}}],
    )
    assert written(build.root) == KS_WROTE


def written(app: Path) -> dict[str, str]:
    """Files of components and environments, and a checksum of their lines without comments and blank ones."""
    found = {}
    for path in sorted([*app.glob("components/*"), *app.glob("environments/**/params.libsonnet")]):
        lines = (line.strip() for line in path.read_text().splitlines())
        text = "\n".join(line for line in lines if line and not line.startswith("//"))
        found[str(path.relative_to(app))] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found
