# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Components of earlier days: which of their objects something of today stands in for.

Pure functions on the catalogue and on objects. An entry's field ``heritage`` names old objects, the component that
succeeds them (or none), and why.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ..manifests.load import Item
from .catalogue import Component

SUCCESSORS, AS_IS = "successors", "as_is"

_DEFINITION = "CustomResourceDefinition/"


def settled(catalogue: Mapping[str, Component], way: str) -> dict[str, Component]:
    """The catalogue as the user wants old components.

    With ``successors`` an old component needs its successors and owns no longer the CRDs that are left out; with
    ``as_is`` it is like any other one.
    """
    return {
        name: dataclasses.replace(component, heritage=()) if way == AS_IS else _with_successors(component)
        for name, component in catalogue.items()
    }


def _with_successors(component: Component) -> Component:
    successors = [entry.successor for entry in component.heritage if entry.successor]
    if not successors:
        return component
    gone = left_out(component)
    needs = dataclasses.replace(
        component.needs, components=tuple(dict.fromkeys([*component.needs.components, *successors]))
    )
    return dataclasses.replace(
        component,
        needs=needs,
        crds=tuple(name for name in component.crds if _DEFINITION + name not in gone),
        workloads=tuple(load for load in component.workloads if f"{load.kind}/{load.name}" not in gone),
        small=tuple(tuning for tuning in component.small if f"{tuning.kind}/{tuning.name}" not in gone),
    )


def with_params(catalogue: Mapping[str, Component], params: Mapping[str, Mapping[str, Any]]) -> dict[str, Component]:
    """The catalogue with the user's parameters of ksonnet components.

    :raises ValueError: naming a component that is none of the engine ksonnet.
    """
    made = dict(catalogue)
    for name, values in params.items():
        component = catalogue.get(name)
        if component is None or not component.ksonnet:
            known = ", ".join(other.name for other in catalogue.values() if other.ksonnet)
            raise ValueError(
                f"kubeflow_ksonnet_params names {name}, which is not a ksonnet component; there are {known}."
            )
        if not isinstance(values, Mapping):
            raise ValueError(f"kubeflow_ksonnet_params of {name} must be a mapping of parameters to values.")
        ksonnet = {**component.ksonnet, "params": {**component.ksonnet["params"], **values}}
        made[name] = dataclasses.replace(component, ksonnet=ksonnet)
    return made


def left_out(component: Component) -> set[str]:
    """``Kind/name`` of what has a successor."""
    return {name for entry in component.heritage if entry.successor for name in entry.objects}


def without(component: Component, items: Iterable[Item]) -> tuple[list[Item], list[str]]:
    """The objects that are installed, and sentences about what has a successor and what has none.

    An object that the manifests do not have is no mistake: parameters decide which ones an app makes.
    """
    items = list(items)
    gone = left_out(component)
    kept = [item for item in items if f"{item.kind}/{item.name}" not in gone]
    there = {f"{item.kind}/{item.name}" for item in items}
    sentences = [
        dataclasses.replace(entry, objects=present).sentence()
        for entry in component.heritage
        if (present := tuple(name for name in entry.objects if name in there))
    ]
    return kept, sentences
