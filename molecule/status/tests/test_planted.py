# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every item of the audit is tried against a violation planted on the lab; docs/security.md has what came of it.

BRAMBLE_WRITE_DOCS=1 writes the tables; without it they are compared.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tools" / "tables"), str(Path(__file__).parent)]

from marks import filled
from planted import GROUPS, Group
from troubles import Lab

WRITER = "molecule/status/tests/test_planted.py"
PLAYBOOK = f"""
- import_playbook: {ROOT}/playbooks/status.yml
- hosts: master
  gather_facts: false
  tasks:
    - name: Keep what was found
      ansible.builtin.copy:
        content: "{{{{ status_audited.audited | to_json }}}}"
        dest: "{{{{ lab_results }}}}"
        mode: "0600"
      delegate_to: localhost
      become: false
      run_once: true
      tags: [audit]
"""
#: What the tests of this file have found, for the tables.
DONE: dict[str, list[tuple[str, str]]] = {}
NEW: dict[str, str] = {}
SECONDS: list[float] = []


@pytest.fixture(scope="module")
def lab() -> Lab:
    """The scenario's Pis, or those of the inventory in BRAMBLE_INVENTORY."""
    own = os.environ.get("BRAMBLE_INVENTORY")
    return Lab(Path(own) if own else Path(__file__).resolve().parents[1] / "inventory")


def audited(lab: Lab, folder: Path) -> dict[str, dict[str, str]]:
    """The audit's results by item; it may change nothing."""
    playbook, results = folder / "audit.yml", folder / "results.json"
    playbook.write_text(PLAYBOOK)
    begun = time.monotonic()
    done = lab.play(str(playbook), "--tags", "audit", "--extra-vars", f"lab_results={results}")
    SECONDS.append(time.monotonic() - begun)
    assert results.exists(), done.stdout[-4000:] + done.stderr
    return {item["id"]: item for item in json.loads(results.read_text())}


def test_a_new_cluster_fails_nowhere(lab: Lab, tmp_path: Path) -> None:
    results = audited(lab, tmp_path)
    NEW.update({id_: item["verdict"] for id_, item in results.items()})
    bad = ("fail", "unknown")
    wrong = {id_: (item["verdict"], item["found"]) for id_, item in results.items() if item["verdict"] in bad}
    assert wrong == {}


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_what_is_planted_is_found(lab: Lab, tmp_path: Path, group: Group) -> None:
    missed = {violation.what for violation in group.violations}
    said: dict[str, tuple[str, str]] = {}
    with group.hurt(lab):
        for _attempt in range(3):  # a program that cannot live is not always there
            results = audited(lab, tmp_path)
            for violation in group.violations:
                items = [results[item] for item in violation.items.split()]
                said[violation.what] = tuple((item["id"], item["verdict"], item["found"][:300]) for item in items)
                if all(item["verdict"] == "fail" and violation.says in item["found"] for item in items):
                    missed.discard(violation.what)
            if not missed:
                break
    assert {what: said[what] for what in missed} == {}
    DONE[group.name] = [(violation.items, violation.what) for violation in group.violations]


def test_what_is_reverted_is_forgotten(lab: Lab, tmp_path: Path) -> None:
    if not NEW:
        pytest.skip("the new cluster was not looked at in this run")
    assert {id_: item["verdict"] for id_, item in audited(lab, tmp_path).items()} == NEW


def figures() -> str:
    """The verdicts on a new cluster, by number."""
    benchmark = Counter(verdict for id_, verdict in NEW.items() if not id_.startswith("B"))
    words = ", ".join(f"{benchmark[v]} {v}" for v in ("pass", "explained", "fail", "unknown", "not checked"))
    tried = sum(len(found) for found in DONE.values())
    return (
        f"Of the benchmark's {sum(benchmark.values())} items a new cluster has: {words}. "
        f"Violations planted, each found: {tried}."
    )


def table() -> str:
    """What was planted."""
    rows = [(items, what) for group in GROUPS for items, what in DONE[group.name]]
    lines = ["| planted | items that failed for it |", "|---|---|"]
    lines += [f"| {what.replace('|', chr(92) + '|')} | {items.replace(' ', ', ')} |" for items, what in rows]
    return "\n".join(lines)


def test_the_docs_have_what_was_found() -> None:
    if not NEW or set(DONE) != {group.name for group in GROUPS}:
        pytest.skip("not all of it was tried in this run")
    print(f"one audit took {min(SECONDS):.1f} to {max(SECONDS):.1f} s")
    counted = {"the audit's figures": figures()}
    for name, parts in {"security.md": {**counted, "violations": table()}, "reliability.md": counted}.items():
        page = ROOT / "docs" / name
        text = current = page.read_text(encoding="utf-8")
        for part, content in parts.items():
            current = filled(current, part, content, WRITER)
        if os.environ.get("BRAMBLE_WRITE_DOCS"):
            page.write_text(current, encoding="utf-8")
        else:
            assert text == current, f"docs/{name} is not what was found; BRAMBLE_WRITE_DOCS=1 writes it"
