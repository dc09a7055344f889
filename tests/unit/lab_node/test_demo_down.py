# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""demo-down takes away what the demo brought; an engine that was there before, and what it has, stays as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
#: An engine with the demo's network and image, and with images of its owner.
DOCKER = """\
#!/bin/bash
echo "docker $*" >> "$PLAYED"
case "$*" in
*"name=^bramble-demo"*) echo demo-network ;;
*"name=^bramble-"*) [ -z "$OTHER" ] || echo "$OTHER" ;;
*"image ls"*"reference=bramble-lab/*"*) echo of-the-lab ;;
*"image ls"*) echo somebody-elses ;;
esac
"""
NOTED = '#!/bin/bash\necho "{} $*" >> "$PLAYED"\n'


class Machine:
    """A checkout on a machine whose programs only note that they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.played = folder, folder / "played"
        self.put("bin/docker", DOCKER)
        for name in ("bin/systemctl", "lab/network", ".venv/bin/ansible-playbook"):
            self.put(name, NOTED.format(Path(name).name))
        self.put("bin/sudo", '#!/bin/bash\nexec "$@"\n')
        self.put("cache/images/one", "")
        shutil.copy(ROOT / "lab/demo-down", folder / "lab/demo-down")

    def put(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def down(self, other: str = "") -> str:
        """Run it; the calls, one a line."""
        environment = {
            **os.environ,
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "PLAYED": str(self.played),
            "OTHER": other,
            "BRAMBLE_LAB_CACHE": str(self.folder / "cache"),
        }
        command = [self.folder / "lab/demo-down"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.played.read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_an_engine_that_was_there_before_runs_on_with_all_that_is_its_owners(machine: Machine) -> None:
    calls = machine.down()
    assert "ansible-playbook -i inventories/lab lab/playbooks/destroy.yml" in calls
    removed = [line for line in calls.splitlines() if " rm" in line or "prune" in line]
    assert removed == ["docker image rm --force of-the-lab"]
    assert "systemctl" not in calls and "network restore" not in calls
    assert (machine.folder / "cache/images/one").exists()


def test_one_that_the_lab_has_started_is_stopped_and_its_network_goes(machine: Machine) -> None:
    machine.put(".lab/engine/started", "systemd\n")
    machine.put(".lab/engine/network/forward", "0\n")
    calls = machine.down().splitlines()
    stopped = calls.index("systemctl stop docker.socket docker.service")
    assert calls[stopped + 1 :] == ["network restore .lab/engine/network"]
    assert not (machine.folder / ".lab/engine").exists()


def test_another_program_that_has_the_engines_number_is_not_ended(machine: Machine) -> None:
    """As after a restart of the machine."""
    with subprocess.Popen(["sleep", "60"]) as other:
        machine.put(".lab/engine/started", "pid\n")
        machine.put(".lab/engine/dockerd.pid", f"{other.pid}\n")
        machine.down()
        alive = other.poll() is None
        other.kill()
    assert alive


def test_another_lab_that_still_runs_keeps_images_and_engine(machine: Machine) -> None:
    machine.put(".lab/engine/started", "systemd\n")
    machine.put(".lab/ssh/id_ed25519", "")
    calls = machine.down(other="bramble-cluster")
    assert "image rm" not in calls and "systemctl" not in calls
    assert (machine.folder / ".lab/engine/started").exists() and (machine.folder / ".lab/ssh/id_ed25519").exists()
