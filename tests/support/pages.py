# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of docs/ and notebooks as tests run them: commands with the output that they show, manifests, cells of code."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import yaml
from page_blocks import BLOCK, ROOT, Command, session

NOTEBOOK = ROOT / "roles/kubeflow/files/first_model/first-model.ipynb"


def commands(page: Path, heading: str) -> list[Command]:
    """The commands below a heading of a page, up to the next one of its kind."""
    part = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = [textwrap.dedent(match[3]) for match in BLOCK.finditer(part) if match[2] == "console"]
    return [command for block in blocks for command in session(block)]


def manifests(page: Path, heading: str) -> list[dict[str, Any]]:
    """The objects that the commands below a heading apply."""
    texts = [one.text for one in commands(page, heading) if one.text.startswith("kubectl apply ")]
    return [document for text in texts for document in yaml.safe_load_all("\n".join(text.splitlines()[1:-1]))]


def cells(notebook: Path = NOTEBOOK) -> dict[str, str]:
    """The cells of code of a notebook, by their ids, in their order."""
    told = json.loads(notebook.read_text(encoding="utf-8"))
    return {cell["id"]: "".join(cell["source"]) for cell in told["cells"] if cell["cell_type"] == "code"}
