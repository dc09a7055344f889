# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The push itself: discovery, live state, waves, waiting; each step's work is in the file of its name."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from . import apply as applying
from . import live as living
from . import order, shape, waiting
from .client import Client, Fault
from .discovery import Discovery, Resource
from .errors import ApiError, ClusterError, ManifestError, Unreachable
from .load import Item
from .result import CREATED, FAILED, UNCHANGED, UPDATED, Entry, Report
from .retry import Wave, call


@dataclass
class Options:
    """What the caller wants; the names are those of the module's options."""

    namespace: str = ""
    force_conflicts: bool = False
    wait: bool = False
    wait_timeout: float = 300.0
    workers: int = 8
    timeout: float = 120.0
    check: bool = False
    want_live: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)


def would_create_all(items: list[Item], options: Options, why: str) -> Report:
    """Check mode without a cluster: everything would be created, told from the manifests alone."""
    scopes = order.defined_scopes(items)
    shape.set_namespaces(
        items, lambda item: order.known_scope(item.group, item.kind, scopes), options.namespace or "default"
    )
    report = Report(entries=[Entry(item, CREATED) for item in items])
    report.warnings.append(f"{why} Everything is shown as it would be created from the manifests alone.")
    return report


class Push:
    """One push of one set to one API server."""

    def __init__(self, client: Client, items: list[Item], options: Options) -> None:
        self.client = client
        self.items = items
        self.options = options
        self.report = Report()
        self.discovery = Discovery(self._get)
        self.scopes = order.defined_scopes(items)
        self.live: dict[int, dict] = {}
        self.resources: dict[int, Resource] = {}

    def _get(self, path: str, query: dict[str, Any] | None = None) -> Any:
        return call(lambda: self.client.get(path, query), self.options.timeout)

    def run(self) -> Report:
        """Push the set.

        :raises ManifestError: before anything is changed, when the set does not fit this server.
        :raises ClusterError: when the server cannot be used.
        """
        self._discover()
        self._read_live()
        for wave, items in order.waves(self.items):
            if not self._push_wave(wave, items):
                break
        if self.options.wait and not self.options.check:
            self._wait_for_ready()
        self.report.requests = self.client.requests
        position = {id(item): index for index, item in enumerate(self.items)}
        self.report.entries.sort(key=lambda entry: position.get(id(entry.item), -1))
        return self.report

    # Before the first change ---------------------------------------------------------------------------------------

    def _discover(self) -> None:
        """Learn paths and scopes; refuse what this server can never take."""
        self._ask_what_is_served()
        default = self.options.namespace or self.client.endpoint.namespace or "default"
        shape.set_namespaces(self.items, self._namespaced, default)
        for item in self.items:
            resource = self.discovery.find(item.api_version, item.kind)
            if resource is not None:
                self.resources[id(item)] = resource
            elif (item.group, item.kind) not in self.scopes and not self.options.check:
                raise ManifestError(
                    f"{item.label} at {item.where} is of a kind and version ({item.api_version}) that this server does not serve, and no CRD in the set "
                    "defines it."
                )

    def _ask_what_is_served(self) -> None:
        try:
            self.discovery.load(item.api_version for item in self.items)
        except Fault as fault:
            raise Unreachable(f"No API server answers: {fault}.") from None
        except ApiError as error:
            if error.status in (401, 403):
                raise ClusterError(
                    f"{self.client.endpoint.server} refuses these credentials: {error.message}."
                ) from None
            raise ClusterError(f"{self.client.endpoint.server}: {error.message}.") from None

    def _namespaced(self, item: Item) -> bool | None:
        known = order.known_scope(item.group, item.kind, self.scopes)
        if known is not None:
            return known
        resource = self.discovery.find(item.api_version, item.kind)
        return resource.namespaced if resource else None

    def _read_live(self) -> None:
        wanted = [(item, self.resources[id(item)]) for item in self.items if id(item) in self.resources]
        living.read(self._get, wanted, lambda item, found: self.live.__setitem__(id(item), found))

    # One wave ------------------------------------------------------------------------------------------------------

    def _push_wave(self, wave: int, items: list[Item]) -> bool:
        """Push one wave; False when the server has stopped answering, so that going on is of no use."""
        if wave == order.CUSTOM and not self.options.check:
            self._find_new_kinds(items)
        todo = []
        for item in items:
            entry = self._without_request(item)
            if entry is None:
                todo.append(item)
            else:
                self.report.entries.append(entry)
        outage = False
        for outcome in Wave(self._apply, self.options.workers, self.options.timeout).run(todo):
            if outcome.error is None:
                self.report.entries.append(outcome.value)
            elif self.options.check and getattr(outcome.error, "status", 0) == 404:
                self.report.entries.append(Entry(outcome.task, CREATED))
            else:
                outage = outage or isinstance(outcome.error, Fault)
                reason = applying.sentence(outcome.error)
                self.report.entries.append(Entry(outcome.task, FAILED, reason, before=self.live.get(id(outcome.task))))
        if outage:
            self._fail_rest()
            return False
        if wave == order.DEFINITIONS and not self.options.check:
            self._wait_for_definitions(items)
        return True

    def _without_request(self, item: Item) -> Entry | None:
        """Decide without asking the server, where that is possible."""
        if id(item) not in self.resources:
            if self.options.check:
                return Entry(item, CREATED)
            return Entry(item, FAILED, f"this server does not serve {item.api_version} {item.kind}")
        if self.options.check and id(item) not in self.live and self._namespace_is_new(item):
            return Entry(item, CREATED)
        return None

    def _namespace_is_new(self, item: Item) -> bool:
        return any(
            other.kind == "Namespace" and other.name == item.namespace and id(other) not in self.live
            for other in self.items
        )

    def _apply(self, item: Item) -> Entry:
        before = self.live.get(id(item))
        status, after = applying.apply(
            self.client,
            item,
            self.resources[id(item)],
            force=self.options.force_conflicts,
            dry_run=self.options.check,
            parse=before is not None or self.options.want_live,
        )
        if status == 201:
            return Entry(item, CREATED, live=after)
        if before is not None and applying.same(before, after):
            return Entry(item, UNCHANGED, live=after, before=before)
        return Entry(item, UPDATED, live=after, before=before)

    def _fail_rest(self) -> None:
        """Name what was never tried because the server was gone."""
        done = {id(entry.item) for entry in self.report.entries}
        for item in self.items:
            if id(item) not in done:
                self.report.entries.append(Entry(item, FAILED, "not tried: the API server stopped answering"))

    # Waiting -------------------------------------------------------------------------------------------------------

    def _wait_for_definitions(self, items: list[Item]) -> None:
        """Let the kinds of new CRDs become usable before their objects are pushed."""
        pending = [
            (item, self.resources[id(item)], waiting.definition)
            for item in items
            if any(entry.item is item and entry.action in (CREATED, UPDATED) for entry in self.report.entries)
        ]
        left = waiting.wait(self.client, pending, self.options.timeout)
        for item, _resource, _predicate in pending:
            if id(item) in left:
                self.report.warnings.append(f"{item.label} is not established: {left[id(item)]}")

    def _find_new_kinds(self, items: list[Item]) -> None:
        """Discover the kinds that CRDs of this set brought; serving lags a moment behind Established."""
        deadline = time.monotonic() + self.options.timeout
        while True:
            missing = [item for item in items if id(item) not in self.resources]
            if not missing:
                return
            self.discovery.forget({item.api_version for item in missing})
            self.discovery.load({item.api_version for item in missing})
            for item in missing:
                resource = self.discovery.find(item.api_version, item.kind)
                if resource is not None:
                    self.resources[id(item)] = resource
            if all(id(item) in self.resources for item in missing) or time.monotonic() > deadline:
                return
            time.sleep(0.1)

    def _wait_for_ready(self) -> None:
        failed = {id(entry.item) for entry in self.report.entries if entry.action == FAILED}
        targets = []
        for item in self.items:
            predicate = waiting.predicate_for(item)
            if predicate is not None and id(item) not in failed and id(item) in self.resources:
                targets.append((item, self.resources[id(item)], predicate))
        left = waiting.wait(self.client, targets, self.options.wait_timeout)
        for item, _resource, _predicate in targets:
            if id(item) in left:
                why = left[id(item)]
                pods = waiting.explain_pods(self.client, item, self.live.get(id(item)))
                self.report.not_ready.append("{}: {}{}".format(item.label, why, "; " + pods if pods else ""))
