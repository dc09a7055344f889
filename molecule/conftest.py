# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual Pis of a scenario as testinfra hosts, by the same SSH as the playbooks use: user pi, key, known host keys."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import testinfra
import yaml

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / ".lab"

sys.path.insert(0, str(STATE / "collections"))


def addresses(scenario: Path) -> dict[str, str]:
    """Names and addresses of the Pis in the scenario's inventory."""
    files = [scenario / "inventory" / "hosts.yml", scenario / "hosts.yml"]
    groups = yaml.safe_load(next(file for file in files if file.exists()).read_text())["bramble"]["children"]
    return {
        name: values["ansible_host"] for group in groups.values() for name, values in (group.get("hosts") or {}).items()
    }


@pytest.fixture(scope="module")
def pis(request: pytest.FixtureRequest) -> dict[str, testinfra.host.Host]:
    """Inventory name → host; testinfra itself cannot use connection variables that are templates."""
    scenario = Path(request.path).parents[1]
    return {
        name: testinfra.get_host(
            f"ssh://pi@{address}",
            ssh_identity_file=str(STATE / "ssh" / "id_ed25519"),
            ssh_extra_args=f"-o UserKnownHostsFile={STATE / 'known_hosts'} -o BatchMode=yes",
            controlpersist=60,
        )
        for name, address in addresses(scenario).items()
    }


@pytest.fixture(scope="module")
def host(pis: dict[str, testinfra.host.Host]) -> testinfra.host.Host:
    """The only Pi of a scenario that has one."""
    (only,) = pis.values()
    return only
