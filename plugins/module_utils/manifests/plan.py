# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What a push will do, found out before the first change: paths, scopes, rewrites, live objects, verdicts."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from ..common.uncollected import uncollected
from . import clientside, compare, order, prune, takeover
from . import existing as living
from . import transform as shape
from .applyset import ID_LABEL, PART_OF_LABEL, ApplySet
from .client import Client, Fault
from .discovery import Discovery, Resource
from .errors import ApiError, ClusterError, ManifestError, Slips, Unreachable
from .load import Item
from .retry import call, get

SERVER_SIDE, CLIENT_SIDE, AUTO = "server_side", "client_side", "auto"
FIRST_SERVER_SIDE = (1, 22)  # server-side apply is stable since then


@dataclass
class Options:
    """What the caller wants; the names are those of the module's options."""

    namespace: str = ""
    apply_set: str = ""
    apply_set_namespace: str = ""  # where the set's parent is; by default in `namespace`
    apply_set_takeover: bool = False
    prune: bool = False
    prune_in_use: Collection[str] = ()  # CRDs and namespaces that may be pruned with what the set did not bring
    keep: Collection[str] = ()  # CRDs that are never pruned
    method: str = AUTO
    force_conflicts: bool = False
    take_over: list[str] = field(default_factory=list)
    recreate: bool = False
    drop_unknown_fields: bool = False
    modernize: bool = True
    wait: bool = False
    wait_timeout: float = 300.0
    wait_for: list[dict[str, Any]] = field(default_factory=list)
    workers: int = 8
    timeout: float = 120.0
    check: bool = False
    want_live: bool = False
    tell: Callable[[list[str]], None] | None = None  # what is waited for, every 20 seconds


