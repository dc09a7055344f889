# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Waits until objects are ready: one watch for each kind and namespace, and a reason for each that is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..common.redact import foreign
from ..common.together import together
from ..common.wording import counted
from .client import Client, Fault
from .discovery import Resource
from .errors import ApiError, ClusterError, ManifestError, Slips, collected, unevaluated
from .existing import conditions_of
from .load import Item
from .order import CUSTOM, wave_of
from .retry import call, delay_before, is_transient

TELL_EVERY = 20.0  # seconds between two words about what is still waited for
GRACE = 1.0  # seconds for which others are still looked at when an object is known never to be ready
# live object → (ready, what it waits for); ready is None for what will never be.
Predicate = Callable[[dict], "tuple[bool | None, str]"]


def _condition(document: dict, name: str) -> dict:
    for condition in conditions_of(document):
        if condition.get("type") == name:
            return condition
    return {}


def _needs(document: dict, name: str) -> tuple[bool, str]:
    condition = _condition(document, name)
    if condition.get("status") == "True":
        return True, ""
    why = condition.get("message") or condition.get("reason") or "not reported yet"
    return False, f"condition {name}: {why}"


def _observed(document: dict) -> bool:
    """Whether the controller has seen this generation."""
    seen = document["status"].get("observedGeneration")
    return not isinstance(seen, int) or seen >= document["metadata"].get("generation", 0)


