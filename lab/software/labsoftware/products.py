"""The table of what is built. Versions stand in `modules/*/go.mod` and nowhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from labsoftware import kubeflow
from labsoftware.aptrepo import flat_repository, pool_repository, signing_key
from labsoftware.debs import Deb, debs_product
from labsoftware.golang import MODULES, SOFTWARE, go_product, version_of
from labsoftware.images import APPLETS, Image, debian_layer, image_product, product_of
from labsoftware.product import BuildError, Product, Work

DEBIAN = {"trixie": 13, "bookworm": 12, "bullseye": 11}
LAYER_RELEASE = "trixie"
BINARIES = (
    "kubeadm",
    "kubelet",
    "kubectl",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
)
# The etcd that each minor release of Kubernetes comes with; kubeadm's own table must agree when the image is made.
ETCD = {"1.35": "3.6", "1.36": "3.6", "1.37": "3.7"}
# Docker's repository as it was some time ago, with an older containerd: from it a Pi is set up that is upgraded later.
EARLIER = ("containerd-earlier", "debs-docker-earlier", "apt-docker-earlier")
# For the tests that use it, not for the demo: compiled from libraries of its own, it would be a tenth of all work.
METRICS = ("metrics-server", "image-metrics-server", "manifests-metrics-server")
# Built only when asked for by name.
ON_DEMAND = ("ko", *METRICS, *EARLIER)


def minor(version: str) -> str:
    """'1.37' of '1.37.2'."""
    return ".".join(version.split(".")[:2])


def releases() -> list[str]:
    """Kubernetes releases that there are modules for, oldest first."""
    found = [p.name.partition("-")[2] for p in MODULES.glob("kubernetes-*")]
    return sorted(found, key=lambda version: [int(part) for part in version.split(".")])


def check_release(version: str) -> None:
    """BuildError if this Kubernetes release cannot be built."""
    if version not in releases():
        raise BuildError(
            f"Kubernetes {version} is not among those that the lab can build ({', '.join(releases())});"
            f" 'lab/software/add-kubernetes {version}' adds it if its Go module exists"
        )
    if minor(version) not in ETCD:
        raise BuildError(f"Kubernetes {version}: name its etcd release in the table ETCD of labsoftware/products.py")


def default_release(repository: Path) -> str | None:
    """`kubeadm_version` in the defaults of the role kubeadm, which is where the project keeps it."""
    defaults = repository / "roles" / "kubeadm" / "defaults" / "main.yml"
    if not defaults.exists():
        return None
    found = re.search(
        r"^kubeadm_version:\s*[\"']?(\d+\.\d+\.\d+)[\"']?\s*(?:#.*)?$",
        defaults.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return found.group(1) if found else None


def all_products(kubernetes: list[str], default: str, go: str) -> dict[str, Product]:
    """Every product by name, for these Kubernetes releases; the tools of `default` get the plain names in bin/."""
    products: dict[str, Product] = {}

    def add(product: Product) -> None:
        products[product.name] = product

    for product in (*_tools(go), *_node_software(go), *kubeflow.products(go), signing_key()):
        add(product)
    packages = ("iptables", "nftables", "conntrack", "iproute2", "busybox-static")
    for architecture in ("amd64", "arm64"):
        add(debian_layer(product_of("layer-net{arch}", architecture), LAYER_RELEASE, architecture, packages))
        add(
            go_product(
                product_of("pause{arch}", architecture),
                SOFTWARE / "pause",
                {"bramble.kube/lab/pause": "pause"},
                go=go,
                architecture=architecture,
                seconds=3,
            )
        )
    for series in sorted({ETCD[minor(version)] for version in kubernetes}):
        add(_etcd(series, go, "amd64", link=series == ETCD[minor(default)]))
        add(_etcd(series, go, "arm64", link=False))
    for version in kubernetes:
        for product in _kubernetes(version, go, default=version == default):
            add(product)
    for product in (*_docker_packages(), *_network_images()):
        add(product)
    return products


def _tools(go: str) -> list[Product]:
    """What the lab itself runs."""
    return [
        go_product(
            "crane",
            MODULES / "crane",
            {"github.com/google/go-containerregistry/cmd/crane": "crane"},
            go=go,
            links={"bin/crane": "crane"},
            seconds=15,
        ),
        go_product(
            "registry",
            MODULES / "registry",
            {"github.com/distribution/distribution/v3/cmd/registry": "registry"},
            go=go,
            links={"bin/registry": "registry"},
            seconds=90,
        ),
        go_product("ko", MODULES / "ko", {"github.com/google/ko": "ko"}, go=go, links={"bin/ko": "ko"}, seconds=60),
    ]


def _etcd(series: str, go: str, architecture: str, link: bool) -> Product:
    packages = {
        "go.etcd.io/etcd/server/v3": "etcd",
        "go.etcd.io/etcd/etcdctl/v3": "etcdctl",
        "go.etcd.io/etcd/etcdutl/v3": "etcdutl",
    }
    links = {f"bin/{program}": program for program in packages.values()} if link else {}
    return go_product(
        product_of(f"etcd-{series}{{arch}}", architecture),
        MODULES / f"etcd-{series}",
        packages,
        go=go,
        architecture=architecture,
        links=links,
        seconds=45,
    )


def _node_software(go: str) -> list[Product]:
    """Container runtime, engine and network programs of a node."""
    containerd = "github.com/containerd/containerd/v2"
    moby = "github.com/moby/moby/v2"
    cli = "github.com/docker/cli"
    plugins = "github.com/containernetworking/plugins"
    flannel = "github.com/flannel-io/flannel"
    docker_version = version_of("docker-cli", cli)
    build_time = "2026-01-01T00:00:00.000000000+00:00"
    cni = {
        "main": ("bridge", "dummy", "host-device", "ipvlan", "loopback", "macvlan", "ptp", "tap", "vlan"),
        "ipam": ("dhcp", "host-local", "static"),
        "meta": ("bandwidth", "firewall", "portmap", "sbr", "tuning", "vrf"),
    }

    def buildversion(folder: str) -> str:
        return f"-X {plugins}/pkg/utils/buildversion.BuildVersion=v{version_of(folder, plugins)}"

    made = [
        go_product(
            name,
            MODULES / name,
            {f"{containerd}/cmd/{p}": p for p in ("containerd", "containerd-shim-runc-v2", "ctr")},
            go=go,
            ldflags=f"-X {containerd}/version.Version=v{version_of(name, containerd)}",
            files={"containerd.service": f"{containerd}:containerd.service"},
            seconds=60,
            outputs={"version": ("containerd", "--version")},
        )
        for name in ("containerd", "containerd-earlier")
    ]
    made += [
        # runc enters namespaces in C before Go runs, and filters system calls by libseccomp.
        go_product(
            "runc",
            MODULES / "runc",
            {"github.com/opencontainers/runc": "runc"},
            go=go,
            cgo=True,
            tags="seccomp netgo osusergo",
            seconds=15,
            outputs={"version": ("runc", "--version")},
        ),
        go_product(
            "docker-engine",
            MODULES / "docker-engine",
            {f"{moby}/cmd/{p}": p for p in ("dockerd", "docker-proxy")},
            go=go,
            cgo=True,
            tags="netgo osusergo no_systemd exclude_graphdriver_btrfs",
            ldflags=f"-X {moby}/dockerversion.Version={docker_version} -X {moby}/dockerversion.BuildTime={build_time}"
            f" -X {moby}/dockerversion.GitCommit=v{version_of('docker-engine', moby)}",
            files={f"docker.{kind}": f"{moby}:contrib/init/systemd/docker.{kind}" for kind in ("service", "socket")},
            seconds=130,
            outputs={"version": ("dockerd", "--version")},
        ),
        go_product(
            "docker-cli",
            MODULES / "docker-cli",
            {f"{cli}/cmd/docker": "docker"},
            go=go,
            tags="osusergo",
            # Docker's client has no go.mod, so that Go takes it for a program of Go 1.16; its vendor.mod says 1.26.
            gcflags=f"{cli}/...=-lang=go1.26",
            ldflags=f"-X {cli}/cli/version.Version={docker_version} -X {cli}/cli/version.BuildTime={build_time}"
            f" -X {cli}/cli/version.GitCommit=v{docker_version}",
            seconds=40,
            outputs={"version": ("docker", "--version")},
        ),
        # Programs in a folder of their own: the package takes the whole folder.
        go_product(
            "cni-plugins",
            MODULES / "cni-plugins",
            {f"{plugins}/plugins/{kind}/{name}": f"bin/{name}" for kind, names in cni.items() for name in names},
            go=go,
            ldflags=buildversion("cni-plugins"),
            seconds=15,
        ),
        go_product(
            "flannel",
            MODULES / "flannel",
            {flannel: "flanneld", f"{flannel}/cmd/install_conf": "install-conf"},
            go=go,
            cgo=True,
            tags="netgo osusergo",
            ldflags=f"-X {flannel}/pkg/version.Version=v{version_of('flannel', flannel)}",
            files={
                "mk-docker-opts.sh": f"{flannel}:dist/mk-docker-opts.sh",
                "kube-flannel.yml": f"{flannel}:Documentation/kube-flannel.yml",
            },
            seconds=40,
        ),
        go_product(
            "coredns",
            MODULES / "coredns",
            {"github.com/coredns/coredns": "coredns"},
            go=go,
            seconds=85,
            outputs={"version": ("coredns", "-version")},
        ),
    ]
    for architecture in ("amd64", "arm64"):
        made.append(
            go_product(
                product_of("cni-flannel{arch}", architecture),
                MODULES / "cni-flannel",
                {f"{plugins}/plugins/meta/flannel": "flannel"},
                go=go,
                architecture=architecture,
                ldflags=buildversion("cni-flannel"),
                seconds=8,
            )
        )
    return made


def _kubernetes(version: str, go: str, default: bool) -> list[Product]:
    """Programs, packages, repository and images of one Kubernetes release."""
    module = "k8s.io/kubernetes"
    name = f"kubernetes-{version}"
    folder = MODULES / name
    about = "k8s.io/component-base/version"
    ldflags = " ".join(
        f"-X {about}.{variable}={value}"
        for variable, value in {
            "gitVersion": f"v{version}",
            "gitMajor": version.split(".")[0],
            "gitMinor": version.split(".")[1],
            "gitTreeState": "clean",
            "buildDate": "2026-01-01T00:00:00Z",
        }.items()
    )
    links = {f"bin/{version}/{program}": program for program in (*BINARIES, "agnhost")}
    if default:
        links |= {f"bin/{program}": program for program in (*BINARIES, "agnhost")}
    etcd = ETCD[minor(version)]
    made = [
        go_product(
            name,
            folder,
            {**{f"{module}/cmd/{p}": p for p in BINARIES}, f"{module}/test/images/agnhost": "agnhost"},
            go=go,
            ldflags=ldflags,
            files={"agnhost-version": f"{module}:test/images/agnhost/VERSION"},
            links=links,
            seconds=400,
            outputs={"images": ("kubeadm", "config", "images", "list", "--kubernetes-version", f"v{version}")},
        ),
        debs_product(
            f"debs-{name}",
            (
                Deb("kubeadm", f"{version}-1.1", {"usr/bin/kubeadm": f"{name}:kubeadm"}),
                Deb("kubelet", f"{version}-1.1", {"usr/bin/kubelet": f"{name}:kubelet"}),
                Deb("kubectl", f"{version}-1.1", {"usr/bin/kubectl": f"{name}:kubectl"}),
            ),
        ),
        flat_repository(
            f"apt-{name}",
            f"core:/stable:/v{minor(version)}/deb",
            (f"debs-{name}", "debs-kubernetes-cni"),
            f"isv:kubernetes:core:stable:v{minor(version)}",
        ),
    ]

    def listed(image: str, tag_begins: str = "") -> callable:
        """The name that this release's kubeadm gives to an image."""

        def read(work: Work) -> str:
            for line in work.file(f"{name}:images").read_text(encoding="utf-8").split():
                if re.search(rf"/{image}:{re.escape(tag_begins)}", line):
                    return line
            raise BuildError(
                f"kubeadm {version} lists no image {image}:{tag_begins}*; see the table ETCD in products.py"
            )

        return read

    def image(short: str, **values: object) -> None:
        made.append(image_product(Image(name=f"image-{short}-{version}", needs=(name,), **values)))

    for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        image(
            component,
            reference=listed(component),
            programs={f"/usr/local/bin/{component}": f"{name}:{component}"},
            entrypoint=(f"/usr/local/bin/{component}",),
        )
    image(
        "kube-proxy",
        reference=listed("kube-proxy"),
        bases=("layer-net",),
        programs={"/usr/local/bin/kube-proxy": f"{name}:kube-proxy"},
        entrypoint=("/usr/local/bin/kube-proxy",),
    )
    image(
        "coredns",
        reference=listed("coredns"),
        programs={"/coredns": "coredns:coredns"},
        entrypoint=("/coredns",),
        user="65532:65532",
        capabilities={"/coredns": "net_bind_service"},
    )
    image(
        "pause",
        reference=listed("pause"),
        programs={"/pause": "pause{arch}:pause"},
        entrypoint=("/pause",),
        user="65535:65535",
        architectures=("amd64", "arm64"),
    )
    image(
        "etcd",
        reference=listed("etcd", f"{etcd}."),
        programs={f"/usr/local/bin/{p}": f"etcd-{etcd}{{arch}}:{p}" for p in ("etcd", "etcdctl", "etcdutl")},
        entrypoint=("/usr/local/bin/etcd",),
        architectures=("amd64", "arm64"),
    )
    image(
        "agnhost",
        reference=lambda work: (
            "registry.k8s.io/e2e-test-images/agnhost:"
            + work.file(f"{name}:agnhost-version").read_text(encoding="utf-8").strip()
        ),
        bases=("layer-net",),
        programs={"/agnhost": f"{name}:agnhost"},
        links={"/agnhost-2": "agnhost"},
        entrypoint=("/agnhost",),
        command=("pause",),
    )
    return made


