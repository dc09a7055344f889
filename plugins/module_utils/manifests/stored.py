# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Before a CRD loses a version in which objects may be stored or were applied, they are rewritten, or it is refused.

A CRD's status.storedVersions names every version in which an object may be stored; the API server refuses a CRD that
lacks one of them, and nothing but a write of each object brings it into another. The order is that of Kubernetes' own
page on versions of CRDs: another storage version, rewrite every object, take the old one from the status. Entries of
managedFields name a version, too, and server-side apply of an object fails where the CRD does not have it any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from ..common.wording import counted, listing
from .client import FIELD_MANAGER, Client
from .errors import ApiError, ManifestError
from .load import Item
from .prune import METADATA_ONLY, listed
from .retry import Wave, call

Get = Callable[..., Any]
MERGE_PATCH = "application/merge-patch+json"
# How long one of several API servers may take to notice another storage version: as long as they give each other before
# a new CRD counts as established (k8s.io/apiextensions-apiserver, pkg/apiserver).
SETTLE = 5.0


@dataclass(frozen=True)
class Move:
    """What has to be done before a CRD can be replaced.

    :ivar leaving: versions in which objects may be stored or were applied, and which the new CRD no longer has.
    :ivar target: the version in which all objects are stored afterwards.
    :ivar switch: whether `target` has to become the storage version first.
    :ivar convertible: whether the live CRD can bring objects into `target`.
    :ivar kind: the kind that the CRD defines.
    :ivar objects: how many there are.
    """

    leaving: tuple[str, ...]
    target: str
    switch: bool = False
    convertible: bool = True
    kind: str = ""
    objects: int = 0

    def told(self, check: bool = False) -> str:
        """What was or would be done, for the result."""
        done = "would be" if check else "was" if self.objects == 1 else "were"
        what = f"{counted(self.objects, self.kind)} {done} rewritten as {self.target}"
        return f"{what}, since the manifest no longer has {listing(self.leaving)}"


def needed(wanted: dict[str, Any], live: dict[str, Any]) -> Move | None:
    """Decide for one CRD, from the manifest and the live object; None when no version goes that objects may name."""
    new, old = _versions(wanted), _versions(live)
    stored = (live.get("status") or {}).get("storedVersions") or []
    leaving = tuple(n for n, version in old.items() if n not in new and (n in stored or version.get("served")))
    if not leaving or not _storage(new):
        return None
    if _storage(old) in new:
        return Move(leaving, _storage(old))
    target = _storage(new)
    return Move(leaving, target, switch=True, convertible=bool(old.get(target, {}).get("served")))


def _versions(definition: dict[str, Any]) -> dict[str, dict]:
    """Name → version of a CRD; empty when it is not of the right form, which the server says better."""
    spec = definition.get("spec")
    versions = spec.get("versions") if isinstance(spec, dict) else None
    named = [one for one in versions if isinstance(one, dict)] if isinstance(versions, list) else []
    return {one["name"]: one for one in named if isinstance(one.get("name"), str)}


def _storage(versions: dict[str, dict]) -> str:
    return next((name for name, version in versions.items() if version.get("storage")), "")


