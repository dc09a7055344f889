"""The table of what is built. Versions stand in `modules/*/go.mod` and nowhere else."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from labsoftware import kubeflow
from labsoftware.aptrepo import flat_repository, pool_repository, signing_key
from labsoftware.debs import Deb, debs_product
from labsoftware.golang import MODULES, SOFTWARE, go_product, version_of
from labsoftware.images import APPLETS, Image, debian_layer, image_product, product_of
from labsoftware.product import BuildError, Product, Work

sys.path.append(str(Path(__file__).resolve().parents[3] / "plugins/module_utils/common"))
from os_releases import RELEASES

DEBIAN = {release.codename: release.version for release in reversed(RELEASES) if release.kind == "debian"}
LAYER_RELEASE = "trixie"
# In packages; the others are in images.
PACKAGED = ("kubeadm", "kubelet", "kubectl")
BINARIES = (
    *PACKAGED,
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
)
# The etcd that each minor release of Kubernetes comes with; kubeadm's own table must agree when the image is made.
ETCD = {"1.35": "3.6", "1.36": "3.6", "1.37": "3.7"}
# Docker's repository as it was some time ago, with an older containerd: from it a Pi is set up that is upgraded later.
EARLIER = ("containerd-earlier", "debs-docker-earlier", "apt-docker-earlier")
# For the tests that use them, not for the demo: compiled from libraries of their own, each is a tenth of all work.
METRICS = ("metrics-server", "image-metrics-server", "manifests-metrics-server")
INGRESS = ("lego", "traefik", "image-traefik")
WORKFLOWS = ("argo-workflows-source", "argo-workflows", "image-workflow-controller", "image-argoexec")
ADDRESSES = ("metallb", "image-metallb-controller", "image-metallb-speaker")
POLICIES = ("kube-router", "layer-policies", "image-kube-router")
# The newest containerd, by which a test has the configuration read that the role docker writes
NEWEST = ("containerd-newest",)
# For molecule loop: a serving image with another scikit-learn
SCIKIT_LEARN = ("layer-scikit-learn", "image-scikit-learn")
# Built only when asked for by name; so are programs and packages for arm64, but for those that an image needs.
ON_DEMAND = ("ko", *METRICS, *INGRESS, *WORKFLOWS, *ADDRESSES, *POLICIES, *EARLIER, *NEWEST, *SCIKIT_LEARN)


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

    for product in (*_tools(go), *_network_software(go), *kubeflow.products(go), signing_key()):
        add(product)
    packages = ("iptables", "nftables", "conntrack", "iproute2", "busybox-static")
    for architecture in ("amd64", "arm64"):
        for product in (*_node_software(go, architecture), *_docker_packages(architecture)):
            add(product)
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
        add(_etcd(series, go, link=series == ETCD[minor(default)]))
    for version in kubernetes:
        for product in (*_kubernetes(version, go, default=version == default), *_kubernetes_arm64(version, go)):
            add(product)
    for product in _network_images():
        add(product)
    return products


def _tools(go: str) -> list[Product]:
    """What the lab itself runs."""
    distribution = "github.com/distribution/distribution/v3"
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
            {f"{distribution}/cmd/registry": "registry"},
            go=go,
            links={"bin/registry": "registry"},
            without={
                f"{distribution}:cmd/registry/main.go": [
                    f"{distribution}/registry/storage/driver/{driver}"
                    for driver in ("azure", "gcs", "s3-aws", "middleware/cloudfront")
                ]
            },
            seconds=40,
        ),
        go_product("ko", MODULES / "ko", {"github.com/google/ko": "ko"}, go=go, links={"bin/ko": "ko"}, seconds=60),
    ]


def _etcd(series: str, go: str, link: bool) -> Product:
    packages = {
        "go.etcd.io/etcd/server/v3": "etcd",
        "go.etcd.io/etcd/etcdctl/v3": "etcdctl",
        "go.etcd.io/etcd/etcdutl/v3": "etcdutl",
    }
    links = {f"bin/{program}": program for program in packages.values()} if link else {}
    return go_product(
        f"etcd-{series}",
        MODULES / f"etcd-{series}",
        packages,
        go=go,
        links=links,
        seconds=45,
    )


def _node_software(go: str, architecture: str) -> list[Product]:
    """What a node's packages are made of. Programs for another machine cannot be asked for their version here."""
    containerd = "github.com/containerd/containerd/v2"
    moby = "github.com/moby/moby/v2"
    cli = "github.com/docker/cli"
    plugins = "github.com/containernetworking/plugins"
    docker_version = version_of("docker-cli", cli)
    build_time = "2026-01-01T00:00:00.000000000+00:00"
    cni = {
        "main": ("bridge", "dummy", "host-device", "ipvlan", "loopback", "macvlan", "ptp", "tap", "vlan"),
        "ipam": ("dhcp", "host-local", "static"),
        "meta": ("bandwidth", "firewall", "portmap", "sbr", "tuning", "vrf"),
    }

    def product(folder: str, packages: Mapping[str, str], *, told: Sequence[str] = (), **values: object) -> Product:
        return go_product(
            product_of(f"{folder}{{arch}}", architecture),
            MODULES / folder,
            packages,
            go=go,
            architecture=architecture,
            outputs={"version": told} if told and architecture == "amd64" else {},
            **values,
        )

    return [
        *(
            product(
                name,
                {f"{containerd}/cmd/{p}": p for p in programs},
                ldflags=f"-X {containerd}/version.Version=v{version_of(name, containerd)}",
                files={"containerd.service": f"{containerd}:containerd.service"} if len(programs) > 1 else {},
                seconds=60,
                told=("containerd", "--version"),
                links={f"bin/{name}": "containerd"} if architecture == "amd64" else {},
            )
            for name, programs in (
                ("containerd", ("containerd", "containerd-shim-runc-v2", "ctr")),
                ("containerd-earlier", ("containerd", "containerd-shim-runc-v2", "ctr")),
                ("containerd-newest", ("containerd",)),
            )
            if architecture == "amd64" or name == "containerd"
        ),
        # runc enters namespaces in C before Go runs, and filters system calls by libseccomp, of which there is only the
        # machine's own: runc for arm64 does not filter.
        product(
            "runc",
            {"github.com/opencontainers/runc": "runc"},
            cgo=True,
            tags="seccomp netgo osusergo" if architecture == "amd64" else "netgo osusergo",
            seconds=15,
            told=("runc", "--version"),
        ),
        product(
            "docker-engine",
            {f"{moby}/cmd/{p}": p for p in ("dockerd", "docker-proxy")},
            tags="no_systemd exclude_graphdriver_btrfs",
            ldflags=f"-X {moby}/dockerversion.Version={docker_version} -X {moby}/dockerversion.BuildTime={build_time}"
            f" -X {moby}/dockerversion.GitCommit=v{version_of('docker-engine', moby)}",
            files={f"docker.{kind}": f"{moby}:contrib/init/systemd/docker.{kind}" for kind in ("service", "socket")},
            without={
                f"{moby}:daemon/logdrivers_linux.go": [
                    f"{moby}/daemon/logger/{cloud}" for cloud in ("awslogs", "gcplogs")
                ]
            },
            seconds=150,
            told=("dockerd", "--version"),
        ),
        product(
            "docker-cli",
            {f"{cli}/cmd/docker": "docker"},
            tags="osusergo",
            # Docker's client has no go.mod, so that Go takes it for a program of Go 1.16; its vendor.mod says 1.26.
            gcflags=f"{cli}/...=-lang=go1.26",
            ldflags=f"-X {cli}/cli/version.Version={docker_version} -X {cli}/cli/version.BuildTime={build_time}"
            f" -X {cli}/cli/version.GitCommit=v{docker_version}",
            seconds=40,
            told=("docker", "--version"),
        ),
        # Programs in a folder of their own: the package takes the whole folder.
        product(
            "cni-plugins",
            {f"{plugins}/plugins/{kind}/{name}": f"bin/{name}" for kind, names in cni.items() for name in names},
            ldflags=_cni_version("cni-plugins"),
            seconds=15,
        ),
    ]


