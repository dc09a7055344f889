# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual Pis of a scenario as testinfra hosts, by the same SSH as the playbooks use: user pi, key, known host keys."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import testinfra
import yaml

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / ".lab"

sys.path.insert(0, str(STATE / "collections"))


def inventory(scenario: Path) -> dict[str, Any]:
    """The group bramble in the scenario's inventory."""
    files = [scenario / "inventory" / "hosts.yml", scenario / "hosts.yml"]
    return yaml.safe_load(next(file for file in files if file.exists()).read_text())["bramble"]


def addresses(scenario: Path) -> dict[str, str]:
    """Names and addresses of the Pis in the scenario's inventory."""
    groups = inventory(scenario)["children"].values()
    return {name: values["ansible_host"] for group in groups for name, values in (group.get("hosts") or {}).items()}


def let_tests_in(pi: testinfra.host.Host, container: str) -> None:
    """See that sudo still wants its password, whatever was done, and then take it away for the tests' own looks."""
    if pi.run("sudo -n true").rc == 0:  # by tests before these
        pi.check_output("sudo test -e /etc/sudoers.d/tests")
        return
    script = "echo 'pi ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/tests"
    subprocess.run(["docker", "exec", container, "sh", "-c", script], check=True)


@pytest.fixture(scope="module")
def pis(request: pytest.FixtureRequest) -> dict[str, testinfra.host.Host]:
    """Inventory name → host; testinfra itself cannot use connection variables that are templates."""
    scenario = Path(request.path).parents[1]
    found = {
        name: testinfra.get_host(
            f"ssh://pi@{address}",
            ssh_identity_file=str(STATE / "ssh" / "id_ed25519"),
            ssh_extra_args=f"-o UserKnownHostsFile={STATE / 'known_hosts'} -o BatchMode=yes",
            controlpersist=60,
        )
        for name, address in addresses(scenario).items()
    }
    variables = inventory(scenario)["vars"]
    if "lab_sudo_password" in variables:
        for name, pi in found.items():
            let_tests_in(pi, f"{variables['lab_instance']}-{name}")
    return found


@pytest.fixture(scope="module")
def host(pis: dict[str, testinfra.host.Host]) -> testinfra.host.Host:
    """The only Pi of a scenario that has one."""
    (only,) = pis.values()
    return only
