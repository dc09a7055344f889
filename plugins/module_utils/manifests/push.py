# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Carries out a plan: wave by wave, then prunes, then waits; each step's work is in the file of its name."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..common.redact import foreign
from . import apply as applying
from . import clientside, order, prune, refusal, takeover
from . import transform as shape
from .client import Client, Fault
from .compare import EQUAL, UNSURE, client_side_managers, compare
from .discovery import Resource
from .errors import ApiError, ClusterError, Slips
from .existing import held, is_dying
from .load import Item
from .masking import scrub
from .plan import CLIENT_SIDE, Options, Plan
from .result import CREATED, FAILED, PRUNED, UNCHANGED, UPDATED, Entry, Report
from .retry import BEING_DELETED, SHORT, Outcome, Wave, call, is_transient, namespace_goes, waits_for_others

AFTER_DENIAL = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds, after which a webhook that reads from a cache is asked again
TRIAL = 3.0  # seconds for which a request is repeated once something is known to be wrong
MOST_UNKNOWN = 50  # fields of one object that are left out one by one


def would_create_all(items: list[Item], options: Options, why: str) -> Report:
    """Check mode without a cluster: everything would be created, told from the manifests alone."""
    scopes = order.defined_scopes(items)
    shape.set_namespaces(
        items, lambda item: order.known_scope(item.group, item.kind, scopes), options.namespace or "default"
    )
    report = Report(entries=[Entry(item, CREATED) for item in items])
    report.warnings.append(f"{why} Everything is shown as it would be created, from the manifests alone.")
    return report


def push(client: Client, items: list[Item], options: Options, slips: Slips | None = None) -> Report:
    """Push one set to one API server.

    :param slips: what is wrong with the set already; the server's dry-run then finds the rest of it.
    :raises ManifestError: when the set does not fit this server; nothing has been changed then.
    :raises ClusterError: when the server cannot be used.
    """
    plan = Plan(client, items, options, slips)
    plan.make()
    plan.guard()
    if plan.slips:
        _tell_all(plan)
    return _Push(plan).run()


def _tell_all(plan: Plan) -> None:
    """Tell everything that is wrong with a set, with what the server says to a dry-run of the rest of it.

    :raises ManifestError: always.
    """
    timeout = min(plan.options.timeout, TRIAL)
    plan.options = replace(plan.options, check=True, prune=False, recreate=False, want_live=False, timeout=timeout)
    trial = _Push(plan, trial=True)
    with contextlib.suppress(ApiError, Fault, ClusterError):
        trial.run()
    for sentence in trial.report.failures:
        plan.slips.add(sentence + ".")
    plan.slips.tell()


