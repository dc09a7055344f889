# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Reads the live objects of a set with few requests: one LIST for each kind and namespace, GETs where those are fewer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterable

from .discovery import Resource
from .errors import ApiError
from .load import Item

PAGE = 500
FEW = 2  # up to so many objects of a kind and namespace are read one by one
GETS_PER_PAGE = 20  # a page of a LIST costs a server about as much as so many GETs

Get = Callable[..., Any]
Visit = Callable[[Item, dict], None]


def read(get: Get, wanted: Iterable[tuple[Item, Resource]], visit: Visit, selector: str = "", workers: int = 8) -> None:
    """Find the live object for each of the set's.

    :param get: ``get(path, query)`` returns the decoded body, retries included; raises ApiError.
    :param visit: called with each object that exists, and its live form, which is not kept here.
    :param selector: label selector that narrows the LISTs (an apply set's own label).
    """
    groups: dict[tuple[str, str, str], tuple[Resource, dict[str, Item]]] = {}
    for item, resource in wanted:
        key = (resource.api_version, resource.kind, item.namespace)
        groups.setdefault(key, (resource, {}))[1][item.name] = item
    jobs = [(resource, key[2], items) for key, (resource, items) in groups.items()]
    if not jobs:
        return
    with ThreadPoolExecutor(min(workers, len(jobs))) as pool:
        for _done in pool.map(lambda job: _read_group(get, visit, selector, *job), jobs):
            pass


def _read_group(
    get: Get, visit: Visit, selector: str, resource: Resource, namespace: str, items: dict[str, Item]
) -> None:
    missing = dict(items)
    if len(items) > FEW and not _list(get, visit, selector, resource, namespace, missing):
        return
    for name, item in missing.items():
        try:
            found = get(resource.path(name, namespace), None)
        except ApiError as error:
            if error.status == 404:
                continue
            raise
        visit(item, found)


def _list(get: Get, visit: Visit, selector: str, resource: Resource, namespace: str, missing: dict[str, Item]) -> bool:
    """Take from `missing` what the pages of a LIST show; True when the rest is better read one by one."""
    token = ""
    while True:
        query = {"limit": PAGE, "continue": token, "labelSelector": selector}
        try:
            page = get(resource.collection(namespace), query)
        except ApiError as error:
            if error.status in (403, 405, 410):
                # May get but not list, cannot be listed, or the list changed too much between two pages.
                return True
            if error.status == 404:
                return False
            raise
        for entry in page.get("items") or []:
            item = missing.pop(entry["metadata"]["name"], None)
            if item is not None:
                entry.setdefault("apiVersion", resource.api_version)
                entry.setdefault("kind", resource.kind)
                visit(item, entry)
        token = page["metadata"].get("continue") or ""
        if not token or not missing:
            return False
        pages = -(-int(page["metadata"].get("remainingItemCount") or 0) // PAGE)
        if pages * GETS_PER_PAGE > len(missing):
            return True
