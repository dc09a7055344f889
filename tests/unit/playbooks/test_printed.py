# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are to read is printed as text under every callback and result format, and a verdict once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.bramble.kube.plugins.plugin_utils.shown import lines_of

ROOT = Path(__file__).resolve().parents[3]
PLAIN = f"[defaults]\ncollections_path = {ROOT / '.lab/collections'}\n"
#: How results are printed: the settings of this repository, a consumer's plain ones, and other callbacks.
WAYS = {
    "ours": ((ROOT / "ansible.cfg").read_text().replace("= .lab", f"= {ROOT}/.lab"), ""),
    "plain": (PLAIN, ""),
    "yaml": (PLAIN + "callback_result_format = yaml\n", ""),
    "minimal": (PLAIN, "ansible.builtin.minimal"),
    "oneline": (PLAIN, "ansible.builtin.oneline"),
}


def play(folder: Path, playbook: Path, way: str, inventory: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings, callback = WAYS.get(way) or (PLAIN, way)
    (folder / "ansible.cfg").write_text(settings)
    (folder / "hosts.yml").write_text(inventory)
    return subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts.yml", str(playbook), *arguments],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": callback or "default",
            "ANSIBLE_SSH_RETRIES": "0",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def silent() -> str:
    """An inventory of two Pis that do not answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    return (
        "bramble: {children: {master: {hosts: {k8s-master: {ansible_host: 127.0.0.1}}}, "
        "node: {hosts: {k8s-node1: {ansible_host: 127.0.0.2}}}}, "
        f"vars: {{ansible_port: {port}, ansible_user: pi}}}}\n"
    )


@pytest.mark.parametrize("way", WAYS)
def test_pis_that_do_not_answer_are_in_the_table_and_the_verdict_comes_once(tmp_path, way, silent) -> None:
    done = play(tmp_path, ROOT / "playbooks/preflight.yml", way, silent)
    assert done.returncode != 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["Check", "Hosts", "Found", "Wanted", "Verdict"] in rows, done.stdout
    assert ["reachable", "all", "no", "yes", "YOU", "MUST", "CHANGE", "IT"] in rows, done.stdout
    said = " ".join((done.stdout + done.stderr).split())
    for address in ("127.0.0.1", "127.0.0.2"):
        sentences = said.count(f"cannot be reached at {address} (connection refused)")
        # A callback that prints no lines repeats the first sentence.
        assert sentences == 1 or (way in ("plain", "minimal", "oneline") and address == "127.0.0.1"), said
    assert "\\n" not in done.stdout
    assert "UNREACHABLE" not in said and "[ERROR]" not in said and "ignoring" not in said


def test_status_shows_pis_that_do_not_answer_without_errors_before(tmp_path, silent) -> None:
    done = play(tmp_path, ROOT / "playbooks/status.yml", "plain", silent)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 0, said
    assert "UNREACHABLE" not in said and "[ERROR]" not in said and "ignoring" not in said
    assert "k8s-node1" in said and "connection refused" in said


SHOWING = """\
- hosts: all
  gather_facts: false
  tasks:
    - bramble.kube.show: {text: "a  b\\n-  -"}
"""


def test_a_callback_for_programs_is_not_disturbed(tmp_path) -> None:
    (tmp_path / "show.yml").write_text(SHOWING)
    done = play(tmp_path, Path("show.yml"), "ansible.posix.json", "all: {hosts: {a: {ansible_connection: local}}}\n")
    assert json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"]["a"]["lines"] == ["a  b", "-  -"]


def test_the_end_of_a_run_with_a_tag_on_a_blank_pi(tmp_path) -> None:
    """The last play of site.yml itself."""
    last = yaml.safe_load((ROOT / "playbooks/site.yml").read_text())[-1]
    (tmp_path / "end.yml").write_text(yaml.safe_dump([last]))
    here = "bramble: {children: {master: {hosts: {k8s-master: {ansible_connection: local}}}}}\n"
    done = play(tmp_path, Path("end.yml"), "plain", here, "--tags", "base")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "This run did only what has the tag base, on k8s-master." in done.stdout
    assert "KUBECONFIG" not in done.stdout and "All " not in done.stdout and "Pi is Ready" not in done.stdout
    (tmp_path / ".kubeconfig").touch()
    done = play(tmp_path, Path("end.yml"), "plain", here)
    assert f"export KUBECONFIG={tmp_path}/.kubeconfig" in done.stdout and "It took" in done.stdout


TRYING = """\
- hosts: all
  gather_facts: false
  tasks:
    - bramble.kube.attempt: {module: bramble.kube.pi_facts, arguments: {wrong: 1}, if_failed: "{{ how }}"}
      register: tried
    - ansible.builtin.assert: {that: [tried.reached, not tried.done, "'wrong' in tried.msg"]}
"""


@pytest.mark.parametrize("how", ["go_on", "fail"])
def test_a_module_that_fails_fails_if_that_is_wanted(tmp_path, how) -> None:
    (tmp_path / "try.yml").write_text(TRYING)
    here = f"all: {{hosts: {{a: {{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}}}}}\n"
    done = play(tmp_path, Path("try.yml"), "plain", here, "-e", f"how={how}")
    assert (done.returncode == 0) == (how == "go_on"), done.stdout + done.stderr
    assert "ok=2" in done.stdout if how == "go_on" else "failed=1" in done.stdout


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\ntwo", ["one", "two"]),
        (["one", "", ["two"]], ["one", "", "two"]),
        ({"anna": "a", "benedikt": ["b", "c"]}, ["anna      a", "benedikt  b", "          c"]),
        (3, ["3"]),
    ],
)
def test_lines(text, lines) -> None:
    assert lines_of(text) == lines


@pytest.mark.parametrize("path", sorted([*ROOT.glob("roles/**/*.yml"), *ROOT.glob("playbooks/**/*.yml")]), ids=str)
def test_nothing_to_read_is_printed_as_a_result(path: Path) -> None:
    text = path.read_text()
    assert "ansible.builtin.debug:" not in text, "bramble.kube.show prints it as it is"
    assert "join('\\n')" not in "".join(text.split("builtin.fail:")[1:]), "bramble.kube.show with stop prints lines"
    assert "ignore_unreachable" not in text or path.name == "address_trial.yml", "bramble.kube.attempt is for that"
