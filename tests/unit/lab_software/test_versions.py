"""Versions are read from where they stand, and what cannot be built is refused in a sentence."""

from __future__ import annotations

import pytest
from labsoftware import products
from labsoftware.golang import host_go, parse_go_version, program_name, required, without_imports
from labsoftware.images import Image, image_product, product_of, repository_and_tag
from labsoftware.product import BuildError, keys


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.24.4 linux/arm64", (1, 24, 4)),
        ("go version go1.21 linux/amd64", (1, 21)),
        ("go version go1.26.0-X:nocoverageredesign linux/amd64", (1, 26, 0)),
    ],
)
def test_go_version(text, version):
    assert parse_go_version(text) == version


def test_no_go_version():
    with pytest.raises(BuildError, match="no version"):
        parse_go_version("go: command not found")


def test_too_old_a_go_is_refused_with_the_way_out(tmp_path, monkeypatch):
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go version go1.19.8 linux/amd64\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(BuildError, match=r"Go 1\.19\.8 is installed, but 1\.21 or newer"):
        host_go()


@pytest.mark.parametrize(
    "go_mod",
    [
        "module x\n\nrequire github.com/docker/cli v29.8.1+incompatible\n",
        "require (\n\tgithub.com/docker/cli-x v0.11.0\n\tgithub.com/docker/cli v29.8.1+incompatible // indirect\n)\n",
    ],
)
def test_required_version(go_mod):
    assert required(go_mod, "github.com/docker/cli") == "29.8.1"


def test_required_version_of_something_else():
    with pytest.raises(BuildError, match=r"k8s\.io/kubernetes"):
        required("module x\n", "k8s.io/kubernetes")


@pytest.mark.parametrize(
    ("package", "program"),
    [
        ("go.etcd.io/etcd/server/v3", "server"),
        ("github.com/kubeflow/training-operator/cmd/training-operator.v1", "training-operator.v1"),
        ("github.com/moby/moby/v2/cmd/dockerd", "dockerd"),
        ("github.com/coredns/coredns", "coredns"),
    ],
)
def test_program_name(package, program):
    assert program_name(package) == program


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ('kubeadm_version: "1.37.2"', "1.37.2"),
        ("kubeadm_version: '1.36.3'", "1.36.3"),
        ("kubeadm_version: 1.35.4  # exact release", "1.35.4"),
        ('# kubeadm_version: "1.30.0"', None),
        ('kubeadm_version_other: "1.30.0"', None),
    ],
)
def test_default_release_is_the_role_s(tmp_path, line, version):
    defaults = tmp_path / "roles" / "kubeadm" / "defaults"
    defaults.mkdir(parents=True)
    (defaults / "main.yml").write_text(f"---\n# The release\n{line}\nkubeadm_pod_cidr: 10.244.0.0/16\n")
    assert products.default_release(tmp_path) == version


def test_no_role_no_default(tmp_path):
    assert products.default_release(tmp_path) is None


def test_releases_are_in_order_and_can_be_built():
    known = products.releases()
    assert known == sorted(known, key=lambda v: tuple(map(int, v.split("."))))
    assert {"1.35.4", "1.36.3", "1.37.2"} <= set(known)
    for version in known:
        products.check_release(version)


def test_unknown_release_is_refused_with_those_that_exist():
    with pytest.raises(BuildError, match=r"Kubernetes 1\.37\.99 is not among .*1\.37\.2"):
        products.check_release("1.37.99")


def test_every_need_exists_and_every_release_has_keys_of_its_own():
    both = products.all_products(["1.35.4", "1.37.2"], "1.37.2", "1.26.8")
    known = keys(both)
    assert known["kubernetes-1.35.4"] != known["kubernetes-1.37.2"]
    # A second release changes nothing of the first.
    assert (
        keys(products.all_products(["1.37.2"], "1.37.2", "1.26.8"))["kubernetes-1.37.2"] == known["kubernetes-1.37.2"]
    )


def test_plain_names_in_bin_belong_to_the_default_release_alone():
    made = products.all_products(["1.35.4", "1.37.2"], "1.37.2", "1.26.8")
    assert made["kubernetes-1.37.2"].links["bin/kubectl"] == "kubectl"
    assert "bin/kubectl" not in made["kubernetes-1.35.4"].links
    assert made["kubernetes-1.35.4"].links["bin/1.35.4/kubectl"] == "kubectl"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("registry.k8s.io/pause:3.10.2", ("pause", "3.10.2")),
        ("registry.k8s.io/coredns/coredns:v1.14.6", ("coredns/coredns", "v1.14.6")),
        ("ghcr.io/flannel-io/flannel:v0.28.10", ("flannel-io/flannel", "v0.28.10")),
        ("localhost:5000/a/b:c", ("a/b", "c")),
    ],
)
def test_repository_paths_have_no_registry_host(reference, expected):
    assert repository_and_tag(reference) == expected


@pytest.mark.parametrize("reference", ["pause:3.10", "registry.k8s.io/pause", "registry.k8s.io/Pause:1", ""])
def test_no_reference(reference):
    with pytest.raises(BuildError, match="image reference"):
        repository_and_tag(reference)


def test_an_index_needs_the_programs_of_each_architecture():
    image = Image(
        name="i", reference="r.io/x:1", programs={"/p": "pause{arch}:pause"}, architectures=("amd64", "arm64")
    )
    assert set(image_product(image).needs) >= {"pause", "pause-arm64", "crane", "registry"}
    assert product_of("layer{arch}", "arm64") == "layer-arm64"


def test_flannel_s_plugin_is_built_with_a_library_that_speaks_cni_1_0():
    """plugins 0.9.1 on its own speaks 0.4.0 at most, and no pod gets a network from flannel's manifest (1.0.0)."""
    assert products.version_of("cni-flannel", "github.com/containernetworking/cni") >= "1.0.0"


MAIN = 'package main\n\nimport (\n\t"os"\n\n\t_ "x.org/m/driver/cloud"\n\t_ "x.org/m/driver/disk"\n)\n'


def test_imports_for_their_effect_alone_are_left_out():
    assert without_imports(MAIN, ["x.org/m/driver/cloud"]) == MAIN.replace('\t_ "x.org/m/driver/cloud"\n', "")


@pytest.mark.parametrize("package", ["os", "x.org/m/driver", "x.org/m/driver/tape"])
def test_an_import_that_is_not_there_cannot_be_left_out(package):
    with pytest.raises(BuildError, match=package):
        without_imports(MAIN, [package])
