"""One contract for facts: whoever needs them looks by the same task, and what is looked for stands in one place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"
LOOK = "bramble.kube.pi_facts"


@pytest.mark.parametrize("role", ["base", "docker", "kubeadm", "node"])
def test_a_role_looks_at_a_pi_only_if_nothing_has_yet_and_then_for_everything(role: str) -> None:
    tasks = yaml.safe_load((ROLES / role / "tasks/main.yml").read_text())
    (look,) = [task for task in tasks if LOOK in task]
    assert look["when"] == "ansible_facts.pi_complete is not defined"
    assert set(look[LOOK] or {}) <= {"first_boot_timeout"}, "what to look for is in module_utils/pi/facts.py"
    assert look["become"] is True


def test_packages_and_services_to_look_for_are_named_nowhere_else() -> None:
    folder = ROLES.parent
    for path in [*folder.glob("roles/*/tasks/*.yml"), *folder.glob("playbooks/**/*.yml")]:
        text = path.read_text()
        for part in text.split(LOOK + ":")[1:]:
            options = part.split("\n\n")[0]
            assert "packages:" not in options and "services:" not in options, path


def test_no_role_reads_what_another_role_has_registered() -> None:
    """What the tasks of one role found out reaches another role as facts, or as an entry point's option."""
    texts = {path: path.read_text() for path in ROLES.rglob("*") if path.suffix in (".yml", ".j2")}
    registered = {
        (path.parts[-3], name) for path, text in texts.items() for name in re.findall(r"register: (\w+)", text)
    }
    assert len(registered) > 20
    found = [
        f"{path}: {name} of {role}"
        for path, text in texts.items()
        for role, name in registered
        if path.relative_to(ROLES).parts[0] != role and re.search(rf"\.{name}\b|\['{name}'\]", text)
    ]
    assert found == []


def test_each_file_of_tasks_that_is_named_is_there() -> None:
    for path in ROLES.glob("*/tasks/*.yml"):
        for task in yaml.safe_load(path.read_text()) or []:
            for word in ("import_tasks", "include_tasks"):
                name = task.get(f"ansible.builtin.{word}")
                assert not isinstance(name, str) or "{{" in name or (path.parent / name).exists(), f"{path}: {name}"
