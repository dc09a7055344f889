# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One API server with the role's rules for all tests of the loop, and everybody who asks it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from apiserver import ApiServer

sys.path.insert(0, str(Path(__file__).resolve().parent))

from loop_api import PEOPLE, PROGRAMS, Person, proof, push_rules, rules, wait_for_gate


@pytest.fixture(scope="session")
def bare() -> Iterator[ApiServer]:
    """An API server with nothing of ours, and a certificate for each person: a name, and no group."""
    server = ApiServer()
    try:
        server.start()
        for person in PEOPLE:
            server.make_user(person["name"], f"/CN={person['name']}")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def api(bare: ApiServer) -> ApiServer:
    """The API server with the role's rules, in force."""
    push_rules(bare, rules())
    wait_for_gate(bare)
    return bare


@pytest.fixture(scope="session")
def people(api: ApiServer) -> dict[str, Person]:
    """Everybody by name: people, programs, and the administrator."""
    found = {name: Person(api, name) for name in ("admin", *(person["name"] for person in PEOPLE))}
    for program in PROGRAMS:
        token = api.kubectl("create", "token", program, "-n", "loop").strip()
        found[program] = Person(api, token=token)
    return found


@pytest.fixture
def ready(people: dict[str, Person]) -> Callable[..., str]:
    """`ready("digits")` → the name of a release that ada asked for and hand has checked."""

    def make(model: str = "digits", scores: dict[str, float] | None = None, by: str = "ada", **evidence: Any) -> str:
        name = people[by].release(model, by)
        people["hand"].change(name, {"evidence": proof(scores, **evidence)})
        return name

    return make
