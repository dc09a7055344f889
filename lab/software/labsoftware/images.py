"""Container images: layers from built programs, put together by crane into the storage of the lab's registry."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
import os
import re
import socket
import stat
import subprocess
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from labsoftware.cache import Cache
from labsoftware.product import BuildError, Product, Work

HERE = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Image:
    """What is in one image.

    reference: 'registry.k8s.io/pause:3.10.2', or a function of the work that reads it from something built.
    bases: products with a layer.tar.gz for each platform, lowest first; `{arch}` in them is filled in.
    programs: path in the image -> 'product:file', `{arch}` in the product's name is filled in.
    texts: path in the image -> content of a small file.
    architectures: more than one make an image index.
    capabilities: program -> Linux capability that it gets without being root.
    """

    name: str
    reference: str | Callable[[Work], str]
    programs: Mapping[str, str]
    needs: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    workdir: str = "/"
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    links: Mapping[str, str] = dataclasses.field(default_factory=dict)
    capabilities: Mapping[str, str] = dataclasses.field(default_factory=dict)
    architectures: tuple[str, ...] = ("amd64",)


def product_of(pattern: str, architecture: str) -> str:
    """'kubernetes-1.37.2{arch}' -> 'kubernetes-1.37.2' for amd64, 'kubernetes-1.37.2-arm64' for arm64."""
    return pattern.replace("{arch}", "" if architecture == "amd64" else f"-{architecture}")


def repository_and_tag(reference: str) -> tuple[str, str]:
    """Path without the registry's host, as a pull-through mirror has it, and the tag.

    >>> repository_and_tag("docker.io/kubeflow/training-operator:v1")
    ('kubeflow/training-operator', 'v1')
    """
    found = re.fullmatch(r"[a-z0-9.-]+(?::\d+)?/([a-z0-9._/-]+):([A-Za-z0-9_][\w.-]{0,127})", reference)
    if not found:
        raise BuildError(f"{reference!r} is no image reference of the form registry/repository:tag")
    return found.group(1), found.group(2)


# struct vfs_cap_data of capabilities(7), revision 2, effective: what setcap(8) writes, without needing its privilege.
_CAPABILITY_NUMBER = {"net_bind_service": 10}


def _capability_record(capability: str) -> str:
    permitted = 1 << _CAPABILITY_NUMBER[capability]
    return (0x02000001).to_bytes(4, "little").decode() + permitted.to_bytes(4, "little").decode() + "\0" * 12


def write_layer(
    target: Path,
    files: Mapping[str, Path],
    links: Mapping[str, str] | None = None,
    capabilities: Mapping[str, str] | None = None,
) -> None:
    """A layer that is the same, byte by byte, for the same content: root's files at the beginning of time."""
    entries: dict[str, Path | str] = {**files, **(links or {})}
    folders = sorted({str(parent) for path in entries for parent in Path(path.lstrip("/")).parents} - {"."})
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(target.open("wb"))
        packed = stack.enter_context(gzip.GzipFile("", "wb", 1, raw, 0))
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for folder in folders:
                info = tarfile.TarInfo(folder)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            for path, source in sorted(entries.items()):
                info = tarfile.TarInfo(path.lstrip("/"))
                if isinstance(source, str):
                    info.type, info.linkname, info.mode = tarfile.SYMTYPE, source, 0o777
                    tar.addfile(info)
                    continue
                info.size = source.stat().st_size
                info.mode = 0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644
                if path in (capabilities or {}):
                    info.pax_headers = {"SCHILY.xattr.security.capability": _capability_record(capabilities[path])}
                with source.open("rb") as data:
                    tar.addfile(info, data)


class LocalRegistry:
    """A registry on a loopback address that lasts as long as the build and writes the storage that the lab serves."""

    _lock = threading.Lock()
    _process: subprocess.Popen[bytes] | None = None
    _address = ""

    @classmethod
    def address(cls, program: Path, storage: Path, log: Path) -> str:
        """Start it at the first call; its address."""
        with cls._lock:
            if cls._process is None:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", 0))
                    cls._address = f"127.0.0.1:{probe.getsockname()[1]}"
                storage.mkdir(parents=True, exist_ok=True)
                configuration = log.with_suffix(".yml")
                settings = {
                    "version": 0.1,
                    "log": {"level": "warn"},
                    "storage": {"filesystem": {"rootdirectory": str(storage)}},
                    "http": {"addr": cls._address},
                }
                configuration.write_text(json.dumps(settings), encoding="utf-8")
                with log.open("wb") as output:
                    cls._process = subprocess.Popen(
                        [program, "serve", configuration],
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                        env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
                    )
                cls._wait(log)
            return cls._address

    @classmethod
    def _wait(cls, log: Path) -> None:
        for _ in range(100):
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"http://{cls._address}/v2/", timeout=2).close()
                return
            if cls._process is None or cls._process.poll() is not None:
                break
            time.sleep(0.1)
        raise BuildError(f"the registry did not start; its log is {log}")

    @classmethod
    def stop(cls) -> None:
        with cls._lock:
            if cls._process is not None:
                cls._process.terminate()
                cls._process.wait(timeout=20)
                cls._process = None


