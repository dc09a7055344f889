"""Control files, file names and the versions that packages get."""

from __future__ import annotations

import pytest
from labsoftware import products
from labsoftware.debs import TEMPLATES, Deb, conffiles, control
from labsoftware.product import closure


def test_control_has_the_fields_that_the_build_knows():
    text = control("Package: kubelet\nDepends: mount\nDescription: x\n y\n", Deb("kubelet", "1.37.2-1.1", {}), 512)
    assert text == (
        "Package: kubelet\nVersion: 1.37.2-1.1\nArchitecture: amd64\nInstalled-Size: 512\n"
        "Depends: mount\nDescription: x\n y\n"
    )


def test_control_refuses_another_package_s_template():
    with pytest.raises(ValueError, match="Package: kubelet"):
        control("Package: kubeadm\n", Deb("kubelet", "1.37.2-1.1", {}), 1)


def test_file_names_as_upstream_has_them():
    assert Deb("kubeadm", "1.37.2-1.1", {}).file_name == "kubeadm_1.37.2-1.1_amd64.deb"
    docker = Deb("docker-ce", "5:29.8.1-1~debian.13~trixie", {})
    assert docker.file_name == "docker-ce_29.8.1-1~debian.13~trixie_amd64.deb"


def test_conffiles_are_the_files_below_etc(tmp_path):
    for path in ("etc/containerd/config.toml", "etc/default/docker", "usr/bin/docker"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert conffiles(tmp_path) == "/etc/containerd/config.toml\n/etc/default/docker\n"


@pytest.mark.parametrize("folder", sorted(p.name for p in TEMPLATES.iterdir()))
def test_every_template_is_a_control_file(folder):
    fields = [
        line.split(":")[0] for line in (TEMPLATES / folder / "control").read_text().splitlines() if line[0] != " "
    ]
    assert fields[0] == "Package"
    assert fields[-1] == "Description"
    assert "Maintainer" in fields
    assert not {"Version", "Architecture", "Installed-Size"} & set(fields), "the build adds these"


def test_containerd_s_package_switches_cri_off_as_docker_s_does():
    text = (TEMPLATES / "containerd.io/files/etc/containerd/config.toml").read_text()
    assert 'disabled_plugins = ["cri"]' in text.splitlines()


def test_kubelet_may_fail_as_often_as_it_wants_before_kubeadm_has_run():
    unit = (TEMPLATES / "kubelet/files/usr/lib/systemd/system/kubelet.service").read_text()
    assert "StartLimitIntervalSec=0" in unit.partition("[Service]")[0].splitlines()


def test_packages_of_a_release():
    made = products.all_products(["1.37.2"], "1.37.2", "1.26.8")
    assert "apt-kubernetes-1.37.2" in made
    assert made["apt-kubernetes-1.37.2"].needs == ("signing-key", "debs-kubernetes-1.37.2", "debs-kubernetes-cni")


@pytest.mark.parametrize(
    ("codename", "suffix"), [("trixie", "-1~debian.13~trixie"), ("bookworm", "-1~debian.12~bookworm")]
)
def test_docker_s_packages_carry_the_debian_release(codename, suffix):
    made = products.all_products(["1.37.2"], "1.37.2", "1.26.8")
    recipe = " ".join(made[f"debs-docker-{codename}"].recipe)
    assert recipe.count(f"{suffix}'") == 3
    assert "version='5:29." in recipe


ARM64 = ("apt-kubernetes-1.37.2-arm64", "apt-docker-arm64")


def test_packages_for_arm64_are_made_on_demand_alone():
    made = products.all_products(["1.37.2"], "1.37.2", "1.26.8")
    usual = closure(made, products.wanted(made))
    assert not [name for name in usual if name.startswith(("apt-", "debs-")) and name.endswith("-arm64")]
    assert set(ARM64) <= set(made)


@pytest.mark.parametrize("repository", ARM64)
def test_a_repository_for_arm64_holds_nothing_of_this_machine_s_own(repository):
    made = products.all_products(["1.37.2"], "1.37.2", "1.26.8")
    below = closure(made, [repository])
    assert [name for name in below if not name.endswith("-arm64")] == ["signing-key"]
    recipes = " ".join(" ".join(product.recipe) for product in below.values())
    assert "architecture='arm64'" in recipes
    assert "amd64" not in recipes
    assert not [product.name for product in below.values() if product.links], "the machine cannot run them"