def _cni_version(folder: str) -> str:
    """The linker's flag by which CNI plugins know their version."""
    plugins = "github.com/containernetworking/plugins"
    return f"-X {plugins}/pkg/utils/buildversion.BuildVersion=v{version_of(folder, plugins)}"


def _network_software(go: str) -> list[Product]:
    """What a cluster's network images are made of."""
    plugins = "github.com/containernetworking/plugins"
    flannel = "github.com/flannel-io/flannel"
    coredns = "github.com/coredns/coredns"
    router = "github.com/cloudnativelabs/kube-router/v2"
    made = [
        go_product(
            "flannel",
            MODULES / "flannel",
            {flannel: "flanneld", f"{flannel}/cmd/install_conf": "install-conf"},
            go=go,
            # Its backend udp is C, and would have all of Go's and Kubernetes' libraries compiled another time.
            without={f"{flannel}:main.go": [f"{flannel}/pkg/backend/udp"]},
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
            {coredns: "coredns"},
            go=go,
            without={
                f"{coredns}:core/plugin/zplugin.go": [
                    f"{coredns}/plugin/{p}" for p in ("azure", "clouddns", "route53", "trace")
                ]
            },
            seconds=60,
            outputs={"version": ("coredns", "-version")},
        ),
        go_product(
            "kube-router",
            MODULES / "kube-router",
            {f"{router}/cmd/kube-router": "kube-router"},
            go=go,
            ldflags=f"-X {router}/pkg/version.Version=v{version_of('kube-router', router)}",
            seconds=120,
        ),
        debian_layer("layer-policies", LAYER_RELEASE, "amd64", ("iptables", "ipset", "iproute2", "busybox-static")),
    ]
    for architecture in ("amd64", "arm64"):
        made.append(
            go_product(
                product_of("cni-flannel{arch}", architecture),
                MODULES / "cni-flannel",
                {f"{plugins}/plugins/meta/flannel": "flannel"},
                go=go,
                architecture=architecture,
                ldflags=_cni_version("cni-flannel"),
                seconds=8,
            )
        )
    return made


