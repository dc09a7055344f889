# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of docs/ and notebooks as tests run them: commands with the output that they show, manifests, cells of code."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "roles/kubeflow/files/first_model/first-model.ipynb"


@dataclass
class Command:
    """What a page lets its reader type, with its here-document, and the lines that the page shows as its output."""

    text: str
    shown: list[str] = field(default_factory=list)


def commands(page: Path, heading: str) -> list[Command]:
    """The commands below a heading of a page, up to the next one of its kind."""
    part = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found: list[Command] = []
    for block in re.findall(r"^```console\n(.*?)^```", part, re.MULTILINE | re.DOTALL):
        waiting = ""
        for line in block.splitlines():
            if waiting:
                found[-1].text += "\n" + line
                waiting = "" if line == waiting else waiting
            elif line.startswith("$ "):
                found.append(Command(line[2:]))
                begun = re.search(r"<<'(\w+)'", line)
                waiting = begun.group(1) if begun else ""
            else:
                found[-1].shown.append(line)
    return found


def manifests(page: Path, heading: str) -> list[dict[str, Any]]:
    """The objects that the commands below a heading apply."""
    texts = [one.text for one in commands(page, heading) if one.text.startswith("kubectl apply ")]
    return [document for text in texts for document in yaml.safe_load_all("\n".join(text.splitlines()[1:-1]))]


def cells(notebook: Path = NOTEBOOK) -> dict[str, str]:
    """The cells of code of a notebook, by their ids, in their order."""
    told = json.loads(notebook.read_text(encoding="utf-8"))
    return {cell["id"]: "".join(cell["source"]) for cell in told["cells"] if cell["cell_type"] == "code"}
