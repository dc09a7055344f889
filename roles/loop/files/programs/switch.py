# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings approved releases into service, and takes them back: the only program that changes serving and routes.

An approved release is started beside the live one, answers unseen (shadow), then a share (canary), then everything
(live), while the replaced one stays up for a time. On errors, latency or disagreement beyond what the gate allows, or
when a person asks for it, users are with the earlier release at once. Nothing goes forward that a person has not
approved, and what came back never goes forward again by itself.

What is in force is in ConfigMap route-MODEL alone, written before anything is said about it in a release; so the switch
may be killed at any moment and goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pods
from http_call import ask
from kube import (
    GROUP,
    MODEL_LABEL,
    NAMESPACE,
    Conflict,
    Kube,
    KubeError,
    Mirror,
    now,
    number,
    phase_change,
    phase_of,
    seconds_of,
    seconds_since,
)
from v2 import MARK, mark
from volume import ROOT, read_json, release_folder

Object = dict[str, Any]

ROUTER = os.environ.get("LOOP_ROUTER") or "http://router"
SERVER_URL = os.environ.get("LOOP_SERVER_URL") or "http://serve-{release}"
MANIFEST_NOTE = f"{GROUP}/manifest"
START_SECONDS = 600  # on a node, after which a server that is not ready is given up: a Pi may have to fetch the image
KEEP_SECONDS, LEAST_COMPARED = 600, 50
LEAST_CALLS = 5  # answers of a canary before it may answer everything
LEAST_TIMED, LEAST_FOR_TAIL = 20, 100  # latencies before the usual ones are compared, and before the slow ones are
AWAY_SECONDS = 60  # for which a ready server may be out of reach: a Pi that is off is noticed after 40
FIGURES_SECONDS = 600  # so much longer a replaced one stays up at most, until there are as many
LEAST_JUDGED = 20  # answers before a share of disagreement means something
FORWARD = ("Waiting", "Approved", "Shadow", "Canary")
NO_ROUTE: dict[str, Any] = {"mode": "stable", "stable": None, "candidate": None, "share": 0, "gone": {}}
UNANSWERED = 60  # tries of a server that is ready and cannot be reached: its Service becomes known a moment later
QUESTIONS = 10  # asked in one tick when nobody else asks
EVERY_BUSY, EVERY_IDLE = 0.5, 5.0


@dataclass(frozen=True)
class Server:
    """A release's Deployment.

    :ivar state: starting, ready, failed or parked (no Pods wanted).
    :ivar message: why it failed or is not ready.
    :ivar current: whether it is as this program would make it now.
    :ivar crashed: whether it ended by itself, and not with its Pi, before it started again.
    :ivar down: since when no Pod of it is ready, seconds since 1970; None where one is or where it is not known.
    :ivar placed: when its newest Pod came to a node, seconds since 1970; 0 while none takes it, None without a Pod.
    """

    state: str
    message: str = ""
    current: bool = True
    placed: float | None = None
    crashed: bool = False
    down: float | None = None


@dataclass(frozen=True)
class Seen:
    """What is known about one model.

    :ivar releases: name → Release, all of this model.
    :ivar rules: the gate's entry.
    :ivar route: the route in force, NO_ROUTE when there is none.
    :ivar servers: release → its server.
    :ivar stats: what the router says about this model; None when it says nothing.
    :ivar trials: release → what came of asking it directly: "" when it answered well, else what was wrong.
    :ivar at: the time, seconds since 1970.
    """

    releases: Mapping[str, Object]
    rules: Mapping[str, Any]
    route: Mapping[str, Any] = field(default_factory=lambda: NO_ROUTE)
    servers: Mapping[str, Server] = field(default_factory=dict)
    stats: Mapping[str, Any] | None = None
    trials: Mapping[str, str] = field(default_factory=dict)
    at: float = 0.0


@dataclass(frozen=True)
class Step:
    """What to do next: wait, serve, park, remove, try, ask, route or status.

    :ivar release: which one.
    """

    do: str
    release: str = ""
    route: Mapping[str, Any] | None = None
    phase: str = ""
    message: str = ""
    replaced: str = ""


