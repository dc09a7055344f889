# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make demo` says before it begins, and when it does not begin."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "lab/room"
#: df of a machine whose Docker has a disk of its own; $FREE and $FREE_DOCKER are GB.
DF = """\
#!/bin/bash
case "$*" in
*avail*docker*) echo Avail; echo "$FREE_DOCKER" ;;
*avail*) echo Avail; echo " $FREE" ;;
*target*docker*) echo "Mounted on"; echo "$DOCKER_DISK" ;;
*target*) echo "Mounted on"; echo / ;;
esac
"""


@pytest.fixture
def room(tmp_path: Path):
    def run(memory: int = 8, free: int = 99, docker: int = 99, own_disk: bool = False, warm: bool = False):
        for name, text in {
            "df": DF,
            "docker": f"#!/bin/bash\necho {tmp_path}/docker\n",
            "nproc": "#!/bin/bash\necho 4\n",
        }.items():
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        (tmp_path / "docker-root").mkdir(exist_ok=True)
        (tmp_path / "meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable: {memory * 1024 * 1024 + 7} kB\n")
        cache = tmp_path / "cache"
        (cache / "images" if warm else tmp_path).mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "BRAMBLE_LAB_CACHE": str(cache),
            "BRAMBLE_MEMINFO": str(tmp_path / "meminfo"),
            "FREE": str(free),
            "FREE_DOCKER": str(docker),
            "DOCKER_DISK": "/docker-disk" if own_disk else "/",
        }
        return subprocess.run([SCRIPT], env=environment, capture_output=True, text=True, check=False)

    return run


def test_what_it_takes_is_said_first(room) -> None:
    done = room()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "demo: takes about 20 minutes (6 the next time) on 2 idle cores, 4 GB of memory and 28 GB of disk; "
        "this machine has 4 cores, 8 GB of memory and 99 GB of disk to spare\n"
    )
    assert "takes about 6 minutes on 2 idle cores, 4 GB of memory and 12 GB of disk" in room(warm=True).stdout


@pytest.mark.parametrize(
    ("short", "sentence"),
    [
        ({"memory": 3}, "three Pis with Kubeflow need 4 GB of memory, and 3 are available here"),
        ({"free": 27}, "/ has 27 GB left, and the demo needs 28"),
        ({"free": 17, "own_disk": True}, "/ has 17 GB left, and the demo's software needs 18"),
        ({"docker": 9, "own_disk": True}, "/docker-disk, where Docker keeps containers, has 9 GB left"),
        ({"free": 11, "warm": True}, "/ has 11 GB left, and the demo needs 12"),
    ],
)
def test_too_little_is_one_sentence(room, short: dict, sentence: str) -> None:
    done = room(**short)
    assert done.returncode == 1 and done.stderr.startswith(f"demo: {sentence}") and done.stderr.count("\n") == 1


def test_just_enough_is_enough(room) -> None:
    for enough in (
        {"memory": 4},
        {"free": 28},
        {"free": 18, "docker": 10, "own_disk": True},
        {"free": 12, "warm": True},
    ):
        assert room(**enough).returncode == 0
