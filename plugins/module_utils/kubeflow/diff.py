# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Finds out which components are as wanted, with one LIST for each kind and namespace of all of them together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..manifests import apply as applying
from ..manifests import compare, order, waiting
from ..manifests import existing as living
from ..manifests import transform as shape
from ..manifests.applyset import ADDITIONAL, CONTAINS, ID_LABEL, PART_OF_LABEL, ApplySet, group_kind
from ..manifests.client import Client
from ..manifests.discovery import Discovery, Resource
from ..manifests.load import Item
from .prepare import Prepared

# The sets' parents are where no component can take them along when it goes.
PARENT_NAMESPACE = "kube-system"
PARENTS = f"/api/v1/namespaces/{PARENT_NAMESPACE}/configmaps"

Get = Callable[..., Any]


def apply_set_of(component: str) -> ApplySet:
    """The set (KEP-3659) that holds a component's objects."""
    return ApplySet(f"bramble-{component}", PARENT_NAMESPACE)


@dataclass
class Looked:
    """What a look found.

    :ivar pending: components of which something has to be written, or that only a push can judge.
    :ivar namespaces: namespaces that have to be written.
    :ivar not_ready: component → objects that are as wanted but not ready.
    :ivar parents: names of the sets that there are.
    :ivar rewritten: component → what was rewritten because this server does not serve its version any more.
    """

    pending: set[str] = field(default_factory=set)
    namespaces: set[str] = field(default_factory=set)
    not_ready: dict[str, list[Any]] = field(default_factory=dict)
    parents: set[str] = field(default_factory=set)
    rewritten: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def look(get: Get, client: Client, components: Iterable[Prepared], namespaces: Iterable[Item]) -> Looked:
    """Compare components with the cluster; nothing is written.

    The objects get the namespace and the label of their set that a push would give them.
    """
    return _Look(get, client, list(components), list(namespaces)).run()


class _Look:
    def __init__(self, get: Get, client: Client, components: list[Prepared], namespaces: list[Item]) -> None:
        self.get = get
        self.client = client
        self.components = components
        self.namespaces = namespaces
        self.discovery = Discovery(get)
        self.found = Looked()
        self.owner: dict[int, Prepared] = {}
        self.sets = {component.name: apply_set_of(component.name) for component in components}
        self.seen: set[int] = set()
        self.unsure: list[tuple[Item, Resource, dict]] = []
        self._lock = threading.Lock()

    def run(self) -> Looked:
        if self.components:
            self._look_at_components()
        self._look_at_namespaces()
        return self.found

    def _look_at_components(self) -> None:
        items = [item for component in self.components for item in component.items]
        self.discovery.load([item.api_version for item in items])
        scopes = order.defined_scopes(items)
        for component in self.components:
            self._modernize(component, scopes)
        items = [item for component in self.components for item in component.items]
        self.owner = {id(item): component for component in self.components for item in component.items}

        def namespaced(item: Item) -> bool | None:
            known = order.known_scope(item.group, item.kind, scopes)
            if known is None:
                resource = self.discovery.find(item.api_version, item.kind)
                return resource.namespaced if resource else None
            return known

        for component in self.components:
            shape.set_namespaces(component.items, namespaced, component.component.namespace)
            for item in component.items:
                shape.settle(item)
            shape.set_labels(component.items, {PART_OF_LABEL: self.sets[component.name].id})
        wanted = []
        for item in items:
            resource = self.discovery.find(item.api_version, item.kind)
            if resource is None:
                self.found.pending.add(self.owner[id(item)].name)
            else:
                wanted.append((item, resource))
        self._look_at_parents()
        identities = ",".join(sorted(entry.id for entry in self.sets.values()))
        living.read(self.get, wanted, self._visit, f"{PART_OF_LABEL} in ({identities})", self._other)
        self._ask_about_unsure()
        for item, _resource in wanted:
            if id(item) not in self.seen:
                self.found.pending.add(self.owner[id(item)].name)

    def _modernize(self, component: Prepared, scopes: Container[tuple[str, str]]) -> None:
        def unserved(item: Item) -> bool:
            return (item.group, item.kind) not in scopes and not self.discovery.serves(item.api_version, item.kind)

        if any(unserved(item) for item in component.items):
            from ..manifests import modernize  # a table that few components need

            component.items[:], rewritten = modernize.modernize(component.items, unserved, self.discovery.serves)
            self.found.rewritten[component.name] = rewritten

    def _look_at_parents(self) -> None:
        """A set whose parent is missing, or names other kinds than are wanted, is for a push to bring in order."""
        live = self.get(PARENTS, {"labelSelector": ID_LABEL}).get("items") or []
        parents = {entry["metadata"]["name"]: entry["metadata"].get("annotations") or {} for entry in live}
        self.found.parents = set(parents)
        for component in self.components:
            apply_set = self.sets[component.name]
            kinds, spaces = apply_set.wanted(component.items)
            annotations = parents.get(apply_set.name)
            if (
                annotations is None
                or annotations.get(CONTAINS) != ",".join(sorted(group_kind(*pair) for pair in kinds))
                or (annotations.get(ADDITIONAL) or "") != ",".join(sorted(spaces))
            ):
                self.found.pending.add(component.name)

    def _visit(self, item: Item, live: dict) -> None:
        component = self.owner[id(item)]
        if (live["metadata"].get("labels") or {}).get(PART_OF_LABEL) != self.sets[component.name].id:
            return  # another set's, so that it counts as missing here
        verdict = compare.compare(item.object, live)
        resource = self.discovery.find(item.api_version, item.kind)
        with self._lock:
            self.seen.add(id(item))
            if verdict == compare.UNSURE and resource is not None:
                self.unsure.append((item, resource, live))
            elif verdict != compare.EQUAL:
                self.found.pending.add(component.name)
        predicate = waiting.predicate_for(item, component.component.ready.wait_for)
        if predicate is not None and resource is not None and not predicate(live)[0]:
            with self._lock:
                self.found.not_ready.setdefault(component.name, []).append((item, resource, predicate))

    def _ask_about_unsure(self) -> None:
        """What only the server can tell: a dry-run shows whether a write would change anything."""
        for item, resource, live in self.unsure:
            name = self.owner[id(item)].name
            if name not in self.found.pending:
                _status, after = applying.apply(self.client, item, resource, dry_run=True)
                if not applying.same(live, after):
                    self.found.pending.add(name)

    def _other(self, resource: Resource, live: dict) -> None:
        """A member that is not wanted any more."""
        identity = (live["metadata"].get("labels") or {}).get(PART_OF_LABEL)
        for name, apply_set in self.sets.items():
            if apply_set.id == identity and not _made_by_controller(live):
                with self._lock:
                    self.found.pending.add(name)

    def _look_at_namespaces(self) -> None:
        resource = Resource("v1", "Namespace", "namespaces", False)
        equal: set[str] = set()

        def visit(item: Item, live: dict) -> None:
            if compare.compare(item.object, live) == compare.EQUAL:
                equal.add(item.name)

        living.read(self.get, [(item, resource) for item in self.namespaces], visit)
        self.found.namespaces = {item.name for item in self.namespaces} - equal
        if self.found.namespaces:
            for component in self.components:
                if self.found.namespaces & {item.name for item in component.namespaces}:
                    self.found.pending.add(component.name)


def _made_by_controller(live: dict) -> bool:
    """Whether a controller made it and copied its owner's labels, as that of EndpointSlices does."""
    return bool(live["metadata"].get("ownerReferences"))