def _docker_packages() -> list[Product]:
    """kubernetes-cni for the Kubernetes repositories; Docker's packages and repository for each Debian release."""
    cni = version_of("cni-plugins", "github.com/containernetworking/plugins")
    made = [
        debs_product("debs-kubernetes-cni", (Deb("kubernetes-cni", f"{cni}-1.1", {"opt/cni/bin": "cni-plugins:bin"}),))
    ]
    for codename, number in DEBIAN.items():
        build = f"1~debian.{number}~{codename}"
        made.append(debs_product(f"debs-docker-{codename}", _docker_debs("containerd", build), seconds=12))
    suites = {codename: f"debs-docker-{codename}" for codename in DEBIAN}
    made.append(pool_repository("apt-docker", "linux/debian", suites, "stable", "Docker", "Docker CE"))
    # Of the engine there is one version, so its earlier package is an earlier revision of the same programs.
    earlier = _docker_debs("containerd-earlier", "0~debian.13~trixie")
    made.append(debs_product("debs-docker-earlier", earlier, seconds=12))
    suites = {"trixie": "debs-docker-earlier"}
    made.append(pool_repository("apt-docker-earlier", "earlier/linux/debian", suites, "stable", "Docker", "Docker CE"))
    return made


def _docker_debs(runtime: str, build: str) -> tuple[Deb, ...]:
    """Docker's packages with the containerd of the product `runtime`; build: what follows upstream's version."""
    containerd = version_of(runtime, "github.com/containerd/containerd/v2")
    docker = version_of("docker-cli", "github.com/docker/cli")
    units = "usr/lib/systemd/system"
    unit = f"{units}/containerd.service"
    return (
        Deb(
            "containerd.io",
            f"{containerd}-{build}",
            {
                **{f"usr/bin/{p}": f"{runtime}:{p}" for p in ("containerd", "containerd-shim-runc-v2", "ctr")},
                "usr/bin/runc": "runc:runc",
                unit: f"{runtime}:containerd.service",
            },
            replace={unit: {"/usr/local/bin/containerd": "/usr/bin/containerd"}},
        ),
        Deb(
            "docker-ce",
            f"5:{docker}-{build}",
            {
                **{f"usr/bin/{p}": f"docker-engine:{p}" for p in ("dockerd", "docker-proxy")},
                **{f"{units}/docker.{k}": f"docker-engine:docker.{k}" for k in ("service", "socket")},
            },
        ),
        Deb("docker-ce-cli", f"5:{docker}-{build}", {"usr/bin/docker": "docker-cli:docker"}),
    )


