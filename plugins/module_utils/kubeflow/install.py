# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Brings chosen components to a cluster: looks, asks whether they fit, pushes each as a set of its own, waits.

What is as wanted costs one LIST for each kind and namespace of all components together, and no write. A component that
fails does not keep the others from being installed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ..common.together import together
from ..common.wording import listing
from ..manifests import push as pushing
from ..manifests.applyset import OUR_TOOLING, PART_OF_LABEL, TOOLING
from ..manifests.client import Client, Fault
from ..manifests.errors import ApiError, ClusterError, ManifestError
from ..manifests.load import Item
from ..manifests.plan import Options
from ..manifests.prune import METADATA_ONLY
from ..manifests.result import CREATED, FAILED, PRUNED, UPDATED, Entry
from ..manifests.retry import get
from .catalogue import CatalogueError
from .choice import PRESENT, shared_definitions
from .diff import PARENTS, Looked, apply_set_of, look
from .prepare import Prepared, add_password, password_namespace, shared_namespaces, twice
from .removal import remove

UNCHANGED, INSTALLED, CHANGED, REMOVED, NOT_THERE, NOT_READY, BROKEN, LEFT = (
    "unchanged",
    "installed",
    "changed",
    "removed",
    "not there",
    "not ready",
    "failed",
    "not pushed",
)
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass
class Wishes:
    """How to go about it.

    :ivar wait_timeout: seconds for a component whose entry does not say.
    :ivar timeout: seconds for which faults are answered by another try.
    :ivar people: those who get a password each, where a component has passwords for people.
    :ivar prune_in_use: CRDs that may go although there are objects that no component brought.
    """

    check: bool = False
    diff: bool = False
    wait: bool = True
    wait_timeout: int = 900
    timeout: float = 120.0
    workers: int = 8
    force_conflicts: bool = False
    people: tuple[str, ...] = ()
    prune_in_use: tuple[str, ...] = ()


@dataclass
class Row:
    """What became of one component."""

    name: str
    action: str
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    needed_by: tuple[str, ...] = ()
    seconds: float = 0.0
    entries: list[Entry] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything of it was changed."""
        return any(self.counts.get(action) for action in (CREATED, UPDATED, PRUNED))

    @property
    def well(self) -> bool:
        """Whether it is as wanted."""
        return self.action not in (NOT_READY, BROKEN, LEFT)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the module's result."""
        plain = {name: value for name, value in vars(self).items() if name != "entries"}
        return dict(plain, needed_by=list(self.needed_by), seconds=round(self.seconds, 1))


def refuse(components: Iterable[Prepared]) -> None:
    """Refuse components that cannot be together, before anything is asked.

    :raises CatalogueError: two own one CRD, or bring one object.
    """
    components = list(components)
    wrong = shared_definitions({component.name: component.definitions() for component in components})
    wrong += twice(components)
    if wrong:
        raise CatalogueError("\n".join(wrong))