def _kubernetes_programs(
    version: str, go: str, architecture: str, programs: Sequence[str], **values: object
) -> Product:
    """Programs of one Kubernetes release."""
    module = "k8s.io/kubernetes"
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
    return go_product(
        product_of(f"kubernetes-{version}{{arch}}", architecture),
        MODULES / f"kubernetes-{version}",
        {f"{module}/{'test/images' if p == 'agnhost' else 'cmd'}/{p}": p for p in programs},
        go=go,
        architecture=architecture,
        ldflags=ldflags,
        seconds=400,
        **values,
    )


def _kubernetes_packages(version: str, architecture: str) -> list[Product]:
    """The packages of one Kubernetes release, and their repository."""
    programs, debs, cni, repository = (
        product_of(f"{name}{{arch}}", architecture)
        for name in (
            f"kubernetes-{version}",
            f"debs-kubernetes-{version}",
            "debs-kubernetes-cni",
            f"apt-kubernetes-{version}",
        )
    )
    return [
        debs_product(
            debs,
            tuple(
                Deb(name, f"{version}-1.1", {f"usr/bin/{name}": f"{programs}:{name}"}, architecture=architecture)
                for name in PACKAGED
            ),
        ),
        flat_repository(
            repository,
            path_of(f"core:/stable:/v{minor(version)}/deb", architecture),
            (debs, cni),
            f"isv:kubernetes:core:stable:v{minor(version)}",
            architecture,
        ),
    ]


def _kubernetes_arm64(version: str, go: str) -> list[Product]:
    """What Pis of the architecture that real ones have install of one Kubernetes release; they start nothing of it."""
    return [_kubernetes_programs(version, go, "arm64", PACKAGED), *_kubernetes_packages(version, "arm64")]