WAIT = Step("wait")


# Reading a release ---------------------------------------------------------------------------------------------------


def approved(release: Object) -> bool:
    """Whether a person has approved it, with evidence."""
    spec = release["spec"]
    return (spec.get("decision") or {}).get("verdict") == "approved" and bool(spec.get("evidence"))


def taken_back(release: Object) -> str:
    """Who wants it out of service and why; empty when nobody does."""
    asked = release["spec"].get("rollback")
    return f"Taken back by {asked['by']}: {asked['reason']}" if asked else ""


def since_phase(release: Object, phase: str, at: float) -> float:
    """Seconds since it came into a phase."""
    moments = [entry["at"] for entry in (release.get("status") or {}).get("history") or [] if entry["phase"] == phase]
    return seconds_since(moments[-1], at) if moments else 0.0


def name_of(route: Mapping[str, Any], place: str) -> str:
    """Release of a route's stable one or candidate."""
    return (route.get(place) or {}).get("release") or ""


def target(release: Object) -> dict[str, str]:
    """A release as a route has it."""
    name = release["metadata"]["name"]
    digest = release["spec"]["evidence"]["digests"]["model"]
    return {"release": name, "url": SERVER_URL.format(release=name), "digest": digest}


def follows(seen: Seen) -> bool:
    """Whether the router has taken up the route in force."""
    told, route = seen.stats or {}, seen.route
    return bool(told) and (told["mode"], told["stable"], told["candidate"]) == (
        *(route["mode"], name_of(route, "stable") or None, name_of(route, "candidate") or None),
    )


# Judging a candidate -------------------------------------------------------------------------------------------------


def trouble(seen: Seen) -> str:
    """Why the candidate must go back, in one sentence; empty when nothing speaks against it."""
    name, stable = name_of(seen.route, "candidate"), name_of(seen.route, "stable")
    release = seen.releases.get(name)
    if release is None or not approved(release):
        return f"{name} is no longer approved."
    if taken_back(release):
        return taken_back(release)
    server = seen.servers.get(name)
    if server is not None and server.state == "failed":
        return f"Its server failed: {server.message}"
    if not follows(seen):
        return ""
    told, before = seen.stats["releases"][name], seen.stats["releases"][stable]
    most = seen.rules.get("most") or {}
    errors = most.get("errors") or 0.0
    last = told["lastError"].rstrip(".")
    if told["unreached"] and server is not None and server.crashed:
        return f"Its server stopped: {server.message or last}".rstrip(".") + "."
    # A Pi that lost its power comes back; meanwhile the stable one answers.
    patience = AWAY_SECONDS if server is not None and server.state == "ready" else START_SECONDS
    if told["awaySeconds"] > patience:
        return f"It could not be reached for {patience} s while {stable} answered: {last}."
    if told["calls"] and told["errors"] / told["calls"] > errors:
        return f"{told['errors']} of {told['calls']} answers failed, at most {errors:.0%} may: {last}."
    ratio = most.get("latencyRatio")
    if ratio:
        for part, least in (("latencyMs50", LEAST_TIMED), ("latencyMs95", LEAST_FOR_TAIL)):
            if min(told["timed"], before["timed"]) >= least and told[part] > ratio * max(before[part], 1.0):
                times = told[part] / max(before[part], 1.0)
                words = f"It took {told[part]:g} ms, {times:.1f} times as long as {stable}"
                return f"{words}; at most {ratio:g} times is allowed."
    limit = allowed_disagreement(release, most)
    if limit is not None and told["compared"] >= LEAST_JUDGED and told["different"] / told["compared"] > limit:
        share = told["different"] / told["compared"]
        return f"{share:.1%} of {told['compared']} answers differ from those of {stable}, at most {limit:.1%} may."
    return ""


