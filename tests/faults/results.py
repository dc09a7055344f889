# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fault runs found: one line of JSON for each try, and the table that is made of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

BEGIN = "<!-- begin of the table made by tests/faults/run -->"
END = "<!-- end of that table -->"


@dataclass(frozen=True)
class Try:
    """One fault, tried once.

    :ivar fault: its title, as in the table.
    :ivar key: by which a later run knows that this try was made, such as "cut 17 of seed 4711".
    :ivar survived: whether the end state was right in the end, without a manual step.
    :ivar message: what the run said while the fault lasted; empty when it got through.
    :ivar seconds: that the whole try took.
    :ivar trouble: what was wrong, when it did not survive.
    """

    fault: str
    key: str
    survived: bool
    message: str
    seconds: float
    trouble: str = ""


def load(path: Path) -> list[Try]:
    """Tries of earlier runs."""
    if not path.exists():
        return []
    return [Try(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line]


def together(*several: Iterable[Try]) -> list[Try]:
    """Tries of several runs in their order, each one once."""
    return list(dict.fromkeys(one for tries in several for one in tries))


def record(path: Path, tries: Iterable[Try]) -> None:
    """Write all tries anew."""
    path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in tries), encoding="utf-8")


def save(path: Path, made: Try) -> None:
    """Add one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(made)) + "\n")


def failure_of(output: str) -> str:
    """The sentence by which a playbook's run stopped, without the names of machines' temporary things.

    :param output: what ansible-playbook printed.
    :returns: empty when nothing failed.
    """
    blocks = re.split(r"\n(?=\[ERROR\]|fatal: |TASK \[|PLAY |changed: |ok: |skipping: |included: |PLAY RECAP)", output)
    for block in reversed(blocks):
        if not block.startswith("fatal: "):
            continue
        found = re.search(r"^\s+msg: ?(?:[|>][-+0-9]*\n)?(.*?)(?=\n\s{4}\w+:|\Z)", block, re.MULTILINE | re.DOTALL)
        text = found.group(1) if found else block.partition("=>")[2]
        return " ".join(text.split()).strip("'\"")
    return ""


def table(tries: Iterable[Try]) -> str:
    """The table of faults, in the order in which they were first tried.

    A try that was not survived is left out when the same one was survived later, for then its cause has been repaired.
    """
    of: dict[str, list[Try]] = {}
    tries = list(tries)
    for at, one in enumerate(tries):
        if not one.survived and any(later.survived and later.key == one.key for later in tries[at:]):
            continue
        of.setdefault(one.fault, []).append(one)
    lines = ["| fault | tries | survived | what the run said, the last time it stopped |", "|---|---|---|---|"]
    for fault, made in of.items():
        said = next((one.message for one in reversed(made) if one.message), "nothing: it got through")
        said = said if len(said) <= 400 else said[:397] + "…"
        survived = sum(one.survived for one in made)
        lines.append(f"| {fault} | {len(made)} | {survived} | {said.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def write_table(page: Path, tries: Iterable[Try]) -> None:
    """Put the table between its marks in a page."""
    text = page.read_text(encoding="utf-8")
    before, found, rest = text.partition(BEGIN)
    _old, found_end, after = rest.partition(END)
    if not found or not found_end:
        raise ValueError(f"{page} has lost the marks of the table: {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{table(tries)}\n{END}{after}", encoding="utf-8")
