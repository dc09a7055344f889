"""The files of docs/own-repository.md, as somebody copies them into an empty folder far from this checkout."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from apiserver import free_port

ROOT = Path(__file__).resolve().parents[3]
FILE = re.compile(r"^`([\w./-]+)`[^\n]*:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the page's files and the collection beside them."""
    folder = tmp_path_factory.mktemp("own")
    for name, content in FILE.findall((ROOT / "docs" / "own-repository.md").read_text()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    installed = folder / "collections" / "ansible_collections" / "bramble"
    installed.mkdir(parents=True)
    (installed / "kube").symlink_to(ROOT)
    return folder


def run(repository: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command as a user has it, without this checkout's settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))}
    environment |= {"NO_COLOR": "1", "ANSIBLE_HOME": str(repository / "home")}
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)


def test_the_page_has_all_files(repository: Path) -> None:
    found = {str(path.relative_to(repository)) for path in repository.rglob("*") if path.is_file()}
    assert found == {
        "ansible.cfg",
        "cluster.yml",
        "execution-environment.yml",
        "inventory/hosts.yml",
        "molecule/default/converge.yml",
        "molecule/default/molecule.yml",
        "requirements.txt",
        "requirements.yml",
    }
    wanted = yaml.safe_load((repository / "requirements.yml").read_text())["collections"][0]["version"]
    assert wanted == f"v{yaml.safe_load((ROOT / 'galaxy.yml').read_text())['version']}"


def test_the_playbook_is_read(repository: Path) -> None:
    done = run(repository, "ansible-playbook", "--syntax-check", "cluster.yml")
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("command", ["bramble.kube.site", "cluster.yml"])
def test_what_is_typed_runs_up_to_pis_that_do_not_answer(repository: Path, command: str) -> None:
    """Up to preflight's verdict; molecule/cluster runs the same site.yml to its end."""
    names = ("k8s-master", "k8s-node1", "k8s-node2")
    hosts = {name: {"ansible_host": f"127.0.0.{last}"} for last, name in enumerate(names, 1)}
    (repository / "silent.yml").write_text(
        yaml.safe_dump({"all": {"hosts": hosts, "vars": {"ansible_port": free_port()}}})
    )
    done = run(repository, "ansible-playbook", "-i", "inventory", "-i", "silent.yml", command)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0 and "reachable all no yes YOU MUST CHANGE IT" in said, said
    assert "cannot be reached at 127.0.0.3 (connection refused)" in said, said


def test_the_scenario_accepts_the_inventory_and_finds_a_mistake(repository: Path) -> None:
    done = run(repository, "molecule", "test")
    assert done.returncode == 0, done.stdout + done.stderr
    hosts = repository / "inventory" / "hosts.yml"
    hosts.write_text(hosts.read_text().replace("kubeadm_version", "kubeadm_verison"))
    done = run(repository, "molecule", "test")
    words = " ".join(re.sub(r"[│\s]+", " ", done.stdout + done.stderr).split())
    assert done.returncode != 0 and "kubeadm_verison" in words and "kubeadm_version" in words, words