class _Push:
    def __init__(self, plan: Plan, trial: bool = False) -> None:
        """:param trial: whether something is wrong already, so that nothing but refusals of the rest is wanted."""
        self.trial = trial
        self.plan = plan
        self.client = plan.client
        self.options = plan.options
        self.report = Report(rewritten=plan.rewritten, warnings=plan.warnings)
        self._recreated: dict[int, Entry] = {}  # id(item) → what is told once it is there again
        self._not_coming: dict[tuple[str, str], str] = {}  # apiVersion and kind → why the set's CRD does not bring it
        self._denied: list[tuple[Item, ApiError]] = []  # by webhooks, perhaps for what is still to come

    def run(self) -> Report:
        waves = order.waves(self.plan.slips.good(self.plan.items))
        apply_set = self.plan.apply_set
        recorded = apply_set is None or self._write_parent(before=True)
        comes = (self.options.check and not self.trial) or (
            apply_set is not None and apply_set.namespace in self.plan.namespaces
        )
        if apply_set is not None and not (recorded or comes or self.plan.slips.unread):
            self.plan.slips.add(
                f"apply_set {apply_set.name} is recorded in the namespace {apply_set.namespace}, which is not there, "
                "and no manifest creates it: add it, or set namespace to another."
            )
            if not self.trial:
                _tell_all(self.plan)
        for wave, items in waves:
            if not self._push_wave(wave, items):
                break
            self._try_denied(more=True)
            if not recorded:
                try:
                    recorded = self._write_parent(before=True)
                except (ApiError, Fault, ClusterError) as error:
                    self._fail_parent(error)
                    self._fail_rest("not tried, since the apply set could not be recorded")
                    break
        self._try_denied(more=False)
        if apply_set is not None and recorded and not self.trial:
            try:
                self._prune()
            except (ApiError, Fault, ClusterError) as error:
                self._fail_parent(error)
        if self.options.wait and not self.options.check and not self.report.failures:
            self._wait_for_ready()
        self.report.requests = self.client.requests
        position = {id(item): index for index, item in enumerate(self.plan.items)}
        self.report.entries.sort(key=lambda entry: position.get(id(entry.item), len(position)))
        return self.report

    # Waves ---------------------------------------------------------------------------------------------------------

    def _push_wave(self, wave: int, items: list[Item]) -> bool:
        """Push one wave; False when the server has stopped answering, so that going on is of no use."""
        if not self.options.check:
            self._find_new_kinds(items)
        todo = []
        for item in items:
            entry = self._without_request(item)
            if entry is None:
                todo.append(item)
            else:
                self.report.entries.append(entry)
        gone = False
        for outcome in self._wave(todo):
            if refusal.is_denied(outcome.error) and not self.options.check:
                self._denied.append((outcome.task, outcome.error))
                continue
            gone = self._record(outcome.task, outcome.value, outcome.error) or gone
        if gone:
            self._fail_rest("not tried, the API server had stopped answering")
            return False
        if wave == order.DEFINITIONS and not self.options.check:
            self._wait_for_definitions(items)
        return True

    def _patience(self) -> float:
        """Seconds to wait for something else; few when the push has failed anyway."""
        return min(self.options.timeout, SHORT) if self.report.failures else self.options.timeout

    def _wave(self, items: Iterable[Item]) -> list[Outcome]:
        return Wave(self._apply, self.options.workers, self.options.timeout, bool(self.report.failures)).run(items)

    def _try_denied(self, more: bool) -> None:
        """Try again what a webhook denied, as long as this set goes on to bring something.

        :param more: whether further waves come; after the last, webhooks get a moment to see what came.
        """
        for pause in (0.0,) if more else AFTER_DENIAL:
            if not self._denied:
                return
            if self.report.changed:
                time.sleep(pause)
                again, self._denied = self._denied, []
                for outcome in self._wave(item for item, _error in again):
                    if refusal.is_denied(outcome.error):
                        self._denied.append((outcome.task, outcome.error))
                    else:
                        self._record(outcome.task, outcome.value, outcome.error)
        if not more:
            for item, error in self._denied:
                self._record(item, None, error)

    def _record(self, item: Item, entry: Entry | None, error: Exception | None) -> bool:
        """Note what became of one object; True when the server has stopped answering."""
        if self.trial and not self._is_slip(item, error):
            return isinstance(error, Fault)
        if entry is not None:
            self.report.entries.append(entry)
            if order.wave_of(item) == order.NAMESPACES and not self.options.check:
                self.plan.going.pop(item.name, None)  # it was made again
        elif self.options.check and not self.trial and isinstance(error, ApiError) and error.status == 404:
            # Its namespace, or something else that an earlier step would bring, is not there yet.
            self.report.entries.append(Entry(item, CREATED))
        elif error is not None:
            before = self.plan.live.get(id(item))
            reason = applying.sentence(error, item) + _others(error, before)
            self.report.entries.append(Entry(item, FAILED, reason, before=before))
        return isinstance(error, Fault)

    def _is_slip(self, item: Item, error: Exception | None) -> bool:
        """Whether the server refuses an object for what is in it, and not for what the set has yet to bring."""
        if not isinstance(error, ApiError):
            return False
        if error.status == 404:
            brought = self.plan.slips.unread or item.namespace in self.plan.namespaces
            return bool(item.namespace) and not brought
        return (error.status in (400, 409, 422) and error.reason != BEING_DELETED) or refusal.is_typed(error)

    def _without_request(self, item: Item) -> Entry | None:
        """Decide without asking the server, where that is possible."""
        live = self.plan.live.get(id(item))
        if item.namespace in self.plan.going and live is None:
            if self.options.check:
                return Entry(item, CREATED, "once its namespace, which is being deleted, is there again")
            return Entry(item, FAILED, "not tried, since its namespace is being deleted")
        if id(item) not in self.plan.resources:
            if self.options.check:
                return Entry(item, CREATED)
            why = self._not_coming.get((item.api_version, item.kind), "")
            told = f"this server does not serve {item.kind} in {item.api_version}"
            return Entry(item, FAILED, f"{told}; {why}" if why else told)
        if self.plan.verdicts.get(id(item)) == EQUAL:
            return Entry(item, UNCHANGED, live=live, before=live)
        if self.options.check and id(item) not in self.plan.verdicts and self._namespace_is_new(item):
            return Entry(item, CREATED)
        return None

    def _namespace_is_new(self, item: Item) -> bool:
        if not hasattr(self, "_new_namespaces"):
            brought = self.plan.namespaces.items()
            self._new_namespaces = {name for name, other in brought if id(other) not in self.plan.verdicts}
        return item.namespace in self._new_namespaces

    def _apply(self, item: Item) -> Entry:
        """Bring one object to the server; runs in several threads."""
        try:
            return self._attempt(item)
        finally:
            for text in dict.fromkeys(self.client.take_warnings()):
                sentence = f"{item.label}: {text}"
                if sentence not in self.report.warnings:
                    self.report.warnings.append(sentence)

    def _attempt(self, item: Item) -> Entry:
        resource = self.plan.resources[id(item)]
        before = self.plan.live.get(id(item))
        if before is not None and is_dying(before):
            if self.options.check:
                return Entry(item, CREATED, "once the one that is being deleted is gone")
            before = self._after_deletion(item, resource)
        move = self.plan.moves.get(id(item))
        if move is None or before is None:
            entry = self._bring(item, resource, before)
            told = self._recreated.get(id(item))
            return entry if told is None else replace(told, live=entry.live)
        if self.options.check:
            return Entry(item, UPDATED, move.told(check=True), before=before)
        entry = self._bring(item, resource, self._move_stored(item, resource, before, move))
        return replace(entry, reason=move.told())

    def _move_stored(self, item: Item, resource: Resource, before: dict, move: Any) -> dict:
        """Have every object of a CRD stored in a version that stays; returns the CRD as it is then."""
        from . import stored

        path = resource.path(item.name)
        if move.switch:
            if not move.convertible and stored.count(self.plan.get, before, move.target):
                raise ApiError(422, {"message": f"objects came that nothing can convert to {move.target}"})
            self._bring(Item(stored.between(item.object, before), item.source, item.line), resource, before)
            time.sleep(stored.SETTLE)
        stored.rewrite(self.client, self.plan.get(path), move, self.options.workers, self.options.timeout)
        stored.settle(self.client, path, move.target, self.options.timeout)
        return self.plan.get(path)

    def _bring(self, item: Item, resource: Resource, before: dict | None) -> Entry:
        if self.plan.method == CLIENT_SIDE:
            return self._client_side(item, resource, before)
        try:
            return self._server_side(item, resource, before)
        except ApiError as error:
            entry = self._another_way(item, resource, before, error)
            if entry is None:
                raise
            return entry

    def _client_side(self, item: Item, resource: Resource, before: dict | None) -> Entry:
        strict = not self.options.drop_unknown_fields
        status, after = clientside.apply(self.client, item, resource, before, self.options.check, strict)
        lost = clientside.lost(item.object, after)
        if lost:
            self.report.warnings.append(f"{item.label}: this server does not know and dropped {', '.join(lost)}.")
        return self._entry(item, status, before, after)

    def _after_deletion(self, item: Item, resource: Resource) -> dict | None:
        """The object that took the place of one that is being deleted, or None as soon as that is gone.

        :raises ApiError: 409 while it is still there, which is tried again like other things that pass.
        """
        try:
            found = self.client.get(resource.path(item.name, item.namespace))
        except ApiError as error:
            if error.status != 404:
                raise
            self.plan.live.pop(id(item), None)
            self.plan.verdicts.pop(id(item), None)
            return None
        if is_dying(found):
            raise _being_deleted(found)
        self.plan.live[id(item)] = found
        return found

    def _another_way(self, item: Item, resource: Resource, before: dict | None, error: ApiError) -> Entry | None:
        """What can be done when the server refuses; None when nothing can."""
        if refusal.unknown_fields(error):
            return self._without_unknown_fields(item, resource, before, error)
        if before is None:
            return None
        branches = refusal.left_branches(error, item.object, before)
        if branches:
            if self.options.check:
                return Entry(item, UPDATED, before=before)
            takeover.own(self.client, item, resource, before, branches)
            _status, after = applying.apply(self.client, item, resource, self.options.force_conflicts)
            return Entry(item, UPDATED, live=after, before=before)
        fixed = refusal.fixed_fields(error)
        if fixed and self.options.recreate and item.kind not in refusal.PRECIOUS and id(item) not in self._recreated:
            return self._recreate(item, resource, before, fixed)
        return None

    def _recreate(self, item: Item, resource: Resource, before: dict, fixed: list[str]) -> Entry:
        """Delete the object, and make it again as soon as it is gone."""
        reason = f"deleted and recreated, because {', '.join(fixed)} cannot be changed"
        if self.options.check:
            return Entry(item, UPDATED, reason, before=before)
        dying = Item(before, item.source, item.line)
        prune.delete(self.client, dying, resource)
        self.plan.live[id(item)] = {**before, "metadata": {**before["metadata"], "deletionTimestamp": "now"}}
        self._recreated[id(item)] = Entry(item, UPDATED, reason, before=before)
        return self._attempt(item)

    def _without_unknown_fields(self, item: Item, resource: Resource, before: dict | None, error: ApiError) -> Entry:
        """Find all fields that the kind does not have, of which the server tells one at a time."""
        kept, found = item.object, []
        while len(found) < MOST_UNKNOWN:
            less = [(path, refusal.without(kept, path)) for path in refusal.unknown_fields(error)[:1]]
            if not less or less[0][1] is None:
                break
            found.append(less[0][0])
            kept = less[0][1]
            try:
                applying.apply(self.client, Item(kept, item.source, item.line), resource, force=True, dry_run=True)
                break
            except ApiError as other:
                error = other
        if not found:
            raise error
        if not self.options.drop_unknown_fields:
            told = "\n  ".join(f"{path}: field not declared in schema" for path in found)
            more = refusal.typed_text(error)
            told += f"\n  {more}" if more else ""
            raise ApiError(500, {"message": f"failed to create typed patch object (): errors:\n  {told}"})
        names = ", ".join(path.lstrip(".") for path in found)
        self.report.warnings.append(f"{item.label} at {item.where}: left out {names}, which the kind does not have.")
        item.object = kept
        if before is not None and compare(kept, before) == EQUAL:
            return Entry(item, UNCHANGED, live=before, before=before)
        return self._server_side(item, resource, before)

    def _server_side(self, item: Item, resource: Resource, before: dict | None) -> Entry:
        if self.plan.verdicts.get(id(item)) == UNSURE and not self.options.check:
            # Nobody but the server can tell: ask it, without a write.
            _status, after = applying.apply(self.client, item, resource, self.options.force_conflicts, dry_run=True)
            if before is not None and applying.same(before, after):
                return Entry(item, UNCHANGED, live=after, before=before)
        if before is not None and self._others_fields(before):
            return self._apply_over_client_side(item, resource, before)
        try:
            status, after = applying.apply(
                self.client,
                item,
                resource,
                self.options.force_conflicts,
                self.options.check,
                parse=before is not None or self.options.want_live or self.plan.apply_set is not None,
            )
        except ApiError as error:
            if before is None and applying.conflicts(error):
                found = self.client.get(resource.path(item.name, item.namespace))
                if client_side_managers(found):
                    return self._apply_over_client_side(item, resource, found)
            raise
        if status == 200 and before is None and after is not None and client_side_managers(after):
            return self._apply_over_client_side(item, resource, after)
        if status == 200 and before is not None and after is not None and not self.options.check:
            after = takeover.keep_last_applied(self.client, item, resource, after)
        return self._entry(item, status, before, after)

    def _apply_over_client_side(self, item: Item, resource: Resource, before: dict) -> Entry:
        if self.options.check:
            # The server would not write, so the managers cannot be moved first; a forced dry-run shows the same values.
            _status, after = applying.apply(self.client, item, resource, force=True, dry_run=True)
            return self._entry(item, 200, before, after)
        names = takeover.managers_of(before, self.options.take_over)
        whom = ", ".join(names) if names else "client-side apply"
        takeover.take_over(self.client, item, resource, before, names)
        _status, after = applying.apply(self.client, item, resource, self.options.force_conflicts)
        return Entry(item, UPDATED, f"taken over from {whom}", live=after, before=before)

    def _others_fields(self, live: dict) -> list[str]:
        """Managers whose fields become ours before the object is applied."""
        return client_side_managers(live) + takeover.managers_of(live, self.options.take_over)

    def _entry(self, item: Item, status: int, before: dict | None, after: dict | None) -> Entry:
        if status == 201:
            return Entry(item, CREATED, live=after)
        if after is not None and is_dying(after) and not self.options.check:
            self.plan.live[id(item)] = after
            raise _being_deleted(after)
        if before is not None and after is not None and applying.same(before, after):
            return Entry(item, UNCHANGED, live=after, before=before)
        return Entry(item, UPDATED, live=after if self.options.want_live else None, before=before)

    def _fail_rest(self, reason: str) -> None:
        """Name what was never tried."""
        for item, error in self._denied:
            self._record(item, None, error)
        self._denied = []
        done = {id(entry.item) for entry in self.report.entries}
        for item in self.plan.items:
            if id(item) not in done:
                if self.plan.verdicts.get(id(item)) == EQUAL:
                    self.report.entries.append(Entry(item, UNCHANGED))
                else:
                    self.report.entries.append(Entry(item, FAILED, reason))

    # Custom resources ----------------------------------------------------------------------------------------------

    def _wait_for_definitions(self, items: list[Item]) -> None:
        """Let the kinds of new CRDs become usable, for the rest of this set and for whoever pushes next."""
        from . import waiting

        written = {id(entry.item) for entry in self.report.entries if entry.action in (CREATED, UPDATED)}
        refused: dict[str, str] = {}  # for good, so that nothing waits for it

        def decided(document: dict) -> tuple[bool, str]:
            ready, why = waiting.definition(document)
            if not ready and waiting.names_are_taken(document):
                refused[document["metadata"]["name"]] = why
            return ready or document["metadata"]["name"] in refused, why

        pending = [(item, self.plan.resources[id(item)], decided) for item in items if id(item) in written]
        left = waiting.wait(self.client, pending, self._patience())
        kinds: set[tuple[str, str]] = set()
        for item, _resource, _predicate in pending:
            why = left.get(id(item)) or refused.get(item.name)
            if why:
                sentence = f"{item.label} is not established: {why}"
                self.report.warnings.append(sentence)
                self._not_coming.update(dict.fromkeys(order.defined_kinds(item), sentence))
            else:
                kinds.update(order.defined_kinds(item))
        self._wait_until_served(kinds)

    def _find_new_kinds(self, items: list[Item]) -> None:
        """Discover the kinds that CRDs of this set brought."""
        missing = [item for item in items if id(item) not in self.plan.resources]
        if not missing:
            return
        coming: set[tuple[str, str]] = set()
        for entry in self.report.entries:
            if entry.action != FAILED:
                coming.update(order.defined_kinds(entry.item))
        self._wait_until_served({(item.api_version, item.kind) for item in missing} & coming - self._not_coming.keys())
        for item in missing:
            if (item.api_version, item.kind) in self._not_coming:
                continue
            resource = self.plan.discovery.find(item.api_version, item.kind)
            if resource is not None:
                self.plan.resources[id(item)] = resource

    def _wait_until_served(self, kinds: set[tuple[str, str]]) -> None:
        """Ask until each apiVersion and kind is served, which lags a moment behind Established."""
        deadline = time.monotonic() + self._patience()
        while kinds:
            versions = {api_version for api_version, _kind in kinds}
            self.plan.discovery.forget(versions)
            try:
                self.plan.discovery.load(versions)
            except (ApiError, Fault, ClusterError) as error:
                self._not_coming.update(dict.fromkeys(kinds, str(error)))
                return
            kinds = {kind for kind in kinds if not self.plan.discovery.serves(*kind)}
            if time.monotonic() > deadline:
                return
            if kinds:
                time.sleep(0.05)

    # Apply set -----------------------------------------------------------------------------------------------------

    def _write_parent(self, before: bool) -> bool:
        """Write the set's parent: before the push with all that was and will be in it, afterwards with what is.

        :returns: False when its namespace is not there yet, or still being deleted.
        """
        apply_set = self.plan.apply_set
        if apply_set is None:
            return True
        if apply_set.namespace in self.plan.going:
            apply_set.parent = None
            return False
        group_kinds, namespaces = apply_set.wanted([*self.plan.items, *self.plan.spared])
        if before or not self.options.prune:
            group_kinds, namespaces = group_kinds | apply_set.group_kinds, namespaces | apply_set.namespaces
        try:
            call(
                lambda: apply_set.write(self.client, group_kinds, namespaces, self.options.check),
                self.options.timeout,
                passes=lambda error: is_transient(error) and not waits_for_others(error),
            )
        except ApiError as error:
            if error.status == 404 or namespace_goes(error):
                return False
            raise
        return True

    def _fail_parent(self, error: Exception) -> None:
        apply_set = self.plan.apply_set
        if apply_set is not None:
            parent = Item(apply_set.document({}), "apply_set", 0)
            reason = f"the apply set could not be recorded: {applying.sentence(error, parent)}"
            self.report.entries.append(Entry(parent, FAILED, reason))

    def _prune(self) -> None:
        if self.report.failures:
            if self.plan.doomed:
                self.report.warnings.append("Nothing was pruned, because some objects were not applied.")
            return
        if self.options.prune:
            waves: dict[int, list[tuple[Item, Resource, dict]]] = {}
            for doomed in self.plan.doomed:
                waves.setdefault(order.wave_of(doomed[0]), []).append(doomed)
            for _wave, members in sorted(waves.items(), reverse=True):
                self._prune_wave(members)
            if self.report.failures:
                return
        if not self.options.check:
            self._write_parent(before=False)

    def _prune_wave(self, members: list[tuple[Item, Resource, dict]]) -> None:
        def delete(doomed: tuple[Item, Resource, dict]) -> Entry:
            item, resource, document = doomed
            if is_dying(document):
                return Entry(item, UNCHANGED, f"is being deleted already{held(document)}", before=document)
            reason = self.plan.why_not(item)  # again, since somebody may have made objects in the meantime
            if reason:
                return Entry(item, FAILED, reason)
            prune.delete(self.client, item, resource, self.options.check)
            return Entry(item, PRUNED, before=document)

        for outcome in Wave(delete, self.options.workers, self.options.timeout).run(members):
            if outcome.error is None:
                self.report.entries.append(outcome.value)
            else:
                self.report.entries.append(
                    Entry(outcome.task[0], FAILED, applying.sentence(outcome.error, outcome.task[0]))
                )

    # Ready ---------------------------------------------------------------------------------------------------------

    def _wait_for_ready(self) -> None:
        from . import late_secrets, waiting

        failed = {id(entry.item) for entry in self.report.entries if entry.action == FAILED}
        targets: list[tuple[Item, Resource, Any]] = []
        for item in self.plan.items:
            predicate = waiting.predicate_for(item, self.options.wait_for)
            if predicate is not None and id(item) not in failed and id(item) in self.plan.resources:
                targets.append((item, self.plan.resources[id(item)], predicate))
        with late_secrets.brought(self.client, self.plan.items):
            left = waiting.wait(self.client, targets, self.options.wait_timeout, self.options.tell)
        items = {id(item): item for item, _resource, _predicate in targets}
        for number, why in left.items():
            item = items[number]
            pods = waiting.explain_pods(self.client, item)
            if not pods and item.kind in waiting.MAKE_PODS:
                pods = waiting.explain_events(self.client, item)
            said = f"{item.label}: {why}{'; ' + pods if pods else ''}"
            self.report.not_ready.append(foreign(scrub(said, item.object)))


def _being_deleted(found: dict) -> ApiError:
    return ApiError(409, {"reason": BEING_DELETED, "message": f"is being deleted{held(found)}"})


def _others(error: Exception, before: dict | None) -> str:
    """How to go on where fields that another tool left behind stand beside those of the manifest."""
    duplicate = isinstance(error, ApiError) and any(c.get("reason") == "FieldValueDuplicate" for c in error.causes)
    if before is None or not duplicate:
        return ""
    entries = before["metadata"].get("managedFields") or []
    names = [str(e.get("manager")) for e in entries if e.get("operation") == "Update" and not e.get("subresource")]
    if not names:
        return ""
    return (
        f"; {', '.join(names)} wrote fields that are not in the manifest: take_over: [{', '.join(names)}] removes them"
    )
