"""Signed apt repositories with the layout of the Kubernetes community's (flat) and of Docker's (dists and pool)."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from labsoftware.product import Product, Work

HERE = Path(__file__).parent
KEY_NAME = "bramble.kube lab (signs nothing but the lab's packages)"


@contextlib.contextmanager
def _gpg_home(work: Work) -> Iterator[Path]:
    """A short-lived home for gpg: its agent's socket wants a path shorter than a cache's may be."""
    home = Path(tempfile.mkdtemp(prefix="bramble-gnupg-"))
    try:
        yield home
    finally:
        work.run("gpgconf", "--kill", "gpg-agent", env={"GNUPGHOME": str(home)})
        shutil.rmtree(home, ignore_errors=True)


def signing_key() -> Product:
    """The key that signs the lab's repositories: made once in a cache, private to it."""

    def build(work: Work) -> None:
        with _gpg_home(work) as home:
            gpg = ("gpg", "--homedir", home, "--batch")
            work.run(*gpg, "--passphrase", "", "--quick-generate-key", KEY_NAME, "rsa3072", "sign", "never")
            for name, what in (("key.asc", "--export"), ("secret.asc", "--export-secret-keys")):
                work.run(*gpg, "--armor", "--output", home / name, what)
            shutil.copy(home / "key.asc", work.out / "key.asc")
            (work.out / "secret.asc").touch(mode=0o600)
            (work.out / "secret.asc").write_bytes((home / "secret.asc").read_bytes())

    return Product(name="signing-key", build=build, recipe=(KEY_NAME, "rsa3072", "2"), seconds=1)


@contextlib.contextmanager
def _signer(work: Work) -> Iterator[dict[str, str]]:
    """Environment in which gpg signs with the lab's key."""
    with _gpg_home(work) as home:
        work.run("gpg", "--homedir", home, "--batch", "--import", work.file("signing-key:secret.asc"))
        yield {"GNUPGHOME": str(home)}


def _swap(new: Path, place: Path) -> None:
    """Put a finished folder in the place of an older one; who reads meanwhile sees the one or the other."""
    place.parent.mkdir(parents=True, exist_ok=True)
    old = place.with_name(f".{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _published(folder: Path, place: Path, key_file: str) -> bool:
    """Whether a repository still is what the product made: its packages, its Release file and its key."""
    lists = folder / "published"
    if not lists.exists() or not (place / key_file).exists():
        return False
    if (folder / "key.asc").read_bytes() != (place / key_file).read_bytes():
        return False
    for line in lists.read_text(encoding="utf-8").splitlines():
        size, _, path = line.partition(" ")
        if not (place / path).exists() or (place / path).stat().st_size != int(size):
            return False
    return True


def _note(work: Work, place: Path, files: list[Path]) -> None:
    lines = [f"{file.stat().st_size} {file.relative_to(place)}\n" for file in sorted(files)]
    (work.out / "published").write_text("".join(lines), encoding="utf-8")
    shutil.copy(work.file("signing-key:key.asc"), work.out / "key.asc")


def flat_repository(name: str, path: str, debs: tuple[str, ...], label: str, architecture: str = "amd64") -> Product:
    """A flat repository as on pkgs.k8s.io; packages of other versions that it already holds stay.

    reprepro cannot write this layout, so the index is apt-ftparchive's.
    """

    def build(work: Work) -> None:
        place = work.cache.www / path
        ours = [deb for product in debs for deb in sorted(work.folders[product].glob("*.deb"))]
        new = place.with_name(f".{place.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        if place.exists():
            shutil.copytree(place, new, copy_function=os.link)
        for deb in ours:
            folder = new / deb.stem.rsplit("_", 1)[1]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / deb.name).unlink(missing_ok=True)
            os.link(deb, folder / deb.name)
        for old in ("Packages", "Packages.gz", "Release", "Release.gpg", "InRelease", "Release.key"):
            (new / old).unlink(missing_ok=True)
        (new / "Packages").write_text(
            work.run("apt-ftparchive", "packages", ".", cwd=new).replace("Filename: ./", "Filename: "), encoding="utf-8"
        )
        work.run("gzip", "--no-name", "--keep", "Packages", cwd=new)
        fields = {"Origin": label, "Label": label, "Suite": "deb", "Codename": "deb", "Architectures": architecture}
        options = [
            word for field, value in fields.items() for word in ("-o", f"APT::FTPArchive::Release::{field}={value}")
        ]
        release = work.run("apt-ftparchive", *options, "release", ".", cwd=new)
        (new / "Release").write_text(release, encoding="utf-8")
        with _signer(work) as environment:
            sign = ("gpg", "--batch", "--digest-algo", "SHA512", "--output")
            work.run(*sign, "InRelease", "--clearsign", "Release", cwd=new, env=environment)
            work.run(*sign, "Release.gpg", "--armor", "--detach-sign", "Release", cwd=new, env=environment)
        shutil.copy(work.file("signing-key:key.asc"), new / "Release.key")
        _swap(new, place)
        _note(work, place, [*(place / architecture / deb.name for deb in ours)])

    return Product(
        name=name,
        build=build,
        recipe=(path, label, architecture),
        inputs=(HERE / "aptrepo.py",),
        needs=("signing-key", *debs),
        seconds=2,
        published=lambda cache, folder: (
            _published(folder, cache.www / path, "Release.key") and (cache.www / path / "InRelease").exists()
        ),
    )


def pool_repository(
    name: str,
    path: str,
    suites: Mapping[str, str],
    component: str,
    origin: str,
    label: str,
    architecture: str = "amd64",
) -> Product:
    """A repository with dists/ and pool/ as on download.docker.com; suites: codename -> product with its .deb files."""

    def build(work: Work) -> None:
        place = work.cache.www / path
        new = place.with_name(f".{place.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        with work.scratch() as scratch, _signer(work) as environment:
            (scratch / "conf").mkdir()
            paragraphs = [
                f"Origin: {origin}\nLabel: {label}\nSuite: {codename}\nCodename: {codename}\n"
                f"Architectures: {architecture}\nComponents: {component}\nSignWith: default\n"
                for codename in suites
            ]
            (scratch / "conf" / "distributions").write_text("\n".join(paragraphs), encoding="utf-8")
            for codename, product in suites.items():
                debs = sorted(work.folders[product].glob("*.deb"))
                work.run(
                    *("reprepro", "--basedir", scratch, "--outdir", new, "--component", component),
                    *("includedeb", codename, *debs),
                    env=environment,
                )
        shutil.copy(work.file("signing-key:key.asc"), new / "gpg")
        _swap(new, place)
        _note(work, place, [p for p in place.rglob("*") if p.is_file() and p.name != "gpg"])

    return Product(
        name=name,
        build=build,
        recipe=(path, origin, label, component, architecture, repr(sorted(suites.items()))),
        inputs=(HERE / "aptrepo.py",),
        needs=("signing-key", *sorted(set(suites.values()))),
        seconds=6,
        published=lambda cache, folder: _published(folder, cache.www / path, "gpg"),
    )
