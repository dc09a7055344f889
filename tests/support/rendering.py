# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates of roles as Ansible renders them."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
#: In a process of its own, which has looked for no plugins yet.
RENDER = """
import json, pathlib, sys
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
collections, template, variables = sys.argv[1:]
init_plugin_loader([collections])
text = trust_as_template(pathlib.Path(template).read_text())
print(Templar(DataLoader(), variables=json.loads(variables)).template(text))
"""


@functools.cache
def _text(template: str, variables: str) -> str:
    command = [sys.executable, "-c", RENDER, str(ROOT / ".lab/collections"), template, variables]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def objects(role: str, template: str, variables: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of a role's template with these variables; files that it looks up are the role's."""
    folder = ROOT / "roles" / role
    text = _text(str(folder / "templates" / template), json.dumps({**variables, "ansible_search_path": [str(folder)]}))
    return [document for document in yaml.safe_load_all(text) if document]
