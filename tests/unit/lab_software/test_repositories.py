"""Repositories made with the real tools from packages of a few bytes; apt's own verifier reads them."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from labsoftware import debs
from labsoftware.aptrepo import flat_repository, pool_repository, signing_key
from labsoftware.cache import Cache
from labsoftware.debs import Deb, debs_product
from labsoftware.driver import Build
from labsoftware.product import Product, keys

TOOLS = ("apt-ftparchive", "dpkg-deb", "gpg", "gpgv", "reprepro")
pytestmark = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in TOOLS), reason="lab/software/build installs " + ", ".join(TOOLS)
)


def program(name="programs", text="#!/bin/sh\n"):
    def build(work):
        (work.out / "kubeadm").write_text(text)
        (work.out / "kubeadm").chmod(0o755)

    return Product(name=name, build=build, recipe=(text,))


@pytest.fixture
def templates(tmp_path, monkeypatch):
    monkeypatch.setattr(debs, "TEMPLATES", tmp_path / "debs")
    for name in ("kubeadm", "docker-ce"):
        (tmp_path / "debs" / name / "files" / "etc" / name).mkdir(parents=True)
        (tmp_path / "debs" / name / "files" / "etc" / name / "config").write_text("# nothing\n")
        (tmp_path / "debs" / name / "control").write_text(
            f"Package: {name}\nSection: admin\nPriority: optional\nMaintainer: A <a@example.org>\nDescription: x\n y\n"
        )
    return tmp_path


def run(root, *products):
    """Build products in a cache; returns the names of those that were out of date, and the folders."""
    table = {p.name: p for p in products}
    key = keys(table)
    cache = Cache(root / "cache")
    folders = {name: cache.artifacts / name / key[name] for name in table}
    build = Build(cache, table, folders, 2)
    todo = set(build.todo)
    build.run()
    return todo, folders


def kubernetes(version):
    return (
        program(),
        signing_key(),
        debs_product(f"debs-{version}", (Deb("kubeadm", f"{version}-1.1", {"usr/bin/kubeadm": "programs:kubeadm"}),)),
        flat_repository(f"apt-{version}", "core:/stable:/v1.37/deb", (f"debs-{version}",), "isv:kubernetes"),
    )


def docker(version="5:29.8.1-1~debian.13~trixie"):
    return (
        program(),
        signing_key(),
        debs_product("debs-docker", (Deb("docker-ce", version, {"usr/bin/dockerd": "programs:kubeadm"}),)),
        pool_repository("apt-docker", "linux/debian", {"trixie": "debs-docker"}, "stable", "Docker", "Docker CE"),
    )


def verified(release, key, scratch):
    """What InRelease says, once gpgv has found it signed by the key."""
    keyring = scratch / "keyring.gpg"
    subprocess.run(["gpg", "--batch", "--yes", "--dearmor", "--output", keyring, key], check=True)
    return subprocess.run(
        ["gpgv", "--keyring", keyring, "--output", "-", release], check=True, capture_output=True, text=True
    ).stdout


def test_flat_repository_as_on_pkgs_k8s_io(templates):
    _, folders = run(templates, *kubernetes("1.37.2"))
    place = templates / "cache/served/www/core:/stable:/v1.37/deb"
    assert {p.name for p in place.iterdir()} == {
        *("amd64", "InRelease", "Packages", "Packages.gz", "Release", "Release.gpg", "Release.key")
    }
    packages = (place / "Packages").read_text()
    assert re.findall(r"^Filename: (.*)", packages, re.MULTILINE) == ["amd64/kubeadm_1.37.2-1.1_amd64.deb"]
    assert "Packages.gz" in verified(place / "InRelease", place / "Release.key", templates)
    deb = folders["debs-1.37.2"] / "kubeadm_1.37.2-1.1_amd64.deb"
    listing = subprocess.run(["dpkg-deb", "-c", deb], check=True, capture_output=True, text=True).stdout
    assert re.search(r"^-rwxr-xr-x root/root +10 .* \./usr/bin/kubeadm$", listing, re.MULTILINE)
    info = subprocess.run(["dpkg-deb", "-I", deb, "conffiles"], check=True, capture_output=True, text=True).stdout
    assert info == "/etc/kubeadm/config\n"


def test_flat_repository_keeps_other_versions_and_is_left_alone_afterwards(templates):
    run(templates, *kubernetes("1.37.2"))
    run(templates, *kubernetes("1.37.3"))
    packages = (templates / "cache/served/www/core:/stable:/v1.37/deb/Packages").read_text()
    assert re.findall(r"^Version: (.*)", packages, re.MULTILINE) == ["1.37.2-1.1", "1.37.3-1.1"]
    assert run(templates, *kubernetes("1.37.2"))[0] == set()
    assert run(templates, *kubernetes("1.37.3"))[0] == set()


@pytest.mark.parametrize("lost", ["amd64/kubeadm_1.37.2-1.1_amd64.deb", "InRelease", "Release.key"])
def test_flat_repository_is_repaired(templates, lost):
    run(templates, *kubernetes("1.37.2"))
    place = templates / "cache/served/www/core:/stable:/v1.37/deb"
    (place / lost).unlink()
    assert run(templates, *kubernetes("1.37.2"))[0] == {"apt-1.37.2"}
    assert (place / lost).exists()


def test_pool_repository_as_on_download_docker_com(templates):
    run(templates, *docker())
    place = templates / "cache/served/www/linux/debian"
    release = verified(place / "dists/trixie/InRelease", place / "gpg", templates)
    for line in (
        "Origin: Docker",
        "Label: Docker CE",
        "Codename: trixie",
        "Components: stable",
        "Architectures: amd64",
    ):
        assert line in release.splitlines()
    packages = (place / "dists/trixie/stable/binary-amd64/Packages").read_text()
    assert "Version: 5:29.8.1-1~debian.13~trixie" in packages
    assert (place / re.search(r"^Filename: (.*)", packages, re.MULTILINE).group(1)).exists()
    assert run(templates, *docker())[0] == set()


def test_a_new_version_takes_the_place_of_the_old_one(templates):
    run(templates, *docker())
    assert run(templates, *docker("5:29.9.0-1~debian.13~trixie"))[0] == {"debs-docker", "apt-docker"}
    packages = (templates / "cache/served/www/linux/debian/dists/trixie/stable/binary-amd64/Packages").read_text()
    assert re.findall(r"^Version: (.*)", packages, re.MULTILINE) == ["5:29.9.0-1~debian.13~trixie"]