class Delivery:
    """One run over all chosen components.

    :param gate: called with the components before the first change of a run; raises CatalogueError to stop it.
    :param tell: called with a line for each component that gets ready, and for those that take their time.
    """

    def __init__(
        self,
        client: Client,
        components: list[Prepared],
        wishes: Wishes,
        gate: Callable[[list[Prepared]], None],
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.client = client
        self.present = [component for component in components if component.chosen.state == PRESENT]
        self.absent = [component for component in components if component.chosen.state != PRESENT]
        self.wishes = wishes
        self.gate = gate
        self.tell = tell
        self.rows: dict[str, Row] = {}
        self.namespaces: list[Item] = []
        self.looked = Looked()

    def get(self, path: str, query: dict[str, Any] | None = None, accept: str = "application/json") -> Any:
        """A GET with retries."""
        return get(self.client, path, query, accept, self.wishes.timeout)

    def run(self) -> list[Row]:
        """Bring what is to be there, take away what is not.

        :raises CatalogueError: what was chosen does not fit, or cannot be together; nothing has been changed.
        :raises ClusterError: the server cannot be used.
        """
        refuse(self.present)
        self._add_passwords()
        self.namespaces = shared_namespaces(self.present)
        self.looked = look(self.get, self.client, self.present, self.namespaces)
        if self.looked.pending:
            self._refuse_other_owners()
            self.gate(self.present)
            self._push_namespaces()
        self._push_all()
        for component in self.absent:
            self.rows[component.name] = self._remove(component)
        for name, rewritten in self.looked.rewritten.items():
            versions = (f"{entry['kind']} {entry['name']} {entry['from']} to {entry['to']}" for entry in rewritten)
            self.rows[name].notes.append(f"rewritten for this server: {', '.join(versions)}")
        return list(self.rows.values())

    def _add_passwords(self) -> None:
        for component in self.present:
            for password in component.component.passwords:
                namespace = password_namespace(component.component, password)
                try:
                    live = self.get(f"/api/v1/namespaces/{namespace}/secrets/{password.name}")
                except ApiError as error:
                    if error.status != 404:
                        raise
                    live = None
                add_password(component, password, live, self.wishes.people)

    def _refuse_other_owners(self) -> None:
        """A CRD that another of our sets on this cluster owns is not taken from it."""
        owners = {}
        for parent in self.get(PARENTS, {"labelSelector": "applyset.kubernetes.io/id"}).get("items") or []:
            metadata = parent["metadata"]
            if (metadata.get("annotations") or {}).get(TOOLING) == OUR_TOOLING:
                owners[metadata["labels"]["applyset.kubernetes.io/id"]] = metadata["name"]
        leaving = {apply_set_of(component.name).id for component in self.absent}
        wrong = []
        live = self.get(_DEFINITIONS, None, METADATA_ONLY).get("items") or []
        for component in self.present:
            own = apply_set_of(component.name).id
            for definition in live:
                owner = (definition["metadata"].get("labels") or {}).get(PART_OF_LABEL, own)
                if definition["metadata"]["name"] in component.definitions() and owner != own and owner not in leaving:
                    name = owners.get(owner, owner).removeprefix("bramble-")
                    wrong.append(
                        f"{component.name} and {name}, which this cluster has, both own the CRD "
                        f"{definition['metadata']['name']}; remove {name} first, with state: absent."
                    )
        if wrong:
            raise CatalogueError("\n".join(wrong))

    # Pushing -----------------------------------------------------------------------------------------------------

    def _options(self, **further: Any) -> Options:
        return Options(
            check=self.wishes.check,
            want_live=self.wishes.diff,
            workers=self.wishes.workers,
            timeout=min(self.wishes.timeout, 3.0) if self.wishes.check else self.wishes.timeout,
            force_conflicts=self.wishes.force_conflicts,
            **further,
        )

    def _push_namespaces(self) -> None:
        wanted = [item for item in self.namespaces if item.name in self.looked.namespaces]
        if not wanted:
            return
        report = pushing.push(self.client, wanted, self._options(wait=True, wait_timeout=60.0))
        wrong = report.failures + report.not_ready
        if wrong:
            raise ClusterError(f"The components' namespaces cannot be created: {'; '.join(wrong)}.")

    def _push_all(self) -> None:
        """Every component in a thread of its own, which first waits for those that the component needs."""
        done: dict[str, Future[Row]] = {component.name: Future() for component in self.present}

        def one(component: Prepared) -> Row:
            try:
                row = self._one(
                    component, [done[name] for name in component.component.needs.components if name in done]
                )
            except BaseException as error:
                done[component.name].set_exception(error)
                raise
            done[component.name].set_result(row)
            self._tell_of(row, [name for name, future in done.items() if not future.done()])
            return row

        for row in together(one, self.present, workers=len(self.present)):
            self.rows[row.name] = row

    def _one(self, component: Prepared, needs: list[Future[Row]]) -> Row:
        missing = [row.name for row in (need.result() for need in needs) if row.action in (BROKEN, LEFT)]
        started = time.monotonic()
        if missing and component.name in self.looked.pending:
            row = Row(component.name, LEFT, [f"it needs {', '.join(missing)}, which could not be installed"])
        else:
            try:
                row = self._push(component) if component.name in self.looked.pending else self._wait(component)
            except (ManifestError, ClusterError, ApiError, Fault) as error:
                row = Row(component.name, BROKEN, [str(error)])
        row.needed_by = component.chosen.needed_by
        row.seconds = time.monotonic() - started
        return row

    def _tell_of(self, row: Row, rest: list[str]) -> None:
        """A line for a component that was waited for, and the names of the rest."""
        waited = row.name in self.looked.pending or row.name in self.looked.not_ready
        if self.wishes.check or not (self.wishes.wait and waited):
            return
        became = {BROKEN: "has failed", LEFT: "was left out", NOT_READY: "is not ready"}.get(row.action, "is ready")
        others = f"still to come: {listing(rest)}" if rest else "it was the last"
        self.tell(f"{row.name} {became} after {round(row.seconds)} s; {others}.")

    def _slow(self, name: str) -> Callable[[list[str]], None]:
        from ..manifests import waiting

        return waiting.when_changed(name, self.tell)

    def _time_limit(self, component: Prepared) -> float:
        return float(component.component.ready.timeout or self.wishes.wait_timeout)

    def _push(self, component: Prepared) -> Row:
        apply_set = apply_set_of(component.name)
        options = self._options(
            recreate=True,  # a newer release may select its Pods by other labels, which a Deployment cannot
            namespace=component.component.namespace,
            apply_set=apply_set.name,
            apply_set_namespace=apply_set.namespace,
            prune=True,
            prune_in_use=self.wishes.prune_in_use,
            keep=component.component.crds,
            wait=self.wishes.wait,
            wait_timeout=self._time_limit(component),
            wait_for=list(component.component.ready.wait_for),
            tell=self._slow(component.name),
        )
        report = pushing.push(self.client, component.items, options)
        new = apply_set.name not in self.looked.parents
        row = Row(component.name, UNCHANGED, counts=report.counts, entries=report.entries, notes=report.warnings)
        if report.changed:
            row.action = INSTALLED if new else CHANGED
        if report.failures:
            row.action, row.reasons = BROKEN, report.failures
        elif report.not_ready:
            row.action, row.reasons = NOT_READY, report.not_ready
        return row

    def _wait(self, component: Prepared) -> Row:
        """A component that is as wanted, but of which something is perhaps not ready."""
        row = Row(component.name, UNCHANGED, counts={"unchanged": len(component.items)})
        targets = self.looked.not_ready.get(component.name) or []
        if not targets or not self.wishes.wait or self.wishes.check:
            return row
        from ..manifests import late_secrets, waiting

        with late_secrets.brought(self.client, component.items):
            left = waiting.wait(self.client, targets, self._time_limit(component), self._slow(component.name))
        for item, _resource, _predicate in targets:
            if id(item) in left:
                pods = waiting.explain_pods(self.client, item)
                row.action = NOT_READY
                row.reasons.append(f"{item.label}: {left[id(item)]}{'; ' + pods if pods else ''}")
        return row

    def _remove(self, component: Prepared) -> Row:
        started = time.monotonic()
        try:
            entries, notes = remove(self.client, self.get, component.chosen, self._options())
        except (ManifestError, ClusterError, ApiError, Fault) as error:
            return Row(component.name, BROKEN, [str(error)], seconds=time.monotonic() - started)
        row = Row(component.name, REMOVED if entries else NOT_THERE, notes=notes, entries=entries)
        row.counts = {PRUNED: sum(entry.action == PRUNED for entry in entries)}
        row.reasons = [f"{entry.item.label}: {entry.reason}" for entry in entries if entry.action == FAILED]
        if row.reasons:
            row.action = BROKEN
        row.seconds = time.monotonic() - started
        return row
