# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Which components of the catalogue a cluster gets, in which order, and which cannot be together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .catalogue import CatalogueError, Component
from .fields import Fields

PRESENT, ABSENT = "present", "absent"
KEEP, DELETE = "keep", "delete"


@dataclass(frozen=True)
class Chosen:
    """One component that is to be there, or not.

    :ivar needed_by: the components that need it, where nobody named it.
    :ivar data: whether its data volumes are kept (``keep``) when it goes, or deleted.
    """

    component: Component
    state: str = PRESENT
    data: str = KEEP
    needed_by: tuple[str, ...] = ()


def choose(catalogue: Mapping[str, Component], wanted: object, provided: Iterable[str] = ()) -> list[Chosen]:
    """Components in the order in which they are pushed: what others need comes first, what goes comes last.

    :param wanted: names, or mappings with ``name``, ``state`` (present, absent) and ``data`` (keep, delete).
    :param provided: components that the cluster has by other means, so that nobody's need brings them.
    :raises CatalogueError: an unknown name, a name twice, a need that is absent, needs in a circle.
    """
    problems: list[str] = []
    named = _read(catalogue, wanted, problems)
    for name in provided:
        if name not in catalogue:
            problems.append(
                f"kubeflow_provided names {name}, which the catalogue does not have{near(name, catalogue)}."
            )
    if problems:
        raise CatalogueError("\n".join(problems))
    ordered: list[str] = []
    for name, chosen in named.items():
        if chosen.state == PRESENT:
            _visit(name, catalogue, set(provided) - set(named), ordered, ())
    present = []
    for name in ordered:
        users = tuple(other for other in ordered if name in catalogue[other].needs.components)
        if name in named and named[name].state == ABSENT:
            raise CatalogueError(f"kubeflow_components wants {name} absent, but {', '.join(users)} needs it.")
        present.append(named.get(name) or Chosen(catalogue[name], needed_by=users))
    return present + _leaving(catalogue, [chosen for chosen in named.values() if chosen.state == ABSENT])


def _leaving(catalogue: Mapping[str, Component], absent: list[Chosen]) -> list[Chosen]:
    """What goes, in the order in which it goes: before that which it needs."""
    ordered: list[str] = []
    for chosen in absent:
        _visit(chosen.component.name, catalogue, set(), ordered, ())
    return sorted(absent, key=lambda chosen: -ordered.index(chosen.component.name))


def _read(catalogue: Mapping[str, Component], wanted: object, problems: list[str]) -> dict[str, Chosen]:
    named: dict[str, Chosen] = {}
    if not isinstance(wanted, (list, tuple)):
        raise CatalogueError("kubeflow_components must be a list of components.")
    for number, item in enumerate(wanted):
        fields = Fields(f"kubeflow_components[{number}]", {"name": item} if isinstance(item, str) else item, problems)
        name = fields.text("name", required=True)
        state = fields.choice("state", (PRESENT, ABSENT), default=PRESENT)
        data = fields.choice("data", (KEEP, DELETE), default=KEEP)
        fields.done()
        if name and name not in catalogue:
            problems.append(
                f"kubeflow_components names {name}, which the catalogue does not have{near(name, catalogue)}."
            )
        elif name in named:
            problems.append(f"kubeflow_components names {name} twice.")
        elif name:
            named[name] = Chosen(catalogue[name], state, data)
    return named


def near(name: str, catalogue: Iterable[str]) -> str:
    """The end of a sentence about an unknown component: which one was probably meant."""
    alike = difflib.get_close_matches(name, catalogue, n=1)
    return f"; did you mean {alike[0]}" if alike else f"; it has {', '.join(catalogue)}"


def _visit(
    name: str, catalogue: Mapping[str, Component], skipped: set[str], ordered: list[str], way: tuple[str, ...]
) -> None:
    """Put what a component needs before it."""
    if name in way:
        circle = " needs ".join([*way[way.index(name) :], name])
        raise CatalogueError(f"The catalogue's needs form a circle: {circle}.")
    if name in ordered or (way and name in skipped):
        return
    for need in catalogue[name].needs.components:
        _visit(need, catalogue, skipped, ordered, (*way, name))
    ordered.append(name)


def shared_definitions(owned: Mapping[str, Iterable[str]]) -> list[str]:
    """One sentence for each CRD that two components own.

    :param owned: component → names of its CRDs.
    """
    owners: dict[str, list[str]] = {}
    for component, definitions in owned.items():
        for name in dict.fromkeys(definitions):
            owners.setdefault(name, []).append(component)
    by_owners: dict[tuple[str, ...], list[str]] = {}
    for name, components in owners.items():
        if len(components) > 1:
            by_owners.setdefault(tuple(components), []).append(name)
    return [
        f"{' and '.join(components)} both own the CRD{'s' if len(shared) > 1 else ''} {', '.join(shared)}; "
        "a cluster can have one of them: take the other out of kubeflow_components."
        for components, shared in by_owners.items()
    ]