def _network_images() -> list[Product]:
    """Images that no Kubernetes release names."""
    flannel = version_of("flannel", "github.com/flannel-io/flannel")

    def busybox(work: Work) -> str:
        packages = work.file("layer-net:packages").read_text(encoding="utf-8")
        return "docker.io/library/busybox:" + re.search(
            r"^busybox-static_(?:\d+%3a)?(\d+\.\d+)", packages, re.MULTILINE
        ).group(1)

    def plugin_reference(work: Work) -> str:
        """The tag that flannel's own manifest names, so that this manifest finds it."""
        manifest = work.file("flannel:kube-flannel.yml").read_text(encoding="utf-8")
        found = re.search(r"image: (ghcr\.io/flannel-io/flannel-cni-plugin:\S+)", manifest)
        if not found:
            raise BuildError(f"flannel {flannel}'s manifest names no flannel-cni-plugin image")
        asked = re.search(r'"cniVersion": "([\d.]+)"', manifest).group(1)
        spoken = work.run("env", "CNI_COMMAND=VERSION", "CNI_PATH=/", work.file("cni-flannel:flannel"))
        if asked not in json.loads(spoken)["supportedVersions"]:
            raise BuildError(
                f"flannel {flannel}'s manifest asks for CNI {asked}, which modules/cni-flannel does not speak"
            )
        return found.group(1)

    return [
        image_product(
            Image(
                name="image-flannel",
                reference=f"ghcr.io/flannel-io/flannel:v{flannel}",
                bases=("layer-net",),
                programs={
                    "/opt/bin/flanneld": "flannel:flanneld",
                    "/opt/bin/install-conf": "flannel:install-conf",
                    "/opt/bin/mk-docker-opts.sh": "flannel:mk-docker-opts.sh",
                },
                entrypoint=("/opt/bin/flanneld",),
            )
        ),
        image_product(
            Image(
                name="image-flannel-cni-plugin",
                reference=plugin_reference,
                needs=("flannel",),
                bases=("layer-net{arch}",),
                programs={"/flannel": "cni-flannel{arch}:flannel"},
                architectures=("amd64", "arm64"),
            )
        ),
        *(
            image_product(
                Image(
                    name=name,
                    reference=reference,
                    needs=("layer-net",),
                    programs={"/bin/busybox": "layer-net{arch}:busybox"},
                    architectures=("amd64", "arm64"),
                    links={f"/bin/{applet}": "busybox" for applet in APPLETS},
                    command=("sh",),
                )
            )
            # The second is what manifests get that name no tag, such as local-path-provisioner's.
            for name, reference in (
                ("image-busybox", busybox),
                ("image-busybox-latest", "docker.io/library/busybox:latest"),
            )
        ),
    ]


def wanted(products: Mapping[str, Product]) -> list[str]:
    """What is built when nobody asks for anything in particular: all but what is on demand."""
    return [name for name in products if name not in ON_DEMAND]
