# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Takes a component away: its set's members and nothing else; data stays unless asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from ..manifests import apply as applying
from ..manifests import order, prune
from ..manifests.applyset import ApplySet
from ..manifests.client import JSON, Client
from ..manifests.discovery import Resource
from ..manifests.errors import ApiError, ManifestError
from ..manifests.load import Item
from ..manifests.plan import Options, Plan
from ..manifests.result import FAILED, PRUNED, Entry
from ..manifests.retry import Wave, call
from .catalogue import Volumes
from .choice import DELETE, Chosen
from .diff import apply_set_of
from .prepare import password_namespace

Get = Callable[..., Any]
_CLAIM = Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims", True)
_KEPT = ("PersistentVolumeClaim", "PersistentVolume")


def remove(client: Client, get: Get, chosen: Chosen, options: Options) -> tuple[list[Entry], list[str]]:
    """Delete what a component put on the cluster.

    Volume claims, and CRDs of which somebody else's objects exist, stay unless ``data`` is ``delete``; the set is then
    kept for them, so that a later run finds them.

    :returns: what happened to each object, and what stays, in sentences.
    """
    apply_set = apply_set_of(chosen.component.name)
    plan = Plan(
        client,
        [],
        dataclasses.replace(
            options, apply_set=apply_set.name, apply_set_namespace=apply_set.namespace, prune=True, wait=False
        ),
    )
    plan.make()
    if plan.apply_set is None or plan.apply_set.parent is None:
        return [], []
    doomed, kept, notes = plan.doomed, [], []
    if chosen.data == DELETE:
        for volumes in chosen.component.volumes:
            doomed += _claims(get, volumes, doomed)
    else:
        doomed, kept = _divide(get, doomed, apply_set, notes)
        notes += _standing_volumes(get, chosen, kept)
        if any(item.kind in _KEPT for item, _resource, _document in kept):
            doomed, kept = _keep_passwords(chosen, doomed, kept, notes)
    entries = _delete(client, doomed, options)
    if any(entry.action == FAILED for entry in entries):
        return entries, notes
    if not options.check:
        _write_parent(client, plan.apply_set, kept, options)
    return entries, notes


def _divide(get: Get, doomed: list[Any], apply_set: ApplySet, notes: list[str]) -> tuple[list[Any], list[Any]]:
    """What goes, and what stays for the sake of data."""
    goes, stays = [], []
    for entry in doomed:
        item, _resource, _document = entry
        reason = ""
        if item.kind in _KEPT:
            reason = "it holds data"
        elif item.kind == "CustomResourceDefinition":
            found = prune.strangers(get, item.name, apply_set)
            reason = found and f"{found} would be deleted with it"
        if reason:
            stays.append(entry)
            notes.append(f"{item.label} stays, because {reason}; data: delete removes it, too")
        else:
            goes.append(entry)
    return goes, stays


def _keep_passwords(
    chosen: Chosen, doomed: list[Any], kept: list[Any], notes: list[str]
) -> tuple[list[Any], list[Any]]:
    """The passwords that a database in the volumes knows stay with it."""
    component = chosen.component
    names = {
        (password_namespace(component, password), password.name)
        for password in component.passwords
        if password.with_data
    }
    stays = [entry for entry in doomed if entry[0].kind == "Secret" and (entry[0].namespace, entry[0].name) in names]
    for item, _resource, _document in stays:
        notes.append(f"{item.label} stays, because it opens the data that stays; data: delete removes it, too")
    return [entry for entry in doomed if entry not in stays], kept + stays


def _claims(get: Get, volumes: Volumes, known: list[Any]) -> list[Any]:
    """Volume claims that were made at run time, such as one for each user."""
    names = {item.identity for item, _resource, _document in known}
    found = []
    for document in _listed_claims(get, volumes):
        item = Item(document, "cluster", 0)
        if item.identity not in names:
            found.append((item, _CLAIM, document))
    return found


def _listed_claims(get: Get, volumes: Volumes) -> list[dict]:
    try:
        page = get(_CLAIM.collection(volumes.namespace), {"labelSelector": volumes.selector})
    except ApiError as error:
        if error.status == 404:
            return []
        raise
    return [dict(entry, apiVersion="v1", kind="PersistentVolumeClaim") for entry in page.get("items") or []]


def _standing_volumes(get: Get, chosen: Chosen, kept: list[Any]) -> list[str]:
    """Sentences on claims that are no members and stay."""
    names = {item.identity for item, _resource, _document in kept}
    notes = []
    for volumes in chosen.component.volumes:
        for document in _listed_claims(get, volumes):
            item = Item(document, "cluster", 0)
            if item.identity not in names:
                notes.append(f"{item.label} stays, because it holds data; data: delete removes it, too")
    return notes


def _delete(client: Client, doomed: list[Any], options: Options) -> list[Entry]:
    """In the opposite order of a push: who uses goes before what is used."""
    waves: dict[int, list[Any]] = {}
    for entry in doomed:
        waves.setdefault(order.wave_of(entry[0]), []).append(entry)

    def delete(entry: Any) -> Entry:
        item, resource, document = entry
        prune.delete(client, item, resource, options.check)
        return Entry(item, PRUNED, before=document)

    entries: list[Entry] = []
    for _wave, members in sorted(waves.items(), reverse=True):
        for outcome in Wave(delete, options.workers, options.timeout).run(members):
            if outcome.error is None:
                entries.append(outcome.value)
            else:
                entries.append(Entry(outcome.task[0], FAILED, applying.sentence(outcome.error, outcome.task[0])))
        if any(entry.action == FAILED for entry in entries):
            break
    return entries


def _write_parent(client: Client, apply_set: ApplySet, kept: list[Any], options: Options) -> None:
    """The set shrinks to what stays, or goes."""
    items = [item for item, _resource, _document in kept]
    if items:
        kinds, namespaces = apply_set.wanted(items)
        call(lambda: apply_set.write(client, kinds, namespaces), options.timeout)
        return
    uid = (apply_set.parent or {}).get("metadata", {}).get("uid")
    if not uid:
        raise ManifestError(f"The set {apply_set.name} has no uid.")
    body = {"preconditions": {"uid": uid}}
    try:
        call(lambda: client.request("DELETE", apply_set.path, None, body, JSON, parse=False), options.timeout)
    except ApiError as error:
        if error.status != 404:
            raise
