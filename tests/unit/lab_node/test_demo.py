# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make demo` shows at its end, and where it stops; its stages are played."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
KUBECTL = """\
#!/bin/bash
case "$*" in
*proxy-public*jsonpath*) echo 30088 ;;
*model-server*jsonpath*) echo 30082 ;;
esac
"""
PLAY = """\
#!/bin/bash
echo "$*" >> played
case "$*" in *"$FAILS"*) [ -z "$FAILS" ] || exit 2 ;; esac
"""


@pytest.fixture
def demo(tmp_path: Path):
    """Run it, with a playbook that fails or none; what it did is in the file ``played``."""
    programs = {
        **{f"lab/{name}": "#!/bin/bash\n" for name in ("room", "engine", "prepare")},
        ".venv/bin/ansible-playbook": PLAY,
        "cache/bin/kubectl": KUBECTL,
        "bin/docker": "#!/bin/bash\necho '1.5GiB / 8GiB'\n",
    }
    for name, text in programs.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    shutil.copy(ROOT / "lab/demo", tmp_path / "lab/demo")

    def run(fails: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
            "BRAMBLE_LAB_CACHE": str(tmp_path / "cache"),
            "FAILS": fails,
        }
        command = [tmp_path / "lab/demo"]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_it_ends_with_one_box(demo, tmp_path: Path) -> None:
    done = demo()
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    first, last = [number for number, line in enumerate(lines) if line and set(line) == {"─"}]
    assert last == len(lines) - 1, "nothing comes after it"
    box = lines[first + 1 : last]
    assert box[0].startswith("Three virtual Pis run Kubeflow, from a blank OS in 0 min ")
    for shown in (
        "  Addresses  jupyterhub: http://192.168.13.7:30088/jupyterhub/",
        "             model-server: http://192.168.13.7:30082/v2/models/digits",
        f"  Use it     export KUBECONFIG={tmp_path}/.lab/kubeconfig",
        "  Remove it  make demo-down",
    ):
        assert shown in box
    assert max(len(line.replace(str(tmp_path), "")) for line in box) <= 100
    assert (tmp_path / "played").read_text().splitlines() == [
        "-i inventories/lab lab/playbooks/create.yml",
        "-i inventories/lab site.yml",
        "-i inventories/lab playbooks/kubeflow.yml --tags smoke",
    ]


def test_a_stage_that_fails_ends_it_by_name_and_without_a_box(demo) -> None:
    done = demo("site.yml")
    assert done.returncode == 1 and "─" not in done.stdout
    assert "demo: stage 4, site.yml: from a blank OS to Kubeflow, failed after " in done.stderr
    assert '"make demo" picks up where this stopped' in done.stderr
