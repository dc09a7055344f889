# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make setup`, somebody's first command, says first which Python it wants, and how to get one where it is run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
POLICY = "#!/bin/sh\necho 'python3:'; echo '  Candidate: {}-1'\n"


@pytest.fixture
def computer(tmp_path: Path) -> Path:
    """A checkout on a computer with another Python."""
    (tmp_path / "checkout/tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools/setup", tmp_path / "checkout/tools/setup")
    for name in ("constraints.txt", "constraints-run.txt"):
        shutil.copy(ROOT / name, tmp_path / "checkout" / name)
    programs = {
        **{f"python3.{minor}": "#!/bin/sh\nexit 127\n" for minor in (12, 13, 14)},
        "python3": "#!/bin/sh\necho Python 3.11.2\n",
        "apt-cache": POLICY.format("3.11.2"),
        "apt-get": f"#!/bin/sh\necho apt-get $* >> {tmp_path}/called\nexit 1\n",
        "sudo": '#!/bin/sh\nexec "$@"\n',
    }
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        program(tmp_path, name, text)
    return tmp_path


def program(computer: Path, name: str, text: str = "#!/bin/sh\n") -> None:
    (computer / "bin" / name).write_text(text)
    (computer / "bin" / name).chmod(0o755)


def setup(computer: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", str(computer / "checkout/tools/setup"), *arguments],
        env={"PATH": f"{computer}/bin:/usr/bin:/bin", "HOME": str(computer), "PYENV_ROOT": str(computer)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_debian_12_has_none_of_them_and_nothing_is_installed_in_vain(computer: Path) -> None:
    done = setup(computer)
    assert done.returncode == 1 and not (computer / "called").exists()
    assert "this needs Python 3.12, 3.13 or 3.14" in done.stderr and "here is Python 3.11.2" in done.stderr
    assert "astral.sh/uv/install.sh" in done.stderr and "uv python install 3.13" in done.stderr
    assert not (computer / "checkout/.venv").exists()


@pytest.mark.parametrize(
    ("tool", "way"),
    [
        ("uv", "  uv python install 3.13"),
        ("pyenv", "  pyenv install 3.13"),
        ("brew", "  brew install python@3.13"),
        ("dnf", "  sudo dnf install python3.13"),
    ],
)
def test_the_way_that_works_there(computer: Path, tool: str, way: str) -> None:
    program(computer, tool)
    assert way in setup(computer).stderr.splitlines()


def test_the_distributions_own_is_installed_where_it_is_one_of_them(computer: Path) -> None:
    program(computer, "apt-cache", POLICY.format("3.13.5"))
    assert "installing the distribution's Python 3.13 with venv" in setup(computer).stdout
    assert "update" in (computer / "called").read_text()


def test_an_unknown_argument(computer: Path) -> None:
    done = setup(computer, "--develop")
    assert done.returncode == 2 and "usage: tools/setup [--dev]" in done.stderr


def test_no_program_writes_to_one_that_has_ended() -> None:
    """`| head` ends early, and with pipefail the one before it ends in a Broken pipe."""
    scripts = [path for top in ("tools", "lab") for path in (ROOT / top).rglob("*") if path.is_file()]
    wrong = [path for path in [*scripts, ROOT / "Makefile"] if re.search(rb"\| *head\b", path.read_bytes())]
    assert len(scripts) > 20 and wrong == []


@pytest.fixture
def ready(computer: Path) -> Path:
    """A checkout with an environment that is up to date, and the example of an inventory."""
    checkout = computer / "checkout"
    program(
        computer, "python3.13", '#!/bin/sh\n[ "$1" != -c ] || echo 3.13\n[ "$1" != --version ] || echo Python 3.13.5\n'
    )
    made = (
        '#!/bin/sh\ncase $2 in venv) mkdir -p .venv/bin; cp "$0" .venv/bin/python; cp "$0" .venv/bin/ansible;; esac\n'
    )
    text = (computer / "bin/python3.13").read_text().removeprefix("#!/bin/sh\n")
    program(computer, "python3.13", made + text)
    (checkout / "inventories/example").mkdir(parents=True)
    (checkout / "inventories/example/hosts.yml").write_text("bramble: {}\n")
    return computer


def test_an_inventory_of_ones_own_is_there_and_is_never_touched(ready: Path) -> None:
    mine = ready / "checkout/my-inventory/hosts.yml"
    done = setup(ready)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "put the addresses of your Pis into my-inventory/hosts.yml" in done.stdout
    assert mine.read_text() == "bramble: {}\n"
    mine.write_text("mine\n")
    assert "my-inventory" not in setup(ready).stdout and mine.read_text() == "mine\n"


def test_who_develops_gets_no_inventory(ready: Path) -> None:
    assert setup(ready, "--dev").returncode == 0
    assert not (ready / "checkout/my-inventory").exists()