def allowed_disagreement(release: Object, most: Mapping[str, Any]) -> float | None:
    """The gate's bound, or what was seen and approved with a little more, whichever is larger; None without both."""
    changed = release["spec"]["evidence"].get("changed") or {}
    seen = changed["different"] / changed["cases"] + 0.02 if changed.get("cases") else None
    bounds = [bound for bound in (most.get("disagreement"), seen) if bound is not None]
    return max(bounds) if most.get("disagreement") is not None else None


# The next step -------------------------------------------------------------------------------------------------------


def next_step(seen: Seen) -> Step:
    """The next step of one model."""
    for choose in (_words_due, _running, _candidate, _stable, _cleanup):
        step = choose(seen)
        if step is not None:
            return step
    return WAIT


def _words_due(seen: Seen) -> Step | None:
    """What has happened already and is not yet said in the release."""
    gone = seen.route.get("gone") or {}
    for name, release in sorted(seen.releases.items()):
        phase, decision = phase_of(release), release["spec"].get("decision") or {}
        if decision.get("verdict") == "refused" and phase == "Waiting":
            words = f"Refused by {decision['by']}: {decision['reason']}"
            return Step("status", name, phase="Refused", message=words)
        if name in gone and phase != "RolledBack":
            return Step("status", name, phase="RolledBack", message=gone[name])
        in_route = name in (name_of(seen.route, "stable"), name_of(seen.route, "candidate"))
        if not in_route and phase in FORWARD and approved(release) and taken_back(release):
            return Step("status", name, phase="RolledBack", message=taken_back(release))
    return None


def _running(seen: Seen) -> Step | None:
    """Servers that the route needs."""
    for place in ("stable", "candidate"):
        name = name_of(seen.route, place)
        server = seen.servers.get(name)
        if name in seen.releases and (server is None or server.state == "parked" or not server.current):
            return Step("serve", name)
    return None