def _kubernetes(version: str, go: str, default: bool) -> list[Product]:
    """Programs, packages, repository and images of one Kubernetes release."""
    module = "k8s.io/kubernetes"
    name = f"kubernetes-{version}"
    links = {f"bin/{version}/{program}": program for program in (*BINARIES, "agnhost")}
    if default:
        links |= {f"bin/{program}": program for program in (*BINARIES, "agnhost")}
    etcd = ETCD[minor(version)]
    made = [
        _kubernetes_programs(
            version,
            go,
            "amd64",
            (*BINARIES, "agnhost"),
            files={"agnhost-version": f"{module}:test/images/agnhost/VERSION"},
            links=links,
            outputs={"images": ("kubeadm", "config", "images", "list", "--kubernetes-version", f"v{version}")},
        ),
        *_kubernetes_packages(version, "amd64"),
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
        programs={f"/usr/local/bin/{p}": f"etcd-{etcd}:{p}" for p in ("etcd", "etcdctl", "etcdutl")},
        entrypoint=("/usr/local/bin/etcd",),
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


def _docker_packages(architecture: str) -> list[Product]:
    """kubernetes-cni for the Kubernetes repositories; Docker's packages and repository for each Debian release."""

    def name_of(name: str) -> str:
        return product_of(f"{name}{{arch}}", architecture)

    def repository(name: str, path: str, suites: Mapping[str, str]) -> Product:
        place = path_of(path, architecture)
        return pool_repository(name_of(name), place, suites, "stable", "Docker", "Docker CE", architecture)

    def packages(name: str, runtime: str, build: str) -> Product:
        return debs_product(name_of(name), _docker_debs(runtime, build, architecture), seconds=12)

    cni = Deb(
        "kubernetes-cni",
        f"{version_of('cni-plugins', 'github.com/containernetworking/plugins')}-1.1",
        {"opt/cni/bin": f"{name_of('cni-plugins')}:bin"},
        architecture=architecture,
    )
    made = [debs_product(name_of("debs-kubernetes-cni"), (cni,))]
    for codename, number in DEBIAN.items():
        made.append(packages(f"debs-docker-{codename}", "containerd", f"1~debian.{number}~{codename}"))
    suites = {codename: name_of(f"debs-docker-{codename}") for codename in DEBIAN}
    made.append(repository("apt-docker", "linux/debian", suites))
    if architecture == "amd64":
        # Of the engine there is one version, so its earlier package is an earlier revision of the same programs.
        made.append(packages("debs-docker-earlier", "containerd-earlier", "0~debian.13~trixie"))
        made.append(repository("apt-docker-earlier", "earlier/linux/debian", {"trixie": "debs-docker-earlier"}))
    return made


def path_of(path: str, architecture: str) -> str:
    """Where a repository is served. Packages for arm64 lie apart, because they are made on demand alone."""
    return path if architecture == "amd64" else f"{architecture}/{path}"


def _docker_debs(runtime: str, build: str, architecture: str) -> tuple[Deb, ...]:
    """Docker's packages with the containerd of the product `runtime`; build: what follows upstream's version."""
    containerd = version_of(runtime, "github.com/containerd/containerd/v2")
    docker = version_of("docker-cli", "github.com/docker/cli")
    made, runc, engine, client = (
        product_of(f"{name}{{arch}}", architecture) for name in (runtime, "runc", "docker-engine", "docker-cli")
    )
    units = "usr/lib/systemd/system"
    unit = f"{units}/containerd.service"
    return (
        Deb(
            "containerd.io",
            f"{containerd}-{build}",
            {
                **{f"usr/bin/{p}": f"{made}:{p}" for p in ("containerd", "containerd-shim-runc-v2", "ctr")},
                "usr/bin/runc": f"{runc}:runc",
                unit: f"{made}:containerd.service",
            },
            replace={unit: {"/usr/local/bin/containerd": "/usr/bin/containerd"}},
            architecture=architecture,
        ),
        Deb(
            "docker-ce",
            f"5:{docker}-{build}",
            {
                **{f"usr/bin/{p}": f"{engine}:{p}" for p in ("dockerd", "docker-proxy")},
                **{f"{units}/docker.{k}": f"{engine}:docker.{k}" for k in ("service", "socket")},
            },
            architecture=architecture,
        ),
        Deb(
            "docker-ce-cli",
            f"5:{docker}-{build}",
            {"usr/bin/docker": f"{client}:docker"},
            architecture=architecture,
        ),
    )


def _network_images() -> list[Product]:
    """Images that no Kubernetes release names."""
    flannel = version_of("flannel", "github.com/flannel-io/flannel")
    router = version_of("kube-router", "github.com/cloudnativelabs/kube-router/v2")

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
                name="image-kube-router",
                reference=f"docker.io/cloudnativelabs/kube-router:v{router}",
                bases=("layer-policies",),
                programs={"/usr/local/bin/kube-router": "kube-router:kube-router"},
                entrypoint=("/usr/local/bin/kube-router",),
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
    return [name for name in products if name not in ON_DEMAND and not name.endswith("-arm64")]
