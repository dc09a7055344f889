"""One contract for facts: whoever needs them looks by the same task, and what is looked for stands in one place."""

from __future__ import annotations

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


def test_each_file_of_tasks_that_is_named_is_there() -> None:
    for path in ROLES.glob("*/tasks/*.yml"):
        for task in yaml.safe_load(path.read_text()) or []:
            for word in ("import_tasks", "include_tasks"):
                name = task.get(f"ansible.builtin.{word}")
                assert not isinstance(name, str) or "{{" in name or (path.parent / name).exists(), f"{path}: {name}"
