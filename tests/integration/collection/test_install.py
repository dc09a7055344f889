"""The collection as somebody else's dependency: built, installed into another project, used by full names."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import checkout
import pytest

REPOSITORY = Path(__file__).resolve().parents[3]

# A control plane is never touched here: the role stops at its first, wrong, variable.
PLAYBOOK = """
- name: Use a role, a module and a filter of the collection by their full names
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Add a kernel parameter to a file that looks like a Pi's
      bramble.kube.boot_cmdline:
        path: "{{ playbook_dir }}/cmdline.txt"
        present: [cgroup_enable=memory]
    - name: Read a join command
      ansible.builtin.debug:
        msg: "endpoint={{ (command | bramble.kube.kubeadm_join).endpoint }}"
      vars:
        command: >-
          kubeadm join 192.168.13.7:6443 --token abcdef.0123456789abcdef
          --discovery-token-ca-cert-hash sha256:{{ 'ab' * 32 }}
    - name: Call a role with a value that cannot work
      ansible.builtin.include_role:
        name: bramble.kube.kubeadm
      vars:
        kubeadm_version: newest
"""


def run(*command: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of the virtual environment outside the checkout, with the checkout's configuration out of sight."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
    environment["ANSIBLE_CONFIG"] = str(cwd / "ansible.cfg")
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    if check:
        assert result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built archive, from the files that git knows (a checkout may hold anything else)."""
    source = checkout.copy(tmp_path_factory.mktemp("source"))
    output = tmp_path_factory.mktemp("dist")
    run("ansible-galaxy", "collection", "build", "--output-path", str(output), cwd=source)
    (built,) = output.glob("bramble-kube-*.tar.gz")
    return built


@pytest.fixture(scope="module")
def project(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another project, with the collection installed into its own folder."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "ansible.cfg").write_text("[defaults]\ncollections_path = collections\nlocalhost_warning = false\n")
    (folder / "cmdline.txt").write_text("console=tty1 root=PARTUUID=1234-02 rootwait\n")
    (folder / "site.yml").write_text(PLAYBOOK)
    # Its dependencies come from Galaxy for users; here they are the ones of the Python package.
    run(
        "ansible-galaxy",
        "collection",
        "install",
        str(archive),
        "--no-deps",
        "--offline",
        "-p",
        "collections",
        cwd=folder,
    )
    return folder


def test_archive_holds_what_users_need_and_nothing_of_the_lab(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
    for wanted in (
        "LICENSE",
        "README.md",
        "requirements.txt",
        "meta/runtime.yml",
        "playbooks/site.yml",
        "roles/base/meta/argument_specs.yml",
        "plugins/modules/manifest_push.py",
        "inventories/example/hosts.yml",
    ):
        assert wanted in names
    assert not [
        n
        for n in names
        if n.split("/")[0] in {"lab", "molecule", ".lab", ".venv", ".ci"} or n.startswith("inventories/lab")
    ]


def test_role_module_and_filter_run_by_full_name(project: Path) -> None:
    result = run("ansible-playbook", "site.yml", cwd=project, check=False)
    assert (
        project / "cmdline.txt"
    ).read_text() == "console=tty1 root=PARTUUID=1234-02 rootwait cgroup_enable=memory\n", result.stdout
    assert "endpoint=192.168.13.7:6443" in result.stdout
    # The role was found, and its argument specification refused the value by name before anything was done.
    assert result.returncode != 0
    assert "kubeadm_version" in result.stdout + result.stderr


def test_every_playbook_is_there_by_full_name(project: Path) -> None:
    inventory = project / "hosts.yml"
    inventory.write_text("bramble: {children: {master: {hosts: {a: }}, node: {hosts: {b: }}}}\n")
    for playbook in sorted((REPOSITORY / "playbooks").glob("*.yml")):
        run("ansible-playbook", "-i", str(inventory), "--syntax-check", f"bramble.kube.{playbook.stem}", cwd=project)


def test_documentation_of_every_module_is_readable(project: Path) -> None:
    for module in sorted((REPOSITORY / "plugins" / "modules").glob("*.py")):
        assert "bramble.kube" in run("ansible-doc", f"bramble.kube.{module.stem}", cwd=project).stdout