def tag_link(storage: Path, reference: str) -> Path:
    """The file in a registry's storage that says what a tag points to (distribution's storage layout)."""
    repository, tag = repository_and_tag(reference)
    return storage / f"docker/registry/v2/repositories/{repository}/_manifests/tags/{tag}/current/link"


def image_product(image: Image, seconds: int = 5) -> Product:
    """Pushes one image; its folder holds the reference and the digest, `published` compares them with the storage."""

    def build(work: Work) -> None:
        reference = image.reference if isinstance(image.reference, str) else image.reference(work)
        repository, tag = repository_and_tag(reference)
        crane = work.file("crane:crane")
        registry = LocalRegistry.address(
            work.file("registry:registry"), work.cache.registry, work.cache.logs / "registry.log"
        )
        target = f"{registry}/{repository}:{tag}"
        digests = []
        for architecture in image.architectures:
            with work.scratch() as scratch:
                layer = scratch / "layer.tar.gz"
                programs = {
                    path: work.file(product_of(source, architecture)) for path, source in image.programs.items()
                }
                for number, (path, text) in enumerate(image.texts.items()):
                    programs[path] = scratch / f"text-{number}"
                    programs[path].write_text(text, encoding="utf-8")
                write_layer(layer, programs, image.links, image.capabilities)
                below = [work.file(product_of(base, architecture) + ":layer.tar.gz") for base in image.bases]
                layers = [word for path in (*below, layer) for word in ("--new_layer", path)]
                work.run(crane, "append", "--oci-empty-base", *layers, "--new_tag", target)
            settings = ["--set-platform", f"linux/{architecture}", "--workdir", image.workdir]
            settings += ["--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
            settings += [word for name, value in image.environment.items() for word in ("--env", f"{name}={value}")]
            if image.entrypoint:
                settings += ["--entrypoint", ",".join(image.entrypoint)]
            if image.command:
                settings += ["--cmd", ",".join(image.command)]
            if image.user:
                settings += ["--user", image.user]
            work.run(crane, "mutate", target, *settings, "--tag", target)
            digests.append(f"{registry}/{repository}@" + work.run(crane, "digest", target).strip())
        if len(digests) > 1:
            manifests = [word for digest in digests for word in ("--manifest", digest)]
            work.run(crane, "index", "append", *manifests, "--tag", target)
        (work.out / "reference").write_text(reference + "\n", encoding="utf-8")
        (work.out / "digest").write_text(work.run(crane, "digest", target), encoding="utf-8")

    def published(cache: Cache, folder: Path) -> bool:
        link = tag_link(cache.registry, (folder / "reference").read_text(encoding="utf-8").strip())
        return link.exists() and link.read_text().strip() == (folder / "digest").read_text(encoding="utf-8").strip()

    sources = [product_of(s, a).partition(":")[0] for a in image.architectures for s in image.programs.values()]
    sources += [product_of(base, a) for a in image.architectures for base in image.bases]
    fields = {f.name: getattr(image, f.name) for f in dataclasses.fields(image)}
    if not isinstance(image.reference, str):
        fields["reference"] = "read from what was built"
    return Product(
        name=image.name,
        build=build,
        recipe=(repr(sorted(fields.items())),),
        inputs=(HERE / "images.py",),
        needs=tuple(dict.fromkeys(["crane", "registry", *image.needs, *sources])),
        seconds=seconds,
        links={f"images/{image.name.partition('-')[2]}": "reference"},
        published=published,
    )


def pack_layer(work: Work, root: Path) -> None:
    """The tree below `root` as the product's layer.tar.gz: root's files at the beginning of time."""
    tar = ["tar", "--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"]
    packed = root.with_name("layer.tar")
    work.run(*tar, "--directory", root, "--file", packed, ".")
    work.run("gzip", "-1", "--no-name", packed)
    packed.with_name("layer.tar.gz").rename(work.out / "layer.tar.gz")


def debian_layer(name: str, release: str, architecture: str, packages: tuple[str, ...], seconds: int = 25) -> Product:
    """A layer with Debian packages and what they depend on, unpacked and not configured, for any architecture.

    dpkg's triggers and maintainer scripts do not run, so links that they make are made here.
    """
    drop = (
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "usr/share/lintian",
        "usr/share/bug",
        "usr/share/bash-completion",
    )

    def build(work: Work) -> None:
        mirror = os.environ.get("BRAMBLE_LAB_DEBIAN_MIRROR", "http://deb.debian.org/debian")
        with work.scratch() as scratch:
            for folder in ("lists/partial", "archives/partial", "root/usr"):
                (scratch / folder).mkdir(parents=True)
            (scratch / "status").touch()
            keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
            (scratch / "sources.list").write_text(
                f"deb [signed-by={keyring}] {mirror} {release} main\n", encoding="utf-8"
            )
            settings = {
                "APT::Architecture": architecture,
                "APT::Architectures": architecture,
                "APT::Install-Recommends": "false",
                "APT::Sandbox::User": "root",
                "Acquire::Languages": "none",
                "Dir::Cache": scratch,
                "Dir::Cache::archives": scratch / "archives",
                "Dir::State::lists": scratch / "lists",
                "Dir::State::status": scratch / "status",
                "Dir::Etc::sourcelist": scratch / "sources.list",
                "Dir::Etc::sourceparts": "-",
                "Dir::Etc::preferencesparts": "-",
            }
            apt = ["apt-get", "--quiet=2", *(f"-o{setting}={value}" for setting, value in settings.items())]
            work.run(*apt, "update")
            work.run(*apt, "install", "--yes", "--download-only", *packages)
            root = scratch / "root"
            for folder in ("bin", "sbin", "lib", "lib64"):
                (root / "usr" / folder).mkdir()
                (root / folder).symlink_to(f"usr/{folder}")
            for deb in sorted((scratch / "archives").glob("*.deb")):
                work.run("dpkg-deb", "--extract", deb, root)
            for folder in drop:
                work.run("rm", "-rf", root / folder)
            for folder in ("etc", "tmp", "run", "var/lib", "proc", "sys", "dev", "root"):
                (root / folder).mkdir(parents=True, exist_ok=True)
            (root / "tmp").chmod(0o1777)
            (root / "etc/passwd").write_text(
                "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", encoding="utf-8"
            )
            (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n", encoding="utf-8")
            _alternatives(root)
            pack_layer(work, root)
            if (root / "usr/bin/busybox").exists():
                work.run("cp", root / "usr/bin/busybox", work.out / "busybox")
            lines = sorted(deb.name for deb in (scratch / "archives").glob("*.deb"))
            (work.out / "packages").write_text("\n".join(lines) + "\n", encoding="utf-8")

    return Product(
        name=name,
        build=build,
        recipe=(release, architecture, *packages, *drop),
        inputs=(HERE / "images.py",),
        seconds=seconds,
    )


# busybox's programs that a container or a test calls; whatever a package brings itself comes before them.
APPLETS = (  # noqa: SIM905 - a list of sixty lines is no easier to read
    "sh ash cat chmod chown cp cut date dd df dirname du echo env expr false find grep gzip head hostname id kill ln ls"
    " md5sum mkdir mktemp mv nc nslookup od ping printf ps pwd readlink rm rmdir sed seq sha256sum sleep sort stat sync"
    " tail tar tee telnet test timeout touch tr traceroute true tty uname uniq vi wc wget which whoami xargs yes"
).split()


def _alternatives(root: Path) -> None:
    """The names that maintainer scripts would have made: iptables with nftables below it, as Debian sets it up."""
    for name in ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"):
        variant = name.replace("tables", "tables-nft", 1)
        if (root / "usr/sbin" / variant).exists() and not (root / "usr/sbin" / name).is_symlink():
            (root / "usr/sbin" / name).symlink_to(variant)
    if (root / "usr/bin/busybox").exists():
        for applet in APPLETS:
            if not any(os.path.lexists(root / folder / applet) for folder in ("usr/bin", "usr/sbin")):
                (root / "usr/bin" / applet).symlink_to("busybox")