def back(route: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """The route without its candidate."""
    gone = {**(route.get("gone") or {}), name_of(route, "candidate"): reason}
    return {**route, "mode": "stable", "candidate": None, "share": 0, "gone": gone}


def _candidate(seen: Seen) -> Step | None:
    """A release on its way."""
    route = seen.route
    name, stable = name_of(route, "candidate"), name_of(route, "stable")
    if not name:
        return None
    if reason := trouble(seen):
        return Step("route", name, back(route, reason), message=reason)
    release, rules = seen.releases[name], seen.rules
    phase = {"shadow": "Shadow", "canary": "Canary", "live": "Live"}[route["mode"]]
    if phase_of(release) != phase:
        return Step(
            "status", name, phase=phase, message=_words(phase, route), replaced=stable if phase == "Live" else ""
        )
    if phase == "Live":
        if stable in seen.releases and phase_of(seen.releases[stable]) == "Live":
            return Step("status", stable, phase="Replaced", message=f"Replaced by {name}.")
        if follows(seen) and seen.stats["releases"][name]["awaySeconds"]:
            return Step("ask", name)  # the replaced one answers for it
        keep = rules.get("keepSeconds")
        over = since_phase(release, "Live", seen.at) - (KEEP_SECONDS if keep is None else keep)
        if over >= 0:
            few = follows(seen) and min(one["timed"] for one in seen.stats["releases"].values()) < LEAST_TIMED
            if few and over < FIGURES_SECONDS:
                return Step("ask", name)
            return Step("route", name, {**route, "mode": "stable", "stable": route["candidate"], "candidate": None})
        return None
    if stable in seen.releases and taken_back(seen.releases[stable]):
        step = _replace_by_earlier(seen, seen.releases[stable], taken_back(seen.releases[stable]))
        if step is not None:
            return step
    if not follows(seen):
        return WAIT
    server = seen.servers.get(name)
    if server is None or server.state != "ready":
        return Step("ask", name)  # a server that comes back is asked; one that does not has errors, and goes back
    beside = seen.servers.get(stable)
    if beside is not None and beside.down is not None and seen.at - beside.down >= START_SECONDS:
        # Nothing is left to compare with, nor to lose: without the approved one nobody would get an answer.
        return Step("route", name, {**route, "mode": "live", "share": 1})
    told = seen.stats["releases"][name]
    least = rules.get("leastCompared")
    least = LEAST_COMPARED if least is None else least
    enough = told["compared"] >= least
    if phase == "Canary":
        enough = told["answered"] >= LEAST_CALLS and told["compared"] >= min(least, LEAST_JUDGED)
    if not enough:
        return Step("ask", name)
    if since_phase(release, phase, seen.at) < (rules.get(f"{phase.lower()}Seconds") or 0):
        return WAIT
    if phase == "Shadow":
        return Step("route", name, {**route, "mode": "canary", "share": rules.get("canaryShare") or 0.1})
    return Step("route", name, {**route, "mode": "live", "share": 1})


def _words(phase: str, route: Mapping[str, Any]) -> str:
    stable = name_of(route, "stable")
    return {
        "Shadow": f"Answers unseen beside {stable}.",
        "Canary": f"Answers {route.get('share') or 0:.0%} of the calls, {stable} the others.",
        "Live": f"Answers all calls; {stable} stays up for a while.",
    }[phase]


def _stable(seen: Seen) -> Step | None:
    """What is live, whether it must go back, and who comes next."""
    route = seen.route
    if name_of(route, "candidate"):
        return None
    stable = name_of(route, "stable")
    release = seen.releases.get(stable)
    if release is not None:
        if reason := taken_back(release):
            step = _replace_by_earlier(seen, release, reason)
            if step is not None:
                return step
        elif phase_of(release) != "Live":
            again = "Answers all calls again." if phase_of(release) == "Replaced" else "Answers all calls."
            return Step("status", stable, phase="Live", message=again)
    for name, other in sorted(seen.releases.items()):
        if name != stable and phase_of(other) == "Live":
            return Step("status", name, phase="Replaced", message=f"Replaced by {stable}.")
    return _next_one(seen)


def _replace_by_earlier(seen: Seen, release: Object, reason: str) -> Step | None:
    """Steps back from a live release to the one that it replaced."""
    name = release["metadata"]["name"]
    earlier = earlier_release(seen, release)
    if not earlier:
        words = f"{reason} There is no earlier release to go back to, so it still answers."
        said = (release["status"].get("message"), phase_of(release)) if release.get("status") else None
        return None if said == (words, "Live") else Step("status", name, phase="Live", message=words)
    server = seen.servers.get(earlier)
    if server is None or server.state == "parked" or not server.current:
        return Step("serve", earlier)
    if server.state != "ready":
        return WAIT
    gone = {**(seen.route.get("gone") or {}), name: reason}
    return Step("route", name, {**seen.route, "stable": target(seen.releases[earlier]), "gone": gone}, message=reason)


def earlier_release(seen: Seen, release: Object) -> str:
    """The release to go back to from a live one: the one that it replaced, or an earlier one still; empty when none."""
    gone, tried = seen.route.get("gone") or {}, {release["metadata"]["name"]}
    name = (release.get("status") or {}).get("replaced") or ""
    while name and name not in tried:
        tried.add(name)
        found = seen.releases.get(name)
        if found is None:
            return ""
        if approved(found) and name not in gone and not taken_back(found):
            return name
        name = (found.get("status") or {}).get("replaced") or ""
    return ""


def _coming(seen: Seen) -> list[Object]:
    """Approved releases that have not been in service, the one approved last first."""
    gone = seen.route.get("gone") or {}
    found = [
        release
        for name, release in seen.releases.items()
        if approved(release) and phase_of(release) in FORWARD and name not in gone and not taken_back(release)
        if name != name_of(seen.route, "stable")
    ]
    return sorted(
        found,
        key=lambda one: (one["spec"]["decision"].get("at") or "", number(one["metadata"]["name"])),
        reverse=True,
    )


def _next_one(seen: Seen) -> Step | None:
    coming = _coming(seen)
    if not coming:
        return None
    first = coming[0]["metadata"]["name"]
    for other in coming[1:]:
        words = f"Not put into service: {first} was approved after it."
        return Step("status", other["metadata"]["name"], phase="Replaced", message=words)
    if phase_of(coming[0]) != "Approved":
        decision = coming[0]["spec"]["decision"]
        words = f"Approved by {decision['by']}: {decision['reason']}"
        return Step("status", first, phase="Approved", message=words)
    server = seen.servers.get(first)
    if server is None or server.state == "parked" or not server.current:
        return Step("serve", first)
    problem = ""
    if server.state == "failed":
        problem = f"Its server failed: {server.message}"
    elif server.state == "starting":
        if server.placed == 0:  # its Pi may be off: no fault of the release
            words = f"Waits for a Pi: {server.message or 'none takes it.'}"
            said = (coming[0].get("status") or {}).get("message")
            return WAIT if said == words else Step("status", first, phase="Approved", message=words)
        since = seen.at - server.placed if server.placed else since_phase(coming[0], "Approved", seen.at)
        if since < START_SECONDS:
            return WAIT
        problem = f"Its server was not ready within {START_SECONDS} s: {server.message or 'it gave no reason.'}"
    elif first not in seen.trials:
        return Step("try", first)
    elif seen.trials[first]:
        problem = f"Its server does not answer as it did in the check: {seen.trials[first]}"
    if problem:
        gone = {**(seen.route.get("gone") or {}), first: problem}
        return Step("route", first, {**seen.route, "gone": gone}, message=problem)
    if not name_of(seen.route, "stable"):
        return Step("route", first, {**seen.route, "mode": "stable", "stable": target(coming[0])})
    return Step("route", first, {**seen.route, "mode": "shadow", "candidate": target(coming[0]), "share": 0})


def _cleanup(seen: Seen) -> Step | None:
    """Servers that nobody needs, once the router asks them no more."""
    if not follows(seen) and (name_of(seen.route, "stable") or seen.stats):
        return None
    needed = {name_of(seen.route, "stable"), name_of(seen.route, "candidate")}
    needed |= {release["metadata"]["name"] for release in _coming(seen)[:1]}
    stable = seen.releases.get(name_of(seen.route, "stable"))
    earlier = earlier_release(seen, stable) if stable is not None else ""
    for name, server in sorted(seen.servers.items()):
        if name in needed:
            continue
        if name == earlier:
            if server.state != "parked" and not (stable and taken_back(stable)):
                return Step("park", name)
            continue
        return Step("remove", name)
    return None


# Manifests -----------------------------------------------------------------------------------------------------------


def serving(release: Object, rules: Mapping[str, Any]) -> tuple[Object, Object]:
    """Deployment and Service of a release."""
    name, model = release["metadata"]["name"], release["spec"]["model"]
    evidence = release["spec"]["evidence"]
    digests = evidence["digests"]
    marks = pods.labels(model, name, "serve")
    program = ("serve.py", model, name, digests["model"], digests["code"])
    spec = pods.pod_spec(program, rules, {}, reads=(f"releases/{name}",))
    ready = {"httpGet": {"path": f"/v2/models/{model}/ready", "port": "http"}, "timeoutSeconds": 5}
    spec["containers"][0].update(
        image=evidence.get("image") or pods.IMAGE,  # another image would be another model, which nobody has approved
        ports=[{"name": "http", "containerPort": 8080}],
        lifecycle={"preStop": {"sleep": {"seconds": 5}}},  # until no node sends it calls any more
        readinessProbe={**ready, "periodSeconds": 2},
        startupProbe={**ready, "periodSeconds": 2, "failureThreshold": 150},
        livenessProbe={**ready, "periodSeconds": 15, "timeoutSeconds": 15, "failureThreshold": 4},
    )
    template = {"metadata": {"labels": marks, "annotations": {f"{GROUP}/programs": pods.PROGRAMS}}, "spec": spec}
    body = {
        "replicas": 1,
        "revisionHistoryLimit": 1,
        "selector": {"matchLabels": {pods.RELEASE_LABEL: name, pods.STEP_LABEL: "serve"}},
        # The old Pod goes when the new one answers.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": template,
    }
    note = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    meta = {"name": f"serve-{name}", "namespace": NAMESPACE, "labels": marks}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**meta, "annotations": {MANIFEST_NOTE: note}},
        "spec": body,
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {
            "selector": {pods.RELEASE_LABEL: name, pods.STEP_LABEL: "serve"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }
    return deployment, service


def unavailable_since(deployment: Object) -> float | None:
    """Since when a Deployment has too few Pods that are ready, seconds since 1970; None where it has enough."""
    for condition in (deployment.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Available" and condition["status"] == "False":
            return seconds_of(condition["lastTransitionTime"])
    return None


def server_of(deployment: Object, its_pods: list[Object], wanted: str) -> Server:
    """State of a Deployment.

    :param its_pods: only looked at while it is not ready.
    :param wanted: the note of the manifest that it should have.
    """
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    current = (deployment["metadata"].get("annotations") or {}).get(MANIFEST_NOTE) == wanted
    if spec.get("replicas") == 0:
        return Server("parked", current=current)
    observed = (status.get("observedGeneration") or 0) >= (deployment["metadata"].get("generation") or 0)
    if status.get("readyReplicas") and observed:  # else it is the state of what was wanted before
        return Server("ready", current=current)
    down = unavailable_since(deployment)
    for pod in its_pods:
        if 3 in pods.exit_codes(pod):
            return Server("failed", pods.last_message([pod]), current, down=down)
    message, placed = pods.last_message(its_pods), pods.placed_at(its_pods)
    return Server("starting", message, current, placed, any(map(pods.crashed, its_pods)), down)


def new_route(model: str, route: Mapping[str, Any], version: str | None) -> Object:
    """ConfigMap with a route."""
    meta: Object = {
        "name": f"route-{model}",
        "namespace": NAMESPACE,
        "labels": {MODEL_LABEL: model, f"{GROUP}/route": "true"},
    }
    if version:
        meta["resourceVersion"] = version
    content = json.dumps(route, ensure_ascii=False, sort_keys=True)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"route.json": content}}