def deployment(document: dict) -> tuple[bool | None, str]:
    """Every replica updated and available, none of the old left (as `kubectl rollout status`)."""
    spec, status = document.get("spec") or {}, document.get("status") or {}
    wanted = spec.get("replicas", 1)
    if status.get("observedGeneration", -1) < document["metadata"].get("generation", 0):
        return False, "its controller has not seen it yet"
    if _condition(document, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return None, _condition(document, "Progressing").get("message") or "its progress deadline is exceeded"
    updated, available, total = (status.get(key) or 0 for key in ("updatedReplicas", "availableReplicas", "replicas"))
    refused = _condition(document, "ReplicaFailure")
    why = f"; {foreign(refused.get('message') or refused.get('reason'))}" if refused.get("status") == "True" else ""
    if updated < wanted:
        return False, f"{updated} of {wanted} replicas updated{why}"
    if total > updated:
        return False, f"{total - updated} old replicas are not gone yet"
    if available < updated:
        return False, f"{available} of {wanted} replicas available{why}"
    return True, ""


def stateful_set(document: dict) -> tuple[bool, str]:
    """Every replica ready and of the newest revision."""
    spec, status = document.get("spec") or {}, document.get("status") or {}
    wanted = spec.get("replicas", 1)
    if status.get("observedGeneration", -1) < document["metadata"].get("generation", 0):
        return False, "its controller has not seen it yet"
    ready = status.get("readyReplicas") or 0
    if ready < wanted:
        return False, f"{ready} of {wanted} replicas ready"
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return True, ""
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    updated = status.get("updatedReplicas") or 0
    if status.get("updateRevision") != status.get("currentRevision") and updated < wanted - partition:
        return False, f"{updated} of {wanted - partition} replicas updated"
    return True, ""


def daemon_set(document: dict) -> tuple[bool, str]:
    """Updated and available on every node that should run it."""
    spec, status = document.get("spec") or {}, document.get("status") or {}
    if status.get("observedGeneration", -1) < document["metadata"].get("generation", 0):
        return False, "its controller has not seen it yet"
    wanted = status.get("desiredNumberScheduled") or 0
    updated = status.get("updatedNumberScheduled") or 0
    if (spec.get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate" and updated < wanted:
        return False, f"updated on {updated} of {counted(wanted, 'node')}"
    available = status.get("numberAvailable") or 0
    if available < wanted:
        return False, f"available on {available} of {counted(wanted, 'node')}"
    return True, ""


def job(document: dict) -> tuple[bool | None, str]:
    """Complete; a Job that Failed never is."""
    failed = _condition(document, "Failed")
    if failed.get("status") == "True":
        return None, f"failed: {failed.get('message') or failed.get('reason')}"
    done = _condition(document, "Complete").get("status") == "True"
    status = document.get("status") or {}
    return done, "" if done else f"{status.get('active') or 0} active, {status.get('succeeded') or 0} succeeded"


def definition(document: dict) -> tuple[bool, str]:
    """A CRD: names accepted, and established."""
    if names_are_taken(document):
        return _needs(document, "NamesAccepted")
    return _needs(document, "Established")


def names_are_taken(document: dict) -> bool:
    """Whether another CRD of its group has one of a CRD's names."""
    return _condition(document, "NamesAccepted").get("status") == "False"


def claim(document: dict) -> tuple[bool, str]:
    """Bound."""
    phase = (document.get("status") or {}).get("phase")
    return phase == "Bound", "" if phase == "Bound" else f"phase {phase or 'not reported yet'}"


def pod(document: dict) -> tuple[bool | None, str]:
    """Ready, or Succeeded."""
    phase = (document.get("status") or {}).get("phase")
    if phase == "Succeeded":
        return True, ""
    if phase == "Failed":
        status = document["status"]
        return None, f"failed: {status.get('message') or status.get('reason') or 'a container ended with an error'}"
    ready, why = _needs(document, "Ready")
    return ready, "" if ready else trouble_of_pod(document) or why


def namespace(document: dict) -> tuple[bool, str]:
    """Active."""
    phase = (document.get("status") or {}).get("phase")
    return phase == "Active", "" if phase == "Active" else f"phase {phase}"


def any_kind(document: dict) -> tuple[bool, str]:
    """Any kind that reports Ready or Available; one that reports no conditions is ready as it is."""
    conditions = [entry.get("type") for entry in conditions_of(document)]
    for name in ("Ready", "Available"):
        if name in conditions:
            ready, why = _needs(document, name)
            if ready and not _observed(document):
                return False, "its controller has not seen the latest version yet"
            return ready, why
    return True, ""


PREDICATES: dict[tuple[str, str], Predicate] = {
    ("apps", "Deployment"): deployment,
    ("apps", "StatefulSet"): stateful_set,
    ("apps", "DaemonSet"): daemon_set,
    ("batch", "Job"): job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definition,
    ("", "PersistentVolumeClaim"): claim,
    ("", "Pod"): pod,
    ("", "Namespace"): namespace,
    ("apiregistration.k8s.io", "APIService"): lambda document: _needs(document, "Available"),
}
# Kinds of which only events tell why they have no Pods.
MAKE_PODS = frozenset(["StatefulSet", "DaemonSet", "Job", "ReplicaSet"])
# Kinds with conditions that say nothing about being ready.
NEVER_WAITED = frozenset([("policy", "PodDisruptionBudget"), ("autoscaling", "HorizontalPodAutoscaler")])


def predicate_for(item: Item, further: Iterable[dict[str, Any]] = ()) -> Predicate | None:
    """What being ready means for an object; None where there is nothing to wait for.

    :param further: the module's ``wait_for``: dicts with kind, name, namespace and expression.
    """
    key = (item.group, item.kind)
    own: Predicate | None = None
    if key in PREDICATES:
        own = PREDICATES[key]
    elif key not in NEVER_WAITED and wave_of(item) == CUSTOM:
        own = any_kind
    expressions = [
        entry["expression"]
        for entry in further
        if entry["kind"] == item.kind
        and entry.get("name") in (None, item.name)
        and entry.get("namespace") in (None, item.namespace)
    ]
    if not expressions:
        return own

    def all_hold(document: dict) -> tuple[bool | None, str]:
        ready, why = own(document) if own is not None else (True, "")
        if not ready:
            return ready, why
        for expression in expressions:
            holds, why = _holds(expression, document)
            if not holds:
                return False, f"not true yet: {expression}{why}"
        return True, ""

    return all_hold


def check_expressions(further: Iterable[dict[str, Any]], slips: Slips | None = None) -> None:
    """Refuse a wrong JMESPath expression before the push, not after it.

    :raises ManifestError: with the expression and what is wrong with it.
    """
    try:
        import jmespath
        import jmespath.exceptions
    except ImportError:
        raise ManifestError("wait_for needs the Python library jmespath: pip install jmespath.") from None
    with collected(slips) as slips:
        for entry in further:
            try:
                jmespath.compile(entry["expression"]).search({})
            except jmespath.exceptions.JMESPathTypeError:
                pass  # of an object that has no status yet
            except jmespath.exceptions.JMESPathError as error:
                slips.add(
                    f"wait_for of {entry['kind']}: {entry['expression']} is not a JMESPath expression: "
                    f"{str(error).splitlines()[0]}."
                )
            except _NOT_COMPARED:
                pass


_NOT_COMPARED = (TypeError, ValueError, AttributeError, KeyError)  # Python's own, of values that do not fit together


def _holds(expression: str, document: dict) -> tuple[bool, str]:
    """Whether it is true; and why it cannot be evaluated, which may be so for what has no status yet."""
    import jmespath
    import jmespath.exceptions

    try:
        return bool(jmespath.search(expression, document)), ""
    except (jmespath.exceptions.JMESPathError, *_NOT_COMPARED) as error:
        return False, f" (it cannot be evaluated: {unevaluated(error)})"


def trouble_of_pod(document: dict) -> str:
    """A Pod's own last reason: which image cannot be pulled, which container crashes, why it is not scheduled."""
    status = document.get("status") or {}
    containers = (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or [])
    for entry in containers:
        waiting = (entry.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"):
            return "{}: image {} of container {}{}".format(
                waiting["reason"],
                entry.get("image"),
                entry.get("name"),
                ": " + waiting["message"] if waiting.get("message") else "",
            )
        end = _end(document, entry)
        if waiting.get("reason") and waiting["reason"] not in ("ContainerCreating", "PodInitializing"):
            return "{}: container {}{}".format(waiting["reason"], entry.get("name"), f" {end}" if end else "")
    scheduled = _condition(document, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"not scheduled: {scheduled.get('message') or scheduled.get('reason')}"
    # One that crashes again and again runs for a moment in between.
    for entry in containers:
        end = "" if entry.get("ready") else _end(document, entry)
        if end:
            return f"container {entry.get('name')} {end}"
    for entry in status.get("containerStatuses") or []:
        if (entry.get("state") or {}).get("waiting", {}).get("reason"):
            return "{}: container {}".format(entry["state"]["waiting"]["reason"], entry.get("name"))
    return ""


#: Exit code of what ended by signal 9.
KILLED = 137


def _end(document: dict, entry: dict) -> str:
    """How a container ended last, if that was no success; for one that took too much memory, how much it may take."""
    now = (entry.get("state") or {}).get("terminated")
    end = now or (entry.get("lastState") or {}).get("terminated") or {}
    if not end.get("exitCode"):
        return ""
    limit = _memory_limit(document, entry.get("name"))
    if end.get("reason") == "OOMKilled":
        if limit:
            return f"needs more memory than its limit of {limit} and was killed (OOMKilled)"
        return "was killed because its node had no more memory (OOMKilled)"
    if end["exitCode"] == KILLED:
        # A busy node's containerd may hear too late from the kernel why it killed.
        return "was killed (exit code 137)" + (f"; it may need more memory than its limit of {limit}" if limit else "")
    return f"ended with exit code {end['exitCode']}"


def _memory_limit(document: dict, container: str | None) -> str:
    """How much memory a container may take; empty for as much as there is."""
    spec = document.get("spec") or {}
    for entry in (spec.get("initContainers") or []) + (spec.get("containers") or []):
        if entry.get("name") == container:
            return ((entry.get("resources") or {}).get("limits") or {}).get("memory") or ""
    return ""


class _NeverReady(Exception):
    """An object of a group will never be ready."""


@dataclass
class _Group:
    """The objects of one kind in one namespace, by name; each is in `wanted` until it is ready.

    :ivar why: what each still waits for.
    :ivar never: why those that never will be are not.
    """

    resource: Resource
    space: str
    wanted: dict[str, tuple[Item, Predicate]] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    never: dict[str, str] = field(default_factory=dict)

    def look(self, document: dict) -> None:
        """Judge one object as it is now."""
        name = document["metadata"]["name"]
        if name not in self.why:
            return
        try:
            ready, why = self.wanted[name][1](document)
        except _NOT_COMPARED:
            ready, why = None, "its spec or status has a form that no API server gives this kind"
        if ready:
            del self.why[name]
        elif ready is None:
            del self.why[name]
            self.never[name] = why
        else:
            self.why[name] = why or "not ready"


def wait(
    client: Client,
    targets: Iterable[tuple[Item, Resource, Predicate]],
    timeout: float,
    tell: Callable[[list[str]], None] | None = None,
) -> dict[int, str]:
    """Wait until every target is ready, or one is known never to be.

    :param timeout: seconds, for all together.
    :param tell: called every 20 seconds with what is not ready yet, and what it waits for.
    :returns: for each object that is not ready, ``id(item)`` → what it still waits for, those first that never will
        be; empty when all are ready.
    """
    groups: dict[tuple[str, str, str], _Group] = {}
    for item, resource, predicate in targets:
        key = (resource.api_version, resource.kind, item.namespace)
        groups.setdefault(key, _Group(resource, item.namespace)).wanted[item.name] = (item, predicate)
    if not groups:
        return {}
    deadline = time.monotonic() + timeout
    ended = threading.Event()

    def follow(group: _Group) -> None:
        _follow(client, group, deadline, ended)
        if group.never:
            time.sleep(max(0.0, min(GRACE, deadline - time.monotonic())))
            raise _NeverReady

    for group in groups.values():
        group.why = dict.fromkeys(group.wanted, "no longer checked")
    if tell:
        threading.Thread(target=_report, args=(list(groups.values()), tell, ended), daemon=True).start()
    try:
        together(follow, groups.values(), 32)
    except _NeverReady:
        pass  # the others end with their watches, and nobody waits for them
    finally:
        ended.set()
    found = [(group, dict(group.never)) for group in groups.values()]
    found += [(group, dict(group.why)) for group in groups.values()]
    return {id(group.wanted[name][0]): why for group, names in found for name, why in names.items()}


def when_changed(who: str, tell: Callable[[str], None]) -> Callable[[list[str]], None]:
    """Make of what is waited for a line, and tell it when it is another one than before.

    :param who: waits, such as a component.
    """
    last: list[str] = []

    def tell_of(left: list[str]) -> None:
        if left and left != last:
            last[:] = left
            more = f", and {len(left) - 1} more" if left[1:] else ""
            tell(f"{who} waits for {foreign(left[0], 300)}{more}")

    return tell_of


def _report(groups: list[_Group], tell: Callable[[list[str]], None], ended: threading.Event) -> None:
    while not ended.wait(TELL_EVERY):
        tell([f"{group.wanted[name][0].label}: {why}" for group in groups for name, why in list(group.why.items())])


def _follow(client: Client, group: _Group, deadline: float, ended: threading.Event) -> None:
    """Follow one kind in one namespace: a LIST, then its watch, again after each interruption."""
    path = group.resource.collection(group.space)
    query: dict[str, Any] = {}
    if len(group.wanted) == 1:
        query["fieldSelector"] = "metadata.name=" + next(iter(group.wanted))

    def goes_on() -> bool:
        return bool(group.why) and not group.never and not ended.is_set() and time.monotonic() < deadline

    attempt = 0
    while goes_on():
        try:
            listed = client.get(path, query)
            there = {entry["metadata"]["name"]: entry for entry in listed.get("items") or []}
            for name in list(group.why):
                if name in there:
                    group.look(there[name])
                else:
                    group.why[name] = "not found on the server"
            version = listed["metadata"].get("resourceVersion")
            while goes_on():
                begun = time.monotonic()
                following = dict(query, resourceVersion=version, allowWatchBookmarks="true")
                for event in client.watch(path, following, deadline - begun):
                    attempt = 0
                    document = event.get("object") or {}
                    if event.get("type") == "ERROR":
                        version = ""
                        break
                    version = document["metadata"]["resourceVersion"]
                    if event.get("type") == "DELETED" and document["metadata"]["name"] in group.why:
                        group.why[document["metadata"]["name"]] = "it was deleted"
                    elif event.get("type") in ("ADDED", "MODIFIED"):
                        group.look(document)
                    if not goes_on():
                        break
                if goes_on():  # a watch that ends at once is not begun again at once
                    ended.wait(max(0.0, min(begun + 1.0, deadline) - time.monotonic()))
                if not version:
                    break
        except (Fault, ApiError, ClusterError) as error:
            if not is_transient(error) and getattr(error, "status", 0) != 410:
                group.never.update(dict.fromkeys(group.why, f"cannot be watched: {error}"))
                group.why.clear()
                return
            time.sleep(max(0.0, min(delay_before(attempt, error), deadline - time.monotonic())))
            attempt += 1


def selector_of(item: Item) -> dict[str, str]:
    """The labels of a workload's own Pods; empty when it has none, or they are not told by labels alone."""
    if item.kind == "Job":
        return {"job-name": item.name}
    spec = item.object.get("spec")
    selector = spec.get("selector") if isinstance(spec, dict) else None
    labels = selector.get("matchLabels") if isinstance(selector, dict) else None
    return labels if isinstance(labels, dict) else {}


def explain_pods(client: Client, item: Item) -> str:
    """The last reason of a workload's own Pods, for an object that did not become ready in time."""
    labels = selector_of(item)
    if not labels or not item.namespace:
        return ""
    query = {"labelSelector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())), "limit": 50}
    try:
        pods = call(lambda: client.get(f"/api/v1/namespaces/{item.namespace}/pods", query), 5.0)
        for document in pods.get("items") or []:
            trouble = trouble_of_pod(document)
            if trouble:
                return f"Pod {document['metadata']['name']}: {trouble}"
    except (Fault, ApiError, ClusterError, *_NOT_COMPARED):
        pass  # what is known of the object itself is told in any case
    return ""


def explain_events(client: Client, item: Item) -> str:
    """The last warning of an object's controller, such as why it cannot make its Pods."""
    selector = f"involvedObject.kind={item.kind},involvedObject.name={item.name},type=Warning"
    path = f"/api/v1/namespaces/{item.namespace or 'default'}/events"
    try:
        events = call(lambda: client.get(path, {"fieldSelector": selector, "limit": 50}), 5.0).get("items") or []
    except (Fault, ApiError, ClusterError):
        return ""
    if not events:
        return ""
    last = max(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return foreign(f"{last.get('reason')}: {last.get('message')}")