class Plan:
    """The set with all that is known about it on this server.

    :ivar resources: ``id(item)`` → how the server serves its kind; missing while a CRD of the set must bring it.
    :ivar live: ``id(item)`` → the live object, for those that are not as the manifest wants them.
    :ivar verdicts: ``id(item)`` → EQUAL, UNSURE or DIFFERENT, for those that exist.
    :ivar doomed: members of the apply set that are not in the manifests any more.
    :ivar spared: members of the apply set that are not in the manifests any more, and stay all the same.
    :ivar going: namespaces of the set that are being deleted, with everything in them → what holds each.
    :ivar moves: ``id(item)`` → what has to be done before a CRD can be replaced.
    """

    def __init__(self, client: Client, items: list[Item], options: Options, slips: Slips | None = None) -> None:
        """:param slips: what is wrong with the set already; gets what is found here, and the caller tells it."""
        self.slips = Slips() if slips is None else slips
        self.client = client
        self.items = items
        self.options = options
        self.discovery = Discovery(self.get)
        self.scopes = order.defined_scopes(items)
        self.resources: dict[int, Resource] = {}
        self.live: dict[int, dict] = {}
        self.verdicts: dict[int, int] = {}
        self.rewritten: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self.doomed: list[tuple[Item, Resource, dict]] = []
        self.spared: list[Item] = []
        self.going: dict[str, str] = {}
        self.moves: dict[int, Any] = {}
        self.apply_set: ApplySet | None = None
        self.method = options.method
        self._listed: set[tuple[str, str, str]] = set()

    def get(self, path: str, query: dict[str, Any] | None = None, accept: str = "application/json") -> Any:
        """A GET with retries."""
        return get(self.client, path, query, accept, self.options.timeout)

    @uncollected()
    def make(self) -> None:
        """Find out everything; what does not fit this server is in `slips` then.

        :raises ClusterError: when the server cannot be used.
        """
        self.fit()
        self._ask_server(self._read_live)
        self._ask_server(self._find_going)
        if self.apply_set is not None and self.options.prune and not self.slips.unread:
            self._ask_server(self._find_doomed)

    def fit(self) -> None:
        """Bring the objects into the form in which this server takes them; `slips` and errors are as of `make`."""
        self._ask_server(self._discover)
        if self.options.modernize:
            self._modernize()
        default = self.options.namespace or self.client.endpoint.namespace or "default"
        shape.set_namespaces(self.items, self._namespaced, default, self.slips)
        self._find_resources()
        self._ask_server(self._check_owners)
        self.warnings += shape.doubtful_images(self.items)
        if self.options.apply_set:
            try:
                self._join_apply_set(default)
            except ManifestError as error:
                self.slips.add(str(error))

    # Steps ---------------------------------------------------------------------------------------------------------

    def _ask_server(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Fault as fault:
            raise Unreachable(f"No API server answers: {fault}.") from None
        except ApiError as error:
            if error.status == 401:
                raise ClusterError(f"{self.client.endpoint.server} does not accept these credentials.") from None
            raise ClusterError(f"{self.client.endpoint.server}: {error.message}.") from None

    def _discover(self) -> None:
        wanted = [item.api_version for item in self.items]
        answers = self.discovery.load(wanted, ["/version"] if self.method == AUTO else [])
        if self.method == AUTO:
            self.method = method_for(answers.get("/version") or {})
        if self.method == CLIENT_SIDE and self.options.apply_set:
            self.slips.add("apply_set needs server-side apply, which this push does not use (method).")

    def _modernize(self) -> None:
        def unserved(item: Item) -> bool:
            return (item.group, item.kind) not in self.scopes and not self.discovery.serves(item.api_version, item.kind)

        if any(unserved(item) for item in {(item.api_version, item.kind): item for item in self.items}.values()):
            from . import modernize  # a table that few sets need

            self.items[:], self.rewritten = modernize.modernize(self.items, unserved, self.discovery.serves, self.slips)
            self.scopes = order.defined_scopes(self.items)

    def _namespaced(self, item: Item) -> bool | None:
        known = order.known_scope(item.group, item.kind, self.scopes)
        if known is not None:
            return known
        resource = self.discovery.find(item.api_version, item.kind)
        return resource.namespaced if resource else None

    def _find_resources(self) -> None:
        for item in self.slips.good(self.items):
            resource = self.discovery.find(item.api_version, item.kind)
            if resource is not None:
                self.resources[id(item)] = resource
            elif (item.group, item.kind) not in self.scopes and not self.options.check:
                if self.slips.unread and not compare.is_builtin(item.api_version):
                    continue  # its CRD may be in what could not be read
                self.slips.add(
                    f"{item.label} at {item.where} is of a kind and version ({item.api_version}) that this server "
                    "does not serve, and no CRD in the set defines it.",
                    item,
                )

    def _check_owners(self) -> None:
        """Refuse owners that are not on this cluster: its garbage collector would delete what they own.

        What was saved from another cluster has them, or from this one before the owner was made again.
        """
        known: dict[tuple[str, ...], bool] = {}
        for item in self.items:
            for owner in item.object["metadata"].get("ownerReferences") or []:
                fields = ("apiVersion", "kind", "name", "uid")
                if not isinstance(owner, dict):
                    continue
                key = (item.namespace, *(str(owner.get(name)) for name in fields))
                if key not in known:
                    known[key] = self._has_owner(*key)
                if not known[key]:
                    self.slips.add(
                        f"{item.label} at {item.where} is owned (ownerReferences) by {key[2]} {key[3]} with the uid "
                        f"{key[4]}, which is not on this cluster, so it would be deleted; remove ownerReferences.",
                        item,
                    )

    def _has_owner(self, namespace: str, api_version: str, kind: str, name: str, uid: str) -> bool:
        resource = self.discovery.find(api_version, kind)
        if resource is None:
            return True  # nobody can tell, and the garbage collector leaves such objects alone
        try:
            return self.get(resource.path(name, namespace))["metadata"].get("uid") == uid
        except ApiError as error:
            if error.status not in (403, 404):
                raise
            return error.status == 403

    def _join_apply_set(self, namespace: str) -> None:
        """Read the set's parent, refuse a stranger's, and mark every object as its member."""
        where = self.options.apply_set_namespace or namespace
        apply_set = ApplySet(self.options.apply_set, where, self.options.apply_set_takeover)
        for item in self.items:
            labels = item.object["metadata"].get("labels") or {}
            if labels.get(PART_OF_LABEL, apply_set.id) != apply_set.id or ID_LABEL in labels:
                self.slips.add(f"{item.label} at {item.where} has the label of another apply set; remove it.", item)
        shape.set_labels(self.items, {PART_OF_LABEL: apply_set.id})
        self._ask_server(
            lambda: apply_set.load(
                self.get, lambda group, plural: prune.kind_of(self.get, self.discovery, group, plural)
            )
        )
        self.apply_set = apply_set

    def _read_live(self) -> None:
        wanted = [(item, self.resources[id(item)]) for item in self.items if id(item) in self.resources]
        selector, other = "", None
        if self.apply_set is not None:
            if self.apply_set.parent is None:
                # A new set has no members yet: what is there is not its own, and is looked at one by one.
                self._listed = living.read(self.get, wanted, self._visit)
                return
            selector, other = self.apply_set.selector, self._visit_other
        self._listed = living.read(self.get, wanted, self._visit, selector, other)

    def _visit(self, item: Item, found: dict) -> None:
        """Judge one live object; only one that is not as wanted is kept in memory."""
        if self.method == CLIENT_SIDE:
            verdict = compare.EQUAL if clientside.patch_for(item.object, found) is None else compare.DIFFERENT
        else:
            verdict = compare.compare(item.object, found)
        self.verdicts[id(item)] = verdict
        if living.is_dying(found):
            # It goes, and has to be made again.
            verdict = self.verdicts[id(item)] = compare.DIFFERENT
        elif verdict == compare.EQUAL and self._to_take_over(found):
            verdict = self.verdicts[id(item)] = compare.DIFFERENT
        if verdict != compare.EQUAL or self.options.want_live:
            self.live[id(item)] = found

    def _to_take_over(self, found: dict) -> bool:
        return bool(self.options.take_over and takeover.managers_of(found, self.options.take_over))

    def _visit_other(self, resource: Resource, found: dict) -> None:
        """A member that is not among the wanted objects of its kind and namespace."""
        if self.apply_set is not None and self.options.prune:
            candidate = prune.member(resource, found, self.apply_set, self._identities())
            if candidate is not None:
                self.doomed.append(candidate)

    def _identities(self) -> set[tuple[str, str, str, str]]:
        if not hasattr(self, "_identity_set"):
            self._identity_set = {item.identity for item in self.items}
        return self._identity_set

    @property
    def namespaces(self) -> dict[str, Item]:
        """The namespaces that the manifests bring, by name."""
        return {item.name: item for item in self.items if item.kind == "Namespace" and item.group == ""}

    def _find_going(self) -> None:
        """Find the namespaces that are being deleted: what is in them goes too, and is to be made again."""
        own, used = self.namespaces, {item.namespace for item in self.items}
        if self.apply_set is not None:
            used.add(self.apply_set.namespace)
        members_alone = self.apply_set is not None and self.apply_set.parent is not None  # were read
        seen = {name for name, item in own.items() if id(item) in self.verdicts or not members_alone}

        def note(item: Item, found: dict) -> None:
            if living.is_dying(found):
                self.going[item.name] = living.held(found)

        for name in seen & used:
            note(own[name], self.live.get(id(own[name]), {}))
        others = [(living.namespace(name), living.NAMESPACE) for name in sorted(used - seen - {""})]
        living.read(self._get_if_allowed, others, note)
        for item in self.items if self.going else ():
            if item.namespace in self.going and not living.is_dying(self.live.get(id(item), {})):
                self.live.pop(id(item), None)
                self.verdicts.pop(id(item), None)

    def _get_if_allowed(self, path: str, query: dict[str, Any] | None) -> Any:
        """A GET to which what may not be read is not there."""
        try:
            return call(lambda: self.client.get(path, query), self.options.timeout)
        except ApiError as error:
            if error.status == 403:
                raise ApiError(404, error.body) from None
            raise

    def _find_doomed(self) -> None:
        """Look for members in the kinds and namespaces that only earlier pushes of the set used."""
        apply_set = self.apply_set
        if apply_set is None or apply_set.parent is None:
            return
        resources = {}
        for group, kind in apply_set.group_kinds:
            resource = prune.preferred(self.get, self.discovery, group, kind)
            if resource is not None:
                resources[group, kind] = resource
        self.doomed.extend(prune.leftovers(self.get, apply_set, resources, self._identities(), self._listed))

    def guard(self) -> None:
        """Spare the CRDs that are never pruned, and see that nothing takes along what the set did not bring."""
        self._refuse_what_goes()
        self._ask_server(self._find_moves)
        named = [entry for entry in self.doomed if _is_definition(entry[0]) and entry[0].name in self.options.keep]
        self.doomed = [entry for entry in self.doomed if entry not in named]
        self.spared = [item for item, _resource, _found in named]
        for item in self.spared:
            self.warnings.append(f"{item.label} stays, because its entry names it, although no manifest has it.")
        wrong: list[str] = []
        self._ask_server(lambda: wrong.extend(filter(None, (self.why_not(item) for item, *_rest in self.doomed))))
        if wrong:
            self.slips.add(f"{'; '.join(wrong)}. Nothing was changed.")

    def _refuse_what_goes(self) -> None:
        """Refuse objects whose namespace is being deleted and would not be made again, and a set whose record goes."""
        if self.options.check:
            return  # an earlier step may make it again
        for name in sorted(self.going.keys() - self.namespaces.keys()):
            there = [f"{item.label} at {item.where}" for item in self.items if item.namespace == name]
            what = there[0] if there else f"the record of apply_set {self.options.apply_set}"
            more = f" and {len(there) - 1} more" if there[1:] else ""
            if not self.slips.unread:  # where it may be
                self.slips.add(
                    f"Namespace {name} is being deleted{self.going[name]}, and {what}{more} would go with it; add the "
                    "namespace to the manifests, so that it is created again."
                )
        record = (self.apply_set.parent if self.apply_set is not None else None) or {}
        if living.is_dying(record):
            self.slips.add(
                f"The ConfigMap {record['metadata'].get('name')}, which records the apply set, is being deleted"
                f"{living.held(record)}; let it go, or choose another name."
            )

    def _find_moves(self) -> None:
        """Find the CRDs that lack a version in which objects may be stored."""
        found = [(item, self.live[id(item)]) for item in self.items if id(item) in self.live and _is_definition(item)]
        if not found:
            return
        from . import stored  # few pushes change a CRD

        for item, live in found:
            if living.is_dying(live):
                continue
            try:
                path = self.resources[id(item)].path(item.name)
                self.moves[id(item)] = stored.inspect(self.client, self.get, item, live, path)
            except ManifestError as error:
                self.slips.add(str(error), item)

    def why_not(self, item: Item) -> str:
        """Why a member that left the manifests must not be deleted, and the ways out; "" when it may be."""
        if self.apply_set is None or item.name in self.options.prune_in_use or living.is_dying(item.object):
            return ""
        found = ""
        if _is_definition(item):
            wanted = {(other.group, other.kind) for other in self.items}
            found = prune.strangers(self.get, item.name, self.apply_set, wanted)
        elif item.kind == "Namespace" and item.group == "":
            wanted_there = next((other.label for other in self.items if other.namespace == item.name), "")
            found = wanted_there or prune.tenants(self.get, item.name, self.apply_set)
        ways = f"put it back, delete them first, or name {item.name} in prune_in_use"
        return found and f"{item.label} is no longer in the manifests, but {found} would be deleted with it: {ways}"


def _is_definition(item: Item) -> bool:
    return item.kind == "CustomResourceDefinition" and item.group == "apiextensions.k8s.io"


def method_for(version: dict[str, Any]) -> str:
    """How objects are written to a server of this version (its answer to GET /version)."""
    numbers = []
    for part in (version.get("major"), version.get("minor")):
        match = re.match(r"\d+", str(part or ""))
        if not match:
            return SERVER_SIDE
        numbers.append(int(match.group()))
    return SERVER_SIDE if tuple(numbers) >= FIRST_SERVER_SIDE else CLIENT_SIDE
