"""Kubeflow's components and what they need: programs, images, and manifests under the paths that GitHub has."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from labsoftware.cache import Cache
from labsoftware.golang import MODULES, SOFTWARE, files_product, go_product, version_of
from labsoftware.images import Image, debian_layer, image_product
from labsoftware.npm import NPM, npm_layer
from labsoftware.product import BuildError, Product, Work
from labsoftware.pypi import PYTHON, interpreter_layer, python_layer, uv_product


def products(go: str) -> list[Product]:
    """Every product of this table."""
    return [
        *_training_operator(go),
        *_trainer(go),
        *_storage_and_metrics(go),
        *_ingress(go),
        *_argo_workflows(go),
        *_metallb(go),
        *_jupyterhub(),
        *_model_server(),
        *_manifests_alone(),
    ]


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


def _ingress(go: str) -> list[Product]:
    """Traefik, whose client of certificate authorities (lego) knows no DNS provider: their modules cannot be had."""
    module = "github.com/traefik/traefik/v3"
    version = version_of("traefik", module)
    return [
        files_product("lego", MODULES / "traefik-lego", {"lego": "github.com/go-acme/lego/v5:"}),
        go_product(
            "traefik",
            MODULES / "traefik",
            {f"{module}/cmd/traefik": "traefik"},
            go=go,
            ldflags=f"-X {module}/pkg/version.Version={version}",
            overlaid={"lego": "lego:lego"},
            seconds=240,
            outputs={"version": ("traefik", "version")},
        ),
        image_product(
            Image(
                name="image-traefik",
                reference=f"docker.io/library/traefik:v{version}",
                programs={"/usr/local/bin/traefik": "traefik:traefik"},
                entrypoint=("/usr/local/bin/traefik",),
            )
        ),
    ]


def _argo_workflows(go: str) -> list[Product]:
    """Controller and executor. The module's archive lacks the executor's file for signals on Linux, which is ours."""
    module = "github.com/argoproj/argo-workflows/v3"
    version = version_of("manifests", module)
    programs = ("workflow-controller", "argoexec")
    return [
        files_product("argo-workflows-source", MODULES / "manifests", {"source": f"{module}:"}),
        go_product(
            "argo-workflows",
            MODULES / "argo-workflows",
            {f"{module}/cmd/{program}": program for program in programs},
            go=go,
            ldflags=f"-X {module}.version=v{version}",
            overlaid={"source": "argo-workflows-source:source"},
            seconds=300,
            outputs={"version": ("argoexec", "version")},
        ),
        *(
            image_product(
                Image(
                    name=f"image-{program}",
                    reference=f"quay.io/argoproj/{program}:v{version}",
                    programs={f"/bin/{program}": f"argo-workflows:{program}"},
                    entrypoint=(program,),
                    user="8737" if program == "workflow-controller" else "",
                )
            )
            for program in programs
        ),
    ]


def _metallb(go: str) -> list[Product]:
    """Controller and speaker of MetalLB, for addresses on the LAN; a file of ours stands in for its BGP by frr-k8s."""
    module = "go.universe.tf/metallb"
    version = version_of("manifests", module)
    programs = ("controller", "speaker")
    return [
        files_product("metallb-source", MODULES / "manifests", {"source": f"{module}:"}),
        go_product(
            "metallb",
            MODULES / "metallb",
            {f"{module}/{program}": program for program in programs},
            go=go,
            ldflags=f"-X {module}/internal/version.gitBranch=v{version}",
            overlaid={"source": "metallb-source:source"},
            seconds=120,
        ),
        *(
            image_product(
                Image(
                    name=f"image-metallb-{program}",
                    reference=f"quay.io/metallb/{program}:v{version}",
                    programs={f"/{program}": f"metallb:{program}"},
                    entrypoint=(f"/{program}",),
                )
            )
            for program in programs
        ),
        github_archive("metallb/metallb", version, "config", "metallb-source:source/config"),
    ]


def _manifests_alone() -> list[Product]:
    """Manifests of modules whose programs are not built, or not for every lab; a real API server is shown them."""
    modules = {
        "argoproj/argo-workflows": "github.com/argoproj/argo-workflows/v3",
        "kubeflow/katib": "github.com/kubeflow/katib",
    }
    names = {repository: repository.partition("/")[2] for repository in modules}
    files = {names[repository]: f"{module}:manifests" for repository, module in modules.items()}
    made = [files_product("kubeflow-manifests", MODULES / "manifests", files)]
    for repository, module in modules.items():
        source = f"kubeflow-manifests:{names[repository]}"
        made.append(github_archive(repository, version_of("manifests", module), "manifests", source))
    return made


# The release of the Helm chart that names the hub's and the notebook server's image, by what is in them.
JUPYTERHUB_IMAGES = "4.4.0"
NOTEBOOK_IMAGE = "quay.io/jupyter/scipy-notebook:2024-11-19"
USERS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
JOVYAN = USERS + "jovyan:x:1000:1000:Default user:/home/jovyan:/bin/sh\n"
PYTHON_LINKS = {f"/usr/bin/{name}": "python3.13" for name in ("python", "python3")}


def locked(requirements: str, package: str) -> str:
    """Version of a package in python/<requirements>."""
    found = re.search(
        rf"^{re.escape(package)}==(\S+)", (PYTHON / requirements).read_text(encoding="utf-8"), re.MULTILINE
    )
    if not found:
        raise BuildError(f"python/{requirements} names no {package}")
    return found.group(1)


def _jupyterhub() -> list[Product]:
    """The hub, its proxy and a notebook server; hub and notebook server share two layers."""
    proxy = json.loads((NPM / "configurable-http-proxy/package.json").read_text(encoding="utf-8"))
    proxy_version = proxy["dependencies"]["configurable-http-proxy"]

    def python_image(
        name: str, reference: str, layers: tuple[str, ...], command: tuple[str, ...], workdir: str
    ) -> Product:
        return image_product(
            Image(
                name=name,
                reference=reference,
                bases=("layer-python", "layer-jupyterhub", *layers),
                programs={},
                texts={"/etc/passwd": JOVYAN},
                links=PYTHON_LINKS,
                command=command,
                user="1000:1000",
                workdir=workdir,
            )
        )

    return [
        uv_product(),
        interpreter_layer(),
        python_layer("layer-jupyterhub", "jupyterhub.txt", seconds=25),
        python_layer("layer-hub", "hub.txt", seconds=15),
        python_layer("layer-singleuser", "singleuser.txt", seconds=30),
        python_layer("layer-scipy", "scipy.txt", seconds=30),
        python_image(
            "image-jupyterhub",
            f"quay.io/jupyterhub/k8s-hub:{JUPYTERHUB_IMAGES}",
            ("layer-hub",),
            ("jupyterhub", "--config", "/usr/local/etc/jupyterhub/jupyterhub_config.py"),
            "/srv/jupyterhub",
        ),
        python_image(
            "image-notebook",
            NOTEBOOK_IMAGE,
            ("layer-singleuser", "layer-scipy"),
            ("jupyterhub-singleuser",),
            "/home/jovyan",
        ),
        debian_layer("layer-node", "trixie", "amd64", ("nodejs", "busybox-static")),
        npm_layer("layer-proxy", "configurable-http-proxy"),
        image_product(
            Image(
                name="image-http-proxy",
                reference=f"quay.io/jupyterhub/configurable-http-proxy:{proxy_version}",
                bases=("layer-node", "layer-proxy"),
                programs={},
                links={
                    "/usr/local/bin/configurable-http-proxy": "../../../srv/configurable-http-proxy/node_modules/.bin/"
                    "configurable-http-proxy"
                },
                entrypoint=("/usr/local/bin/configurable-http-proxy",),
                user="65534:65534",
            )
        ),
    ]


def _model_server() -> list[Product]:
    """KServe's Python model server with scikit-learn, which trains as well as it serves."""
    source = SOFTWARE / "sklearnserver"

    def copy(work: Work) -> None:
        for file in source.glob("*.py"):
            shutil.copy(file, work.out)

    def image(name: str, tag: str, layers: tuple[str, ...], path: str) -> Product:
        return image_product(
            Image(
                name=name,
                reference=f"docker.io/kserve/sklearnserver:{tag}",
                bases=("layer-python", *layers),
                programs={
                    f"/sklearnserver/sklearnserver/{file}": f"sklearnserver:{file}"
                    for file in ("__init__.py", "__main__.py")
                },
                texts={"/etc/passwd": USERS + "kserve:x:1000:1000::/home/kserve:/bin/sh\n"},
                links=PYTHON_LINKS,
                entrypoint=("python", "-m", "sklearnserver"),
                user="1000",
                environment={"PYTHONPATH": path},
            )
        )

    release = f"v{locked('sklearnserver.txt', 'kserve')}"
    other = "opt/scikit-learn"
    return [
        Product(name="sklearnserver", build=copy, inputs=(source,)),
        python_layer("layer-sklearnserver", "sklearnserver.txt", seconds=60),
        image("image-sklearnserver", release, ("layer-sklearnserver",), "/sklearnserver"),
        # What somebody makes of that image who wants a newer scikit-learn
        python_layer("layer-scikit-learn", "scikit-learn.txt", seconds=10, where=other),
        image(
            "image-scikit-learn",
            f"{release}-scikit-learn-{locked('scikit-learn.txt', 'scikit-learn')}",
            ("layer-sklearnserver", "layer-scikit-learn"),
            f"/{other}:/sklearnserver",
        ),
    ]
