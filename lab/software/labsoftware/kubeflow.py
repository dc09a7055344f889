"""Kubeflow's components and what they need: programs, images, and manifests under the paths that GitHub has."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from labsoftware.cache import Cache
from labsoftware.golang import MODULES, go_product, version_of
from labsoftware.images import Image, image_product
from labsoftware.product import BuildError, Product, Work


def products(go: str) -> list[Product]:
    """Every product of this table."""
    return [*_training_operator(go), *_trainer(go), *_storage_and_metrics(go)]


def github_archive(repository: str, version: str, folder: str, source: str) -> Product:
    """One folder of a release's archive, served under the path of GitHub's archive of the tag.

    source: 'product:path' of that folder. Its files are those of the tag, because a module is made from the tag.
    """
    name = repository.rpartition("/")[2]
    archive = f"{repository}/archive/refs/tags/v{version}.tar.gz"

    def build(work: Work) -> None:
        with work.scratch() as scratch:
            top = f"{name}-{version}"
            shutil.copytree(work.file(source), scratch / top / folder)
            work.run("chmod", "-R", "u+w,go+r", scratch / top)
            tar = ("tar", "--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0")
            work.run(
                *tar, "--use-compress-program=gzip --no-name", "--file", work.out / "archive.tar.gz", "-C", scratch, top
            )
        place = work.cache.www / archive
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(work.out / "archive.tar.gz", place.with_suffix(".new"))
        place.with_suffix(".new").replace(place)

    def published(cache: Cache, folder: Path) -> bool:
        place = cache.www / archive
        return place.exists() and place.stat().st_size == (folder / "archive.tar.gz").stat().st_size

    return Product(
        name=f"manifests-{name}",
        build=build,
        recipe=(archive, folder, source, "1"),
        needs=(source.partition(":")[0],),
        published=published,
    )


def _training_operator(go: str) -> list[Product]:
    module = "github.com/kubeflow/training-operator"

    def reference(work: Work) -> str:
        kustomization = work.file("training-operator:manifests/overlays/standalone/kustomization.yaml")
        found = re.search(r"newTag:\s*\"?([\w.-]+)", kustomization.read_text(encoding="utf-8"))
        if not found:
            raise BuildError("the training operator's standalone overlay names no image tag")
        return f"docker.io/kubeflow/training-operator:{found.group(1)}"

    return [
        go_product(
            "training-operator",
            MODULES / "training-operator",
            {f"{module}/cmd/training-operator.v1": "manager"},
            go=go,
            files={"manifests": f"{module}:manifests"},
            links={"manifests/training-operator": "manifests"},
            seconds=80,
        ),
        image_product(
            Image(
                name="image-training-operator",
                reference=reference,
                programs={"/manager": "training-operator:manager"},
                entrypoint=("/manager",),
            )
        ),
        github_archive(
            "kubeflow/training-operator",
            version_of("training-operator", module),
            "manifests",
            "training-operator:manifests",
        ),
    ]


def _trainer(go: str) -> list[Product]:
    """Trainer and the JobSet that it is made for: one set of modules, so that what both use is compiled once."""
    trainer, jobset = "github.com/kubeflow/trainer/v2", "sigs.k8s.io/jobset"
    trainer_version, jobset_version = version_of("trainer", trainer), version_of("trainer", jobset)
    return [
        go_product(
            "trainer",
            MODULES / "trainer",
            {f"{trainer}/cmd/trainer-controller-manager": "trainer", jobset: "jobset"},
            go=go,
            files={"manifests": f"{trainer}:manifests", "config": f"{jobset}:config"},
            links={"manifests/trainer": "manifests", "manifests/jobset": "config"},
            seconds=100,
        ),
        image_product(
            Image(
                name="image-trainer",
                reference=f"ghcr.io/kubeflow/trainer/trainer-controller-manager:v{trainer_version}",
                programs={"/manager": "trainer:trainer"},
                entrypoint=("/manager",),
                user="65532:65532",
            )
        ),
        image_product(
            Image(
                name="image-jobset",
                reference=f"registry.k8s.io/jobset/jobset:v{jobset_version}",
                programs={"/manager": "trainer:jobset"},
                entrypoint=("/manager",),
                user="65532:65532",
            )
        ),
        github_archive("kubeflow/trainer", trainer_version, "manifests", "trainer:manifests"),
        github_archive("kubernetes-sigs/jobset", jobset_version, "config", "trainer:config"),
    ]


def _storage_and_metrics(go: str) -> list[Product]:
    local_path, metrics = "github.com/rancher/local-path-provisioner", "sigs.k8s.io/metrics-server"
    local_path_version = version_of("local-path-provisioner", local_path)
    metrics_version = version_of("metrics-server", metrics)
    return [
        go_product(
            "local-path-provisioner",
            MODULES / "local-path-provisioner",
            {local_path: "local-path-provisioner"},
            go=go,
            ldflags=f"-X main.VERSION=v{local_path_version}",
            files={"deploy": f"{local_path}:deploy"},
            links={"manifests/local-path-provisioner": "deploy"},
            seconds=60,
            outputs={"version": ("local-path-provisioner", "--version")},
        ),
        image_product(
            Image(
                name="image-local-path-provisioner",
                reference=f"docker.io/rancher/local-path-provisioner:v{local_path_version}",
                programs={"/usr/bin/local-path-provisioner": "local-path-provisioner:local-path-provisioner"},
                entrypoint=("/usr/bin/local-path-provisioner",),
            )
        ),
        github_archive("rancher/local-path-provisioner", local_path_version, "deploy", "local-path-provisioner:deploy"),
        go_product(
            "metrics-server",
            MODULES / "metrics-server",
            {f"{metrics}/cmd/metrics-server": "metrics-server"},
            go=go,
            ldflags=f"-X k8s.io/component-base/version.gitVersion=v{metrics_version}",
            files={"manifests": f"{metrics}:manifests"},
            links={"manifests/metrics-server": "manifests"},
            seconds=90,
            outputs={"version": ("metrics-server", "--version")},
        ),
        image_product(
            Image(
                name="image-metrics-server",
                reference=f"registry.k8s.io/metrics-server/metrics-server:v{metrics_version}",
                programs={"/metrics-server": "metrics-server:metrics-server"},
                entrypoint=("/metrics-server",),
                user="65534:65534",
            )
        ),
        github_archive("kubernetes-sigs/metrics-server", metrics_version, "manifests", "metrics-server:manifests"),
    ]
