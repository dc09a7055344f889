# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module, filter, callback, lookup and role by its full name, as tables of docs/reference.md."""

from __future__ import annotations

from pathlib import Path

import yaml
from ansible.parsing.plugin_docs import read_docstring
from marks import as_shown


def plugins(root: Path, kind: str) -> str:
    """The table of plugins/KIND in Markdown."""
    files = sorted((root / "plugins" / kind).glob("*.py"))
    rows = [(path.stem, read_docstring(str(path))["doc"]) for path in files]
    return _table((name, told["short_description"]) for name, told in rows if told)


def roles(root: Path) -> str:
    """The table of the roles in Markdown."""
    paths = sorted(root.glob("roles/*/meta/argument_specs.yml"))
    specs = {path.parent.parent.name: yaml.safe_load(path.read_text())["argument_specs"]["main"] for path in paths}
    return _table((name, told["short_description"]) for name, told in specs.items())


def _table(rows) -> str:
    lines = [f"| `bramble.kube.{name}` | {as_shown(told.rstrip('.'))} |" for name, told in rows]
    return "\n".join(["| name | does |", "|---|---|", *lines])