# Acting --------------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """The cluster's objects of the loop, name → object."""

    releases: dict[str, Object]
    gate: Object | None
    deployments: dict[str, Object]
    routes: dict[str, Object]


class Answered(OSError):
    """An answer that is no success."""


def fetch(url: str, body: Any = None, seconds: float = 5, marked: str = "") -> Any:
    """JSON from an address.

    :param seconds: for the whole answer.
    :param marked: what the header MARK of the answer must say; one that does not say it is no answer.
    :raises Answered: when the answer is no success.
    :raises OSError: when there is no answer.
    """
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    answer = ask("GET" if body is None else "POST", url, content, headers, seconds=seconds)
    if marked and answer.headers.get(MARK) != marked:
        raise OSError("another server answered in its place")
    if answer.status != 200:
        raise Answered(f"it answered {answer.status}.")
    return json.loads(answer.body)


class Switch:
    """Carries out steps."""

    def __init__(self, kube: Kube, root: Path = ROOT, router: str = ROUTER) -> None:
        self._kube, self._root, self._router = kube, root, router
        self._trials: dict[str, dict[str, str]] = {}
        self._unanswered: dict[str, int] = {}
        self._asked = 0

    def tick(self, world: World) -> bool:
        """One step for each model; returns whether something is on its way."""
        models = ((world.gate or {}).get("spec") or {}).get("models") or {}
        stats = self._stats() if any(self._needs_stats(model, world) for model in models) else {}
        busy = False
        for model, rules in models.items():
            try:
                seen = self.seen(model, rules, world, stats.get(model))
                step = next_step(seen)
                busy |= step != WAIT or bool(name_of(seen.route, "candidate")) or bool(_coming(seen))
                self._act(model, step, seen, world)
            except Conflict:
                busy = True  # somebody was quicker; what they did is seen next time
            except KubeError as error:
                print(f"{model}: {error}", flush=True)
        return busy

    def _needs_stats(self, model: str, world: World) -> bool:
        route = route_in_force(model, world)
        return bool(name_of(route, "candidate")) or any(
            (deployment["metadata"].get("labels") or {}).get(MODEL_LABEL) == model
            and deployment["metadata"]["labels"].get(pods.RELEASE_LABEL) != name_of(route, "stable")
            and (deployment.get("spec") or {}).get("replicas") != 0
            for deployment in world.deployments.values()
        )

    def seen(self, model: str, rules: Mapping[str, Any], world: World, stats: Mapping[str, Any] | None) -> Seen:
        """What is known about a model."""
        releases = {name: one for name, one in world.releases.items() if one["spec"]["model"] == model}
        servers = {}
        for deployment in world.deployments.values():
            marks = deployment["metadata"].get("labels") or {}
            if marks.get(MODEL_LABEL) == model and marks.get(pods.STEP_LABEL) == "serve":
                name = marks[pods.RELEASE_LABEL]
                servers[name] = self._server(name, deployment, releases.get(name), rules)
        return Seen(
            *(releases, rules, route_in_force(model, world), servers, stats),
            *(self._trials.get(model, {}), time.time()),
        )

    def _server(self, name: str, deployment: Object, release: Object | None, rules: Mapping[str, Any]) -> Server:
        wanted = ""
        if release is not None and release["spec"].get("evidence"):
            wanted = serving(release, rules)[0]["metadata"]["annotations"][MANIFEST_NOTE]
        its_pods: list[Object] = []
        if not (deployment.get("status") or {}).get("readyReplicas") and (deployment.get("spec") or {}).get("replicas"):
            its_pods, _version = self._kube.list("Pod", f"{pods.RELEASE_LABEL}={name},{pods.STEP_LABEL}=serve")
        return server_of(deployment, its_pods, wanted)

    def _stats(self) -> dict[str, Any]:
        try:
            return fetch(f"{self._router}/stats", seconds=2)["models"]
        except (OSError, ValueError, KeyError):
            return {}

    def _act(self, model: str, step: Step, seen: Seen, world: World) -> None:
        if step == WAIT:
            return
        if step.do != "ask":
            print(f"{step.release}: {step.do} {step.phase} {step.message}".rstrip(), flush=True)
        if step.do == "serve":
            self._serve(seen.releases[step.release], seen.rules)
        elif step.do == "park":
            self._kube.patch("Deployment", f"serve-{step.release}", {"spec": {"replicas": 0}})
        elif step.do == "remove":
            self._kube.delete("Deployment", f"serve-{step.release}")
            self._kube.delete("Service", f"serve-{step.release}")
        elif step.do == "try":
            told = self._try(model, seen.releases[step.release])
            if told is not None:
                self._trials.setdefault(model, {})[step.release] = told
        elif step.do == "ask":
            self._ask(model, step.release)
        elif step.do == "route":
            self._route(model, step.route or {}, world)
        else:
            self._status(seen.releases[step.release], step)

    def _serve(self, release: Object, rules: Mapping[str, Any]) -> None:
        deployment, service = serving(release, rules)
        with contextlib.suppress(Conflict):
            self._kube.create(service)
        try:
            self._kube.create(deployment)
        except Conflict:
            change = {"metadata": {"annotations": deployment["metadata"]["annotations"]}, "spec": deployment["spec"]}
            self._kube.patch("Deployment", deployment["metadata"]["name"], change)

    def _route(self, model: str, route: Mapping[str, Any], world: World) -> None:
        held = world.routes.get(f"route-{model}")
        made = new_route(model, route, held["metadata"].get("resourceVersion") if held else None)
        self._trials.pop(model, None)
        if held:
            self._kube.patch("ConfigMap", f"route-{model}", made)
        else:
            self._kube.create(made)

    def _status(self, release: Object, step: Step) -> None:
        status = phase_change(release, step.phase, step.message[:1000])
        if phase_of(release) == step.phase:
            del status["history"]
        if step.replaced:
            status["replaced"] = step.replaced
        version = release["metadata"].get("resourceVersion")
        self._kube.patch_status("Release", step.release, status, version)

    # Questions

    def _probes(self, release: str) -> list[Object]:
        return read_json(release_folder(release, self._root) / "probe.json") or []

    def _try(self, model: str, release: Object) -> str | None:
        """Ask a server held-out cases directly.

        :returns: "" when it answers as in the check, else what was wrong; None when it has not answered yet: a Service
            reaches each node a moment after its Pods are ready.
        """
        name, server = release["metadata"]["name"], target(release)
        for probe in self._probes(name)[:QUESTIONS]:
            try:
                answer = fetch(
                    f"{server['url']}/v2/models/{model}/infer", probe["question"], 10, mark(name, server["digest"])
                )
                [found] = answer["outputs"][0]["data"]
            except Answered as error:
                return str(error)
            except OSError as error:
                self._unanswered[name] = self._unanswered.get(name, 0) + 1
                return f"it gave no answer: {error}." if self._unanswered[name] >= UNANSWERED else None
            except (ValueError, KeyError, IndexError, TypeError):
                return "it gave an answer that is not valid."
            if not _alike(found, probe["answer"]):
                return f"case {probe['id']} is {found}, in the check it was {probe['answer']}."
        return ""

    def _ask(self, model: str, release: str) -> None:
        """Ask some held-out cases at the address that users ask."""
        probes = self._probes(release)
        for _question in range(QUESTIONS if probes else 0):
            self._asked += 1
            try:
                fetch(f"{self._router}/v2/models/{model}/infer", probes[self._asked % len(probes)]["question"], 12)
            except (OSError, ValueError):
                return