def between(wanted: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """The new CRD with the versions that go still in it and the live one's conversion, so that both are understood."""
    new, old = _versions(wanted), _versions(live)
    kept = [{**version, "storage": False} for name, version in old.items() if name not in new]
    spec = {**wanted["spec"], "versions": [*wanted["spec"]["versions"], *kept]}
    conversion = live["spec"].get("conversion")
    return {**wanted, "spec": {**spec, "conversion": conversion} if conversion else spec}


def inspect(client: Client, get: Get, item: Item, live: dict[str, Any], path: str) -> Move | None:
    """Find out what one CRD needs and whether that can be done, without a change.

    :param path: path of the CRD.
    :raises ManifestError: when it cannot be done.
    """
    move = needed(item.object, live)
    if move is None:
        return None
    if not _served(live):
        raise ManifestError(
            f"{_gone(item, move)}, and the CRD on the cluster serves no version by which to rewrite them."
        )
    try:
        move = replace(move, kind=live["spec"]["names"]["kind"], objects=count(get, live, move.target))
        query = {"dryRun": "All", "fieldManager": FIELD_MANAGER}
        client.request("PATCH", path + "/status", query, {}, MERGE_PATCH, parse=False)
    except ApiError as error:
        if error.status != 403:
            raise
        raise ManifestError(
            f"{_gone(item, move)}, and converting them to {move.target} is not allowed: {error}."
        ) from None
    if not move.convertible and move.objects:
        raise ManifestError(
            f"{_gone(item, move)}, and the cluster's CRD does not serve {move.target}, so nothing could convert "
            f"{counted(move.objects, move.kind)}: first push a release whose CRD has both {listing(move.leaving)} and "
            f"{move.target}, or delete them."
        )
    return move


def _gone(item: Item, move: Move) -> str:
    return f"{item.label} at {item.where} no longer has {listing(move.leaving)}, in which objects may be stored"


def count(get: Get, live: dict[str, Any], version: str) -> int:
    """How many objects of a CRD there are.

    :param version: the version by which to ask, if it is served.
    """
    page = get(_collection(live, version), {"limit": 1}, METADATA_ONLY)
    return len(page.get("items") or []) + int((page.get("metadata") or {}).get("remainingItemCount") or 0)


def _served(live: dict[str, Any]) -> list[str]:
    return [name for name, version in _versions(live).items() if version.get("served")]


def _collection(live: dict[str, Any], version: str, namespace: str = "") -> str:
    served = _served(live)
    within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    names = live["spec"]["names"]
    return f"/apis/{live['spec']['group']}/{version if version in served else served[0]}{within}/{names['plural']}"


def restamped(metadata: dict[str, Any], leaving: tuple[str, ...], version: str) -> list[dict] | None:
    """The managedFields of an object with another version in place of those that go; None when none is in them."""
    managed = metadata.get("managedFields") or []
    old = [str(entry.get("apiVersion")).rpartition("/") for entry in managed]
    if not any(name in leaving for _group, _slash, name in old):
        return None
    return [
        {**entry, "apiVersion": f"{group}/{version}"} if name in leaving else entry
        for entry, (group, _slash, name) in zip(managed, old)
    ]


def rewrite(client: Client, live: dict[str, Any], move: Move, workers: int, timeout: float) -> None:
    """Have the server store every object again.

    A patch without content writes what is there now, so that nobody's change is lost, and writes nothing where the
    stored form is right already: a second run does what is left. With managedFields it holds for what was read alone.

    :raises ApiError: when the server refuses one.
    """

    def get(path: str, query: dict[str, Any], accept: str) -> Any:
        return call(lambda: client.get(path, query, accept), timeout)

    def store(metadata: dict[str, Any]) -> None:
        place = _collection(live, move.target, metadata.get("namespace") or "")
        path = f"{place}/{quote(metadata['name'], safe='')}"
        managed = restamped(metadata, move.leaving, move.target)
        body = {"metadata": {"managedFields": managed, "resourceVersion": metadata["resourceVersion"]}}
        try:
            query = {"fieldManager": FIELD_MANAGER}
            client.request("PATCH", path, query, body if managed else {}, MERGE_PATCH, parse=False)
        except ApiError as error:
            if error.status == 409:
                metadata.update(client.get(path)["metadata"])
            if error.status != 404:
                raise

    # All names first, since a list that is read while thousands of objects are written can expire.
    found = [entry["metadata"] for entry in listed(get, _collection(live, move.target), "")]
    for outcome in Wave(store, workers, timeout).run(found):
        if isinstance(outcome.error, ApiError):
            name = "/".join(filter(None, (outcome.task.get("namespace"), outcome.task["name"])))
            said = f"{move.kind} {name} cannot be rewritten as {move.target}: {outcome.error}"
            raise ApiError(outcome.error.status, {"reason": outcome.error.reason, "message": said})
        if outcome.error is not None:
            raise outcome.error


def settle(client: Client, path: str, target: str, timeout: float) -> None:
    """Take the versions that nothing is stored in any more from a CRD's status.

    :param path: path of the CRD.
    :raises ApiError: 409 when something else is its storage version by now.
    """

    def attempt() -> None:
        found = client.get(path)
        if _storage(_versions(found)) != target:
            raise ApiError(409, {"message": f"{target} is no longer the storage version"})
        version = {"resourceVersion": found["metadata"]["resourceVersion"]}
        body = {"metadata": version, "status": {"storedVersions": [target]}}
        client.request("PATCH", path + "/status", {"fieldManager": FIELD_MANAGER}, body, MERGE_PATCH, parse=False)

    call(attempt, timeout)
