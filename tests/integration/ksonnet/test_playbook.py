"""The modules as users call them: ansible-playbook, check mode, diff, and a second run that changes nothing."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]


def play(work: Path, *arguments: str) -> tuple[int, str, int]:
    """Exit code, output and number of changed tasks of app.yml."""
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        *("-i", "localhost,", "-c", "local", str(HERE / "app.yml"), "-e", f"work={work}", *arguments),
    ]
    env = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, env=env, check=False)
    changed = re.search(r"changed=(\d+)", done.stdout)
    return done.returncode, done.stdout + done.stderr, int(changed[1]) if changed else -1


STARTED = ("-e", '{"variables": {"A": "b"}}')


@pytest.mark.parametrize("started", [(), STARTED], ids=["in Ansible's process", "started"])
@pytest.mark.parametrize("api_version", ["0.1.0", "0.3.0"])
def test_check_diff_run_and_run_again(tmp_path: Path, api_version: str, started: tuple[str, ...]) -> None:
    form = ("-e", f"api_version={api_version}", *started)
    code, output, changed = play(tmp_path, *form, "--check", "--diff")
    assert (code, changed) == (0, 1), output
    assert "+apiVersion: " + api_version in output
    assert "vendor/test/web/web.libsonnet: absent -> " in output
    assert list(tmp_path.iterdir()) == []

    code, output, changed = play(tmp_path, *form, "-vvv")
    assert (code, changed) == (0, 2), output
    assert (" EXEC " in output) is bool(started), output
    objects = list(yaml.safe_load_all((tmp_path / "objects.yaml").read_text()))
    assert len(objects) == 5
    assert stat.S_IMODE((tmp_path / "objects.yaml").stat().st_mode) == 0o640

    code, output, changed = play(tmp_path, *form)
    assert (code, changed) == (0, 0), output
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    code, output, changed = play(tmp_path, *form, "-e", "note=changed", "--check", "--diff")
    assert (code, changed) == (0, 1), output
    assert re.search(r'-\s+text: "hello",\n\+\s+text: "changed",', output), output
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("started", [(), STARTED], ids=["in Ansible's process", "started"])
def test_modes_of_the_file(tmp_path: Path, started: tuple[str, ...]) -> None:
    file = tmp_path / "objects.yaml"
    for mode, bits, changes in (("'0600'", 0o600, 2), ("'0604'", 0o604, 1), ("u=rw,g=r,o=", 0o640, 1)):
        for count in (changes, 0):
            code, output, changed = play(tmp_path, "-e", f"mode={mode}", *started)
            assert (code, changed) == (0, count), output
            assert stat.S_IMODE(file.stat().st_mode) == bits


@pytest.mark.parametrize("started", [(), STARTED], ids=["in Ansible's process", "started"])
def test_an_error_is_one_sentence(tmp_path: Path, started: tuple[str, ...]) -> None:
    code, output, _changed = play(tmp_path, "-e", "api_version=0.1.0", *started)
    assert code == 0, output
    (tmp_path / "app/components/bad.jsonnet").write_text('{\n  a: error "boom",\n}\n')
    code, output, _changed = play(tmp_path, *started)
    assert code == 2
    assert "component 'bad' of environment 'default' cannot be rendered: components/bad.jsonnet, line 2: boom" in output
    assert "Traceback" not in output