def _alike(found: Any, wanted: str) -> bool:
    if str(found) == wanted:
        return True
    try:
        return abs(float(found) - float(wanted)) <= 1e-6 * max(1.0, abs(float(wanted)))
    except ValueError:
        return False


def route_in_force(model: str, world: World) -> dict[str, Any]:
    """The route of a model.

    :raises KubeError: when the ConfigMap is there and cannot be read: better nothing is done than from nothing.
    """
    held = world.routes.get(f"route-{model}")
    if held is None:
        return NO_ROUTE
    try:
        return {**NO_ROUTE, **json.loads((held.get("data") or {})["route.json"])}
    except (ValueError, KeyError, TypeError) as error:
        raise KubeError(0, "BadRoute", f"ConfigMap route-{model} has no route that can be read: {error}") from error


def trim_release(release: Object) -> Object:
    """A release without what the switch never reads."""
    meta = {key: value for key, value in release["metadata"].items() if key != "managedFields"}
    spec = {key: value for key, value in release["spec"].items() if key not in ("answers", "reviews")}
    if spec.get("evidence"):
        read = ("digests", "changed", "image")
        spec["evidence"] = {key: spec["evidence"][key] for key in read if key in spec["evidence"]}
    return {**release, "metadata": meta, "spec": spec}


