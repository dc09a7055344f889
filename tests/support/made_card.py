# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action pi_card for one host, without a play around it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret

from ansible_collections.bramble.kube.plugins.action import pi_card


def make_card(options: Mapping[str, str | Path], check: bool = False) -> dict[str, Any]:
    """Make the card of k8s-node1, with user pi: the action's result."""
    loader = DataLoader()
    loader.set_vault_secrets([("default", VaultSecret(b"vault-password"))])
    arguments = {"hostname": "k8s-node1", "user": "pi", **{name: str(value) for name, value in options.items()}}
    task = SimpleNamespace(args=arguments, check_mode=check, async_val=0, action="pi_card", diff=False)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action = pi_card.ActionModule(task, connection, None, loader, None, None)
    return action.run(task_vars={"inventory_hostname": "k8s-node1"})
