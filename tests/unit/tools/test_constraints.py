"""What `make setup` and `make setup-dev` install is pinned by checksum, and is what the requirements ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]
PYTHONS = ("3.12.0", "3.13.0", "3.14.0")
MACHINES = ("x86_64", "aarch64")


def requirements(*names: str) -> list[Requirement]:
    """The requirements of these files."""
    lines = [line.strip() for name in names for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-r"))]


def locked(name: str = "constraints.txt") -> list[tuple[Requirement, list[str]]]:
    """The packages of a lock, each with its checksums."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    entries = [line.split("--hash=") for line in text.replace("\\\n", " ").splitlines()]
    return [(Requirement(name), [hash_.strip() for hash_ in hashes]) for name, *hashes in entries]


def name_of(requirement: Requirement) -> str:
    """A package's name as PyPI compares names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", requirement.name).lower()


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-docs.txt"])
def test_each_package_has_one_version_and_checksums(name: str) -> None:
    for requirement, hashes in locked(name):
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", hash_) for hash_ in hashes), requirement


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("machine", MACHINES)
def test_all_requirements_are_met(python: str, machine: str) -> None:
    environment = {
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "platform_machine": machine,
        "sys_platform": "linux",
        "os_name": "posix",
    }
    here = [entry for entry, _hashes in locked() if not entry.marker or entry.marker.evaluate(environment)]
    versions = {name_of(entry): str(entry.specifier).removeprefix("==") for entry in here}
    assert len(versions) == len(here), "two versions of one package"
    for wanted in requirements("requirements.txt", "requirements-run.txt", "requirements-dev.txt"):
        if not wanted.marker or wanted.marker.evaluate(environment):
            assert name_of(wanted) in versions, f"run tools/lock: {wanted} is not in constraints.txt"
            assert wanted.specifier.contains(versions[name_of(wanted)]), f"run tools/lock: {wanted}"


def test_what_runs_the_playbooks_is_a_part_of_it() -> None:
    whole = {name_of(entry): (str(entry.specifier), hashes) for entry, hashes in locked()}
    part = {name_of(entry): (str(entry.specifier), hashes) for entry, hashes in locked("constraints-run.txt")}
    assert {name: whole.get(name) for name in part} == part, "run tools/lock"
    assert {name_of(wanted) for wanted in requirements("requirements.txt", "requirements-run.txt")} <= set(part)
    assert not set(part) & {"pytest", "ruff", "molecule", "ansible-lint"}


def test_what_builds_the_site_lies_beside_it() -> None:
    whole = {name_of(entry) for entry, _hashes in locked()}
    beside = {name_of(entry) for entry, _hashes in locked("constraints-docs.txt")}
    assert {name_of(wanted) for wanted in requirements("requirements-docs.txt")} <= beside, "run tools/lock"
    assert not whole & beside, "run tools/lock"
