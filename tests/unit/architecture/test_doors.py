# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doors between roles: what is used from elsewhere is a declared entry point, and takes what it declares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
SPECS = {
    role: yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())["argument_specs"]
    for role in ROLES
}


def tasks(node: Any) -> Iterator[dict]:
    """Every task of a play or a file of tasks, those in blocks, too."""
    if isinstance(node, list):
        for entry in node:
            yield from tasks(entry)
    elif isinstance(node, dict):
        yield node
        for key in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
            yield from tasks(node.get(key))


def uses() -> Iterator[tuple[Path, str, str, dict]]:
    """Each use of a role's entry point: where, which role, which entry point, and what is handed over."""
    for path in sorted([*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/**/*.yml")]):
        for task in tasks(yaml.safe_load(path.read_text())):
            for word in ("import_role", "include_role"):
                options = task.get(f"ansible.builtin.{word}")
                if not options:
                    continue
                names = [options["name"].removeprefix("bramble.kube.")]
                if names == ["{{ item }}"]:
                    names = task["loop"]
                entry = options.get("tasks_from", "main")
                entries = re.findall(r"'(\w+)'", entry) if "{{" in entry else [entry]
                for name in names:
                    for one in entries:
                        yield path, name, one, task.get("vars") or {}


USES = list(uses())


@pytest.mark.parametrize(("path", "role", "entry", "given"), USES, ids=[f"{p.stem}-{r}-{e}" for p, r, e, _ in USES])
def test_an_entry_point_is_declared_and_takes_what_is_handed_over(path, role, entry, given) -> None:
    assert entry in SPECS[role], f"{path} uses {role}'s {entry}, which its argument_specs.yml does not have"
    taken = set(SPECS[role][entry].get("options") or {}) | set(SPECS[role]["main"]["options"])
    foreign = [name for name in given if name.startswith(f"{role}_") and path.parts[-3] != role]
    inner = [name for name in foreign if name not in taken]
    assert not inner, f"{path} sets {inner}, which are {role}'s own"


@pytest.mark.parametrize("role", ROLES)
def test_a_declared_entry_point_is_there_and_used(role) -> None:
    for entry in SPECS[role]:
        assert (ROOT / f"roles/{role}/tasks/{entry}.yml").exists()
        assert entry == "main" or [use for use in USES if use[1:3] == (role, entry)], f"nobody uses {role}'s {entry}"


def test_no_role_sets_a_variable_of_another_one() -> None:
    """Neither by vars, defaults, set_fact nor register."""
    for path in ROOT.glob("roles/*/**/*.yml"):
        own = path.relative_to(ROOT / "roles").parts[0]
        document = yaml.safe_load(path.read_text())
        names = set(document) if isinstance(document, dict) and path.parent.name != "meta" else set()
        for task in tasks(document) if isinstance(document, list) else ():
            names |= set(task.get("ansible.builtin.set_fact") or {}) | {task.get("register") or ""}
        others = tuple(f"{role}_" for role in ROLES if role != own)
        assert not [name for name in names if name.startswith(others)], path


def test_no_run_prints_that_it_validates_arguments() -> None:
    """Playbooks check all roles' variables first (playbooks/inventory.yml), with a sentence for each that is wrong."""
    for path in sorted([*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/**/*.yml")]):
        for task in tasks(yaml.safe_load(path.read_text())):
            assert not task.get("roles"), f"{path}: import_role with rolespec_validate"
            for word in ("import_role", "include_role"):
                options = task.get(f"ansible.builtin.{word}") or {"rolespec_validate": False}
                assert options.get("rolespec_validate") is False, f"{path}: {options}"


def test_no_loop_prints_sentences_of_what_is_not_wrong() -> None:
    for path in sorted([*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/**/*.yml")]):
        for task in tasks(yaml.safe_load(path.read_text())):
            words = task.get("ansible.builtin.assert") or task.get("ansible.builtin.fail")
            assert not (words and "loop" in task), f"{path}: {task['name']}"