def trim_deployment(deployment: Object) -> Object:
    """Marks and state of a Deployment."""
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    return {
        "metadata": {key: deployment["metadata"].get(key) for key in ("name", "labels", "annotations", "generation")},
        "spec": {"replicas": spec.get("replicas")},
        "status": {
            **{key: status.get(key) or 0 for key in ("readyReplicas", "observedGeneration")},
            "conditions": [one for one in status.get("conditions") or [] if one["type"] == "Available"],
        },
    }


def main() -> int:
    """Work until killed."""
    kube, woken = Kube.here(), threading.Event()
    releases = Mirror(kube, "Release", trim=trim_release, changed=woken.set).start()
    gates = Mirror(kube, "Gate", changed=woken.set).start()
    deployments = Mirror(kube, "Deployment", f"{pods.STEP_LABEL}=serve", trim_deployment, woken.set).start()
    routes = Mirror(kube, "ConfigMap", f"{GROUP}/route=true", changed=woken.set).start()
    switch = Switch(kube)
    print(f"switch: at work since {now()}", flush=True)
    busy = False
    while True:
        woken.wait(EVERY_BUSY if busy else EVERY_IDLE)
        woken.clear()
        if all(mirror.fresh for mirror in (releases, gates, deployments, routes)):
            world = World(releases.objects(), gates.objects().get("gate"), deployments.objects(), routes.objects())
            busy = switch.tick(world)
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
