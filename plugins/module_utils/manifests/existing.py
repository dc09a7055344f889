# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Reads a set's live objects with few requests: one LIST for each kind and namespace, GETs where those are fewer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..common.redact import foreign
from ..common.together import together
from .discovery import Resource
from .errors import ApiError
from .load import Item

PAGE = 500
FEW = 2  # up to so many objects of a kind and namespace are read one by one
GETS_PER_PAGE = 20  # a page of a LIST costs a server about as much as so many GETs

Get = Callable[..., Any]
Visit = Callable[[Item, dict], None]
Other = Callable[[Resource, dict], None]


def read(
    get: Get,
    wanted: Iterable[tuple[Item, Resource]],
    visit: Visit,
    selector: str = "",
    other: Other | None = None,
    workers: int = 8,
) -> set[tuple[str, str, str]]:
    """Find the live object for each of the set's.

    :param get: ``get(path, query)`` returns the decoded body, retries included; raises ApiError.
    :param visit: called with each object that exists, and its live form, which is not kept here.
    :param selector: label selector of the set's members. With it, everything is listed, never read one by one.
    :param other: called with each listed object that is not among the wanted ones.
    :returns: (group, kind, namespace) of what was listed to the end.
    """
    groups: dict[tuple[str, str, str], tuple[Resource, dict[str, Item]]] = {}
    for item, resource in wanted:
        key = (resource.api_version, resource.kind, item.namespace)
        groups.setdefault(key, (resource, {}))[1][item.name] = item
    readers = [
        _Group(get, visit, selector, other, resource, key[2], items) for key, (resource, items) in groups.items()
    ]
    listed = set()
    for reader, complete in zip(readers, together(_Group.read, readers, workers)):
        if complete:
            group = reader.resource.api_version.rpartition("/")[0]
            listed.add((group, reader.resource.kind, reader.namespace))
    return listed


NAMESPACE = Resource("v1", "Namespace", "namespaces", False)


def namespace(name: str) -> Item:
    """A namespace by its name alone, to be read."""
    return Item({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "cluster", 0)


def is_dying(document: dict) -> bool:
    """Whether an object is being deleted."""
    return bool(document.get("metadata", {}).get("deletionTimestamp"))


def conditions_of(document: dict) -> list[dict]:
    """The conditions in an object's status; those of custom resources may be of any form, which is none."""
    status = document.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    return [one for one in conditions if isinstance(one, dict)] if isinstance(conditions, list) else []


def held(document: dict) -> str:
    """What holds an object that is being deleted, to be told after that."""
    finalizers = list(document["metadata"].get("finalizers") or [])
    if document.get("kind") == "Namespace":
        told = [
            str(c.get("message")) for c in conditions_of(document) if c.get("status") == "True" and c.get("message")
        ]
        if told:
            return f", and not gone yet: {foreign('; '.join(told))}"
        spec = document.get("spec")
        finalizers += (spec.get("finalizers") if isinstance(spec, dict) else None) or []
    return f", and held by the finalizer {', '.join(map(str, finalizers))}" if finalizers else " and not gone yet"


class _Group:
    """The wanted objects of one kind in one namespace."""

    def __init__(
        self,
        get: Get,
        visit: Visit,
        selector: str,
        other: Other | None,
        resource: Resource,
        namespace: str,
        items: dict[str, Item],
    ) -> None:
        self.get = get
        self.visit = visit
        self.selector = selector
        self.other = other
        self.resource = resource
        self.namespace = namespace
        self.missing = dict(items)

    def read(self) -> bool:
        """Read this group; True when it was listed to the end."""
        if self.selector or len(self.missing) > FEW:
            complete = self._list()
            if complete is not None:
                return complete
        for name, item in self.missing.items():
            try:
                self.visit(item, self.get(self.resource.path(name, self.namespace), None))
            except ApiError as error:
                if error.status != 404:
                    raise
        return False

    def _list(self) -> bool | None:
        """Go through the pages: True at the end, False when all was found before, None when GETs are better."""
        token = ""
        while True:
            query = {"limit": PAGE, "continue": token, "labelSelector": self.selector}
            try:
                page = self.get(self.resource.collection(self.namespace), query)
            except ApiError as error:
                if error.status in (403, 405, 410):
                    # May get but not list; cannot be listed; or the list changed too much between two pages.
                    return None
                if error.status == 404:
                    return False
                raise
            for entry in page.get("items") or []:
                self._seen(entry)
            about = page.get("metadata") or {}
            token = about.get("continue") or ""
            if not token:
                return True
            if self.selector:
                continue
            if not self.missing:
                return False
            pages = -(-int(about.get("remainingItemCount") or 0) // PAGE)
            if pages * GETS_PER_PAGE > len(self.missing):
                return None

    def _seen(self, entry: dict) -> None:
        item = self.missing.pop(entry["metadata"]["name"], None)
        # Items of a LIST do not repeat these two.
        entry["apiVersion"], entry["kind"] = self.resource.api_version, self.resource.kind
        if item is not None:
            self.visit(item, entry)
        elif self.other is not None:
            self.other(self.resource, entry)
