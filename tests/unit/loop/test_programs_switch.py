# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How releases go into service and come back: tables of states, and whole ways with a switch that is killed."""

from __future__ import annotations

import http.server
import json
import random
import threading
from dataclasses import replace

import kube
import pods
import pytest
import switch
import v2
from loop_memory import FakeKube, Killed, phases
from switch import Seen, Server, Step

AT = 1767225600.0  # 2026-01-01T00:00:00Z
RULES = {
    "shadowSeconds": 60,
    "canarySeconds": 60,
    "canaryShare": 0.1,
    "keepSeconds": 60,
    "most": {"errors": 0.0, "latencyRatio": 3, "disagreement": 0.1},
}
READY = Server("ready")


def release(name, phase="Waiting", verdict="approved", seconds=0, rollback=None, replaced="", changed=None, at="1"):
    """A release; `seconds`: how long it has been in its phase."""
    moment = kube.time.strftime("%Y-%m-%dT%H:%M:%SZ", kube.time.gmtime(AT - seconds))
    evidence = {"digests": {"model": "sha256:" + "1" * 64, "code": "sha256:" + "2" * 64}}
    if changed:
        evidence["changed"] = {"different": changed, "cases": 100}
    told = {
        "kind": "Release",
        "metadata": {"name": name, "resourceVersion": "1"},
        "spec": {"model": "digits", "askedBy": "ada", "evidence": evidence},
        "status": {"phase": phase, "message": "", "history": [{"phase": phase, "at": moment}]},
    }
    if verdict:
        told["spec"]["decision"] = {"verdict": verdict, "by": "bob", "reason": "as good as before", "at": at}
    if rollback:
        told["spec"]["rollback"] = {"by": "eve", "reason": rollback, "at": moment}
    if replaced:
        told["status"]["replaced"] = replaced
    return told


def route(mode="stable", stable="digits-1", candidate=None, share=0, gone=None):
    return {
        "mode": mode,
        "stable": switch.target(release(stable)) if stable else None,
        "candidate": switch.target(release(candidate)) if candidate else None,
        "share": share,
        "gone": gone or {},
    }


def figures(**told):
    start = {"calls": 0, "answered": 0, "errors": 0, "unreached": 0, "awaySeconds": 0.0, "lastError": ""}
    return {**start, "compared": 0, "different": 0, "timed": 0, "latencyMs50": 0.0, "latencyMs95": 0.0, **told}


def stats(mode, stable="digits-1", candidate="digits-2", before=None, **told):
    """What the router says."""
    releases = {stable: figures(**(before or {})), **({candidate: figures(**told)} if candidate else {})}
    return {"mode": mode, "stable": stable, "candidate": candidate, "releases": releases}


def seen(*releases, **more):
    more.setdefault("servers", {one["metadata"]["name"]: READY for one in releases})
    return Seen({one["metadata"]["name"]: one for one in releases}, RULES, at=AT, **more)


def beside_one_that_is_down(phase, mode, seconds):
    """A release on its way, and a live one that cannot be served any more: its file is lost, or its image is gone."""
    return seen(
        *(release("digits-1", "Live"), release("digits-2", phase, seconds=99)),
        route=route(mode, candidate="digits-2"),
        stats=stats(mode),
        servers={"digits-1": Server("failed", "its model is not there", down=AT - seconds), "digits-2": READY},
    )


def observed(generation):
    """Status of a Deployment as its controller wrote it when it saw this generation."""
    return {"readyReplicas": 1, "observedGeneration": generation}


LIVE, NEXT = release("digits-1", "Live"), "digits-2"


def going(phase, mode, share=0, told=None, seconds=0, **more):
    """The live one and a candidate on its way."""
    figures = stats(mode, **(told or {}))
    way = route(mode, candidate=NEXT, share=share)
    return seen(LIVE, release(NEXT, phase, seconds=seconds, **more), route=way, stats=figures)


STEPS = {
    "nothing at all": (seen(), ("wait", "")),
    "nobody has decided": (seen(release("digits-1", verdict=None), servers={}), ("wait", "")),
    "refused": (seen(release("digits-1", verdict="refused")), ("status", "digits-1", "Refused")),
    "refused and said": (seen(release("digits-1", "Refused", verdict="refused"), servers={}), ("wait", "")),
    "approved": (seen(release("digits-1"), servers={}), ("status", "digits-1", "Approved")),
    "approved before the hand has said that it waits": (
        seen(release("digits-1", "Checking"), servers={}),
        ("wait", ""),
    ),
    "no server": (seen(release("digits-1", "Approved"), servers={}), ("serve", "digits-1")),
    "its server is of an earlier program": (
        seen(release("digits-1", "Approved"), servers={"digits-1": Server("ready", current=False)}),
        ("serve", "digits-1"),
    ),
    "its server starts": (
        seen(release("digits-1", "Approved"), servers={"digits-1": Server("starting")}),
        ("wait", ""),
    ),
    "its server never starts": (
        seen(release("digits-1", "Approved", seconds=601), servers={"digits-1": Server("starting", "ErrImagePull")}),
        ("route", "digits-1"),
    ),
    "no Pi takes its server: one is off, and that is no fault of the release": (
        seen(
            release("digits-1", "Approved", seconds=6000), servers={"digits-1": Server("starting", "no node", placed=0)}
        ),
        ("status", "digits-1", "Approved"),
    ),
    "its Pi has come back": (
        seen(release("digits-1", "Approved", seconds=6000), servers={"digits-1": Server("starting", placed=AT - 30)}),
        ("wait", ""),
    ),
    "its Pi has come back, and it never starts": (
        seen(release("digits-1", "Approved", seconds=6000), servers={"digits-1": Server("starting", placed=AT - 601)}),
        ("route", "digits-1"),
    ),
    "its server refuses the file": (
        seen(release("digits-1", "Approved"), servers={"digits-1": Server("failed", "the file is not the one")}),
        ("route", "digits-1"),
    ),
    "its server is ready": (seen(release("digits-1", "Approved")), ("try", "digits-1")),
    "it answered well, and nothing is live": (
        seen(release("digits-1", "Approved"), trials={"digits-1": ""}),
        ("route", "digits-1"),
    ),
    "taken back before it answered": (
        seen(release("digits-1", "Approved", rollback="wrong one")),
        ("status", "digits-1", "RolledBack"),
    ),
    "in the route and not yet said": (
        seen(release("digits-1", "Approved"), route=route()),
        ("status", "digits-1", "Live"),
    ),
    "live": (seen(LIVE, route=route()), ("wait", "")),
    "somebody deleted the live one's Deployment": (seen(LIVE, servers={}, route=route()), ("serve", "digits-1")),
    "the next one": (
        seen(LIVE, release(NEXT, "Approved"), route=route(), trials={NEXT: ""}),
        ("route", NEXT),
    ),
    "of two approved ones the one approved last": (
        seen(LIVE, release(NEXT, "Approved", at="2"), release("digits-3", "Approved", at="1"), route=route()),
        ("status", "digits-3", "Replaced"),
    ),
    "in shadow and not yet said": (going("Approved", "shadow"), ("status", NEXT, "Shadow")),
    "in shadow and nobody asks": (going("Shadow", "shadow", told={"compared": 3}), ("ask", NEXT)),
    "in shadow and the time is not over": (
        going("Shadow", "shadow", told={"compared": 60}, seconds=59),
        ("wait", ""),
    ),
    "shadow is over": (going("Shadow", "shadow", told={"compared": 60}, seconds=60), ("route", NEXT)),
    "in shadow, and the router does not know it yet": (
        seen(LIVE, release(NEXT, "Shadow", seconds=99), route=route("shadow", candidate=NEXT), stats=stats("stable")),
        ("wait", ""),
    ),
    "in shadow, and the router is away": (
        seen(LIVE, release(NEXT, "Shadow", seconds=99), route=route("shadow", candidate=NEXT)),
        ("wait", ""),
    ),
    "in shadow with its server gone": (
        seen(
            *(LIVE, release(NEXT, "Shadow", seconds=99)),
            route=route("shadow", candidate=NEXT),
            stats=stats("shadow", compared=60),
            servers={"digits-1": READY, NEXT: Server("starting")},
        ),
        ("ask", NEXT),
    ),
    "in shadow beside one that has not been ready for long": (
        beside_one_that_is_down("Shadow", "shadow", 599),
        ("ask", NEXT),
    ),
    "in shadow beside one that does not come back": (
        beside_one_that_is_down("Shadow", "shadow", 600),
        ("route", NEXT),
    ),
    "canary beside one that does not come back": (
        beside_one_that_is_down("Canary", "canary", 600),
        ("route", NEXT),
    ),
    "canary and not yet said": (going("Shadow", "canary"), ("status", NEXT, "Canary")),
    "canary, and it has answered few": (
        going("Canary", "canary", told={"answered": 4, "compared": 20}, seconds=99),
        ("ask", NEXT),
    ),
    "canary is over": (going("Canary", "canary", told={"answered": 5, "compared": 20}, seconds=60), ("route", NEXT)),
    "answers all, not yet said": (going("Canary", "live"), ("status", NEXT, "Live")),
    "answers all, and the replaced one does not know": (going("Live", "live"), ("status", "digits-1", "Replaced")),
    "the time to keep the replaced one is not over": (
        seen(
            *(release("digits-1", "Replaced"), release(NEXT, "Live", seconds=59, replaced="digits-1")),
            route=route("live", candidate=NEXT),
            stats=stats("live"),
        ),
        ("wait", ""),
    ),
    "the time is over, and few have asked": (
        seen(
            *(release("digits-1", "Replaced"), release(NEXT, "Live", seconds=60, replaced="digits-1")),
            route=route("live", candidate=NEXT),
            stats=stats("live", timed=20, before={"timed": 19}),
        ),
        ("ask", NEXT),
    ),
    "the time is over, and few could be compared for long": (
        seen(
            *(release("digits-1", "Replaced"), release(NEXT, "Live", seconds=660, replaced="digits-1")),
            route=route("live", candidate=NEXT),
            stats=stats("live", timed=0, before={"timed": 0}),
        ),
        ("route", NEXT),
    ),
    "the time to keep the replaced one is over": (
        seen(
            *(release("digits-1", "Replaced"), release(NEXT, "Live", seconds=60, replaced="digits-1")),
            route=route("live", candidate=NEXT),
            stats=stats("live", timed=20, before={"timed": 20}),
        ),
        ("route", NEXT),
    ),
    "the time is over, and its Pi is off": (
        seen(
            *(release("digits-1", "Replaced"), release(NEXT, "Live", seconds=6000, replaced="digits-1")),
            route=route("live", candidate=NEXT),
            stats=stats("live", timed=20, before={"timed": 20}, unreached=3, awaySeconds=30.0),
        ),
        ("ask", NEXT),
    ),
    "the replaced one is parked": (
        seen(
            *(release("digits-1", "Replaced"), release(NEXT, "Live", replaced="digits-1")),
            route=route(stable=NEXT),
            stats=stats("stable", stable=NEXT, candidate=None),
        ),
        ("park", "digits-1"),
    ),
    "not before the router knows": (
        seen(
            *(release("digits-1", "Replaced"), release(NEXT, "Live", replaced="digits-1")),
            route=route(stable=NEXT),
            stats=stats("live"),
        ),
        ("wait", ""),
    ),
    "older ones are removed": (
        seen(
            *(
                release("digits-0", "Replaced"),
                release("digits-1", "Replaced"),
                release(NEXT, "Live", replaced="digits-1"),
            ),
            route=route(stable=NEXT),
            stats=stats("stable", stable=NEXT, candidate=None),
        ),
        ("remove", "digits-0"),
    ),
    "came back, not yet said": (
        seen(LIVE, release(NEXT, "Canary"), route=route(gone={NEXT: "5 failed"})),
        ("status", NEXT, "RolledBack"),
    ),
    "came back, and its server goes": (
        seen(
            *(LIVE, release(NEXT, "RolledBack")),
            route=route(gone={NEXT: "5 failed"}),
            stats=stats("stable", candidate=None),
        ),
        ("remove", NEXT),
    ),
    "came back after it was live, and the earlier one is live again": (
        seen(
            *(release("digits-1", "Replaced"), release(NEXT, "RolledBack", replaced="digits-1")),
            route=route(gone={NEXT: "5 failed"}),
        ),
        ("status", "digits-1", "Live"),
    ),
    "a live one is taken back: the earlier one is started": (
        seen(
            *(release("digits-1", "Replaced"), release(NEXT, "Live", replaced="digits-1", rollback="wrong eights")),
            route=route(stable=NEXT),
            servers={"digits-1": Server("parked"), NEXT: READY},
        ),
        ("serve", "digits-1"),
    ),
    "a live one is taken back: the earlier one starts": (
        seen(
            *(release("digits-1", "Replaced"), release(NEXT, "Live", replaced="digits-1", rollback="wrong eights")),
            route=route(stable=NEXT),
            servers={"digits-1": Server("starting"), NEXT: READY},
        ),
        ("wait", ""),
    ),
    "a live one is taken back: the earlier one is ready": (
        seen(
            *(release("digits-1", "Replaced"), release(NEXT, "Live", replaced="digits-1", rollback="wrong eights")),
            route=route(stable=NEXT),
        ),
        ("route", NEXT),
    ),
    "a live one is taken back, and there is no other": (
        seen(release("digits-1", "Live", rollback="wrong eights"), route=route()),
        ("status", "digits-1", "Live"),
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_the_next_step(name):
    known, wanted = STEPS[name]
    step = switch.next_step(known)
    assert (step.do, step.release, step.phase)[: len(wanted)] == wanted, step


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"calls": 10, "errors": 1, "lastError": "HTTP 500"}, "1 of 10 answers failed, at most 0% may: HTTP 500."),
        (
            {"timed": 20, "latencyMs50": 31.0, "before": {"timed": 20, "latencyMs50": 10.0}},
            "It took 31 ms, 3.1 times as long as digits-1; at most 3 times is allowed.",
        ),
        ({"timed": 19, "latencyMs50": 31.0, "before": {"timed": 20, "latencyMs50": 10.0}}, ""),
        ({"timed": 20, "latencyMs50": 30.0, "before": {"timed": 20, "latencyMs50": 10.0}}, ""),
        (
            {"timed": 100, "latencyMs95": 90.0, "before": {"timed": 100, "latencyMs95": 20.0}},
            "It took 90 ms, 4.5 times as long as digits-1; at most 3 times is allowed.",
        ),
        ({"timed": 99, "latencyMs95": 90.0, "before": {"timed": 99, "latencyMs95": 20.0}}, ""),
        ({"compared": 20, "different": 3}, "15.0% of 20 answers differ from those of digits-1, at most 10.0% may."),
        ({"compared": 19, "different": 19}, ""),
        ({"compared": 20, "different": 2}, ""),
        ({"calls": 10}, ""),
    ],
)
@pytest.mark.parametrize(("mode", "phase"), [("shadow", "Shadow"), ("canary", "Canary"), ("live", "Live")])
def test_what_brings_a_release_back(mode, phase, told, words):
    known = going(phase, mode, told=told)
    assert switch.trouble(known) == words
    step = switch.next_step(known)
    if words:
        assert step.do == "route"
        assert step.route["mode"] == "stable"
        assert step.route["candidate"] is None
        assert step.route["stable"]["release"] == "digits-1"
        assert step.route["gone"] == {NEXT: words}
    else:
        assert step.do != "route"


def test_what_was_seen_and_approved_is_no_reason_to_go_back():
    told = {"compared": 100, "different": 15}
    assert switch.trouble(going("Shadow", "shadow", told=told))
    assert not switch.trouble(going("Shadow", "shadow", told=told, changed=14))


@pytest.mark.parametrize(
    ("server", "away", "words"),
    [
        (READY, 60, ""),
        (READY, 61, "It could not be reached for 60 s while digits-1 answered: All connection attempts failed."),
        (Server("starting"), 600, ""),
        (Server("starting"), 601, "It could not be reached for 600 s while digits-1 answered"),
        (Server("starting", "OOMKilled.", crashed=True), 0.5, "Its server stopped: OOMKilled."),
        (Server("starting", crashed=True), 0.5, "Its server stopped: All connection attempts failed."),
    ],
)
@pytest.mark.parametrize("mode", ["shadow", "canary", "live"])
def test_a_pi_that_is_off_is_waited_for_and_a_crash_is_not(mode, server, away, words):
    told = {"unreached": 3, "awaySeconds": away, "lastError": "All connection attempts failed"}
    found = seen(
        *(LIVE, release(NEXT, "Canary")),
        route=route(mode, candidate=NEXT, share=0.1),
        stats=stats(mode, **told),
        servers={"digits-1": READY, NEXT: server},
    )
    reason = switch.trouble(found)
    assert reason.startswith(words) if words else not reason


def test_a_crash_is_told_from_a_stop_and_from_a_power_cut():
    def pod(code):
        return {
            "status": {
                "containerStatuses": [{"state": {"running": {}}, "lastState": {"terminated": {"exitCode": code}}}]
            }
        }

    assert [code for code in (0, 1, 3, 137, 139, 143, 255) if switch.pods.crashed(pod(code))] == [1, 3, 137, 139]
    assert not switch.pods.crashed({})


def test_a_person_or_a_failed_server_brings_it_back():
    asked = going("Canary", "canary", rollback="wrong eights")
    assert switch.next_step(asked).message == "Taken back by eve: wrong eights"
    failed = seen(
        *(LIVE, release(NEXT, "Shadow")),
        route=route("shadow", candidate=NEXT),
        servers={"digits-1": READY, NEXT: Server("failed", "another scikit-learn")},
    )
    assert switch.next_step(failed).message == "Its server failed: another scikit-learn"


def test_a_route_that_cannot_be_read_stops_the_model():
    world = switch.World({}, None, {}, {"route-digits": {"data": {"route.json": "{"}}})
    with pytest.raises(kube.KubeError, match="route-digits"):
        switch.route_in_force("digits", world)


@pytest.mark.parametrize(
    ("state", "server"),
    [
        ({"spec": {"replicas": 0}}, Server("parked", current=False)),
        ({"spec": {"replicas": 1}, "status": {"readyReplicas": 1}}, Server("ready", current=False)),
        (
            {"metadata": {"generation": 3}, "spec": {"replicas": 1}, "status": observed(3)},
            Server("ready", current=False),
        ),
        (
            {"metadata": {"generation": 3}, "spec": {"replicas": 1}, "status": observed(2)},
            Server("failed", "digest", current=False),
        ),
        ({"spec": {"replicas": 1}}, Server("failed", "digest", current=False)),
    ],
)
def test_the_state_of_a_server(state, server):
    pod = {
        "metadata": {},
        "status": {"containerStatuses": [{"lastState": {"terminated": {"exitCode": 3, "message": "digest"}}}]},
    }
    assert switch.server_of({"metadata": {}, **state}, [pod], "note") == server


@pytest.mark.parametrize(
    ("conditions", "more", "placed"),
    [
        ([{"type": "PodScheduled", "status": "True", "lastTransitionTime": "1970-01-01T00:01:40Z"}], {}, 100.0),
        ([{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}], {}, 0.0),
        ([], {}, 0.0),
        ([], {"deletionTimestamp": "1970-01-01T00:01:40Z"}, None),
    ],
)
def test_when_a_pod_came_to_a_node(conditions, more, placed):
    old = {"metadata": {"creationTimestamp": "1"}, "status": {}}
    pod = {"metadata": {"creationTimestamp": "2", **more}, "status": {"conditions": conditions}}
    assert switch.pods.placed_at([pod] if more else [pod, old]) == placed


# Whole ways ----------------------------------------------------------------------------------------------------------


class Lab:
    """A cluster in memory with a router that follows, and a switch that is killed and started again."""

    def __init__(self, root, monkeypatch, seed, kill):
        self.root, self.api, self.dice = root, FakeKube(seed, kill), random.Random(seed)
        self.rules = {**RULES, "shadowSeconds": 0, "canarySeconds": 0, "keepSeconds": 0, "leastCompared": 20}
        self.behaviour: dict[str, str] = {}
        self.router: dict = {"route": switch.NO_ROUTE, "counts": {}}
        self.kills, self.were_in_service = 0, []
        monkeypatch.setattr(switch, "fetch", self.fetch)

    def add(self, name, behaviour="good"):
        self.behaviour[name] = behaviour
        made = release(name)
        made["status"] = {"phase": "Waiting", "history": []}
        self.api.stored["Release", name] = made
        folder = self.root / "releases" / name
        folder.mkdir(parents=True)
        probe = {"id": "digit-1", "question": {"inputs": []}, "answer": "1"}
        (folder / "probe.json").write_text(json.dumps([probe]))

    # What the network answers

    def fetch(self, url, body=None, seconds=5, marked=""):
        if url.endswith("/stats"):
            return {"models": {"digits": self.stats()}} if self.router["route"]["stable"] else {"models": {}}
        if url.startswith("http://serve-"):
            name = url.removeprefix("http://serve-").partition("/")[0]
            assert marked == v2.mark(name, "sha256:" + "1" * 64)
            return {"outputs": [{"data": [2 if self.behaviour[name] == "other answers" else 1]}]}
        way = self.router["route"]
        assert switch.name_of(way, "stable"), "nobody is asked before something is live"
        self.count(switch.name_of(way, "candidate"), way["mode"])
        return {}

    def count(self, name, mode):
        if not name:
            return
        told = self.router["counts"].setdefault(name, figures())
        told["calls"] += 1
        told["timed"] += 1
        told["latencyMs50"] = 90.0 if self.behaviour[name] == f"slow in {mode}" else 10.0
        if self.behaviour[name] == f"fails in {mode}":
            told.update(errors=told["errors"] + 1, lastError="HTTP 500")
        else:
            told["compared"] += 1
            told["answered"] += mode in ("canary", "live")
            told["different"] += self.behaviour[name] == f"differs in {mode}"

    def stats(self):
        way = self.router["route"]
        stable, candidate = switch.name_of(way, "stable"), switch.name_of(way, "candidate")
        told = {stable: figures(timed=100, latencyMs50=10.0)}
        if candidate:
            told[candidate] = self.router["counts"].get(candidate) or figures()
        return {"mode": way["mode"], "stable": stable, "candidate": candidate or None, "releases": told}

    # Time

    def world(self):
        api = self.api
        return switch.World(
            api.objects("Release"),
            {"spec": {"models": {"digits": self.rules}}},
            api.objects("Deployment"),
            api.objects("ConfigMap"),
        )

    def turn(self):
        known = self.world()
        try:
            mine = switch.Switch(self.api, self.root)
            for _look in range(self.dice.randint(1, 6)):
                mine.tick(known)
                self.check()
                if self.dice.random() < 0.8:
                    known = self.world()
        except Killed:
            self.kills += 1
        self.check()
        for name, deployment in self.api.objects("Deployment").items():
            wanted = deployment["spec"]["replicas"]
            bad = self.behaviour[name.removeprefix("serve-")] == "does not start"
            if self.dice.random() < 0.7:
                self.api.as_person("Deployment", name, {"status": {"readyReplicas": 0 if bad else wanted}})
            if bad and wanted:
                ended = {"terminated": {"exitCode": 3, "message": "not the file that was checked"}}
                labels = deployment["spec"]["template"]["metadata"]["labels"]
                self.api.stored["Pod", name] = {
                    "metadata": {"name": name, "labels": labels},
                    "status": {"containerStatuses": [{"state": ended}]},
                }
        held = self.api.objects("ConfigMap").get("route-digits")
        if held and self.dice.random() < 0.7:
            way = json.loads(held["data"]["route.json"])
            if way != self.router["route"]:
                self.router = {"route": way, "counts": {}}
            self.count(switch.name_of(way, "candidate"), way["mode"])

    def check(self):
        """What must hold at every moment."""
        held = self.api.objects("ConfigMap").get("route-digits")
        if not held:
            return
        way = json.loads(held["data"]["route.json"])
        for asked in (way, self.router["route"]):
            for place in ("stable", "candidate"):
                name = switch.name_of(asked, place)
                if not name:
                    continue
                assert switch.approved(self.api.get("Release", name)), f"{name} answers and is not approved"
                if place == "stable":
                    assert self.api.get("Deployment", f"serve-{name}")["spec"]["replicas"] == 1, "the stable one is up"
        for place in ("stable", "candidate"):
            assert switch.name_of(way, place) not in (way.get("gone") or {}), "what came back does not go forward"

    def until(self, condition, turns=400):
        for _turn in range(turns):
            self.turn()
            if condition():
                return
        told = {name: one["status"] for name, one in self.api.objects("Release").items()}
        raise AssertionError((told, self.api.objects("ConfigMap"), list(self.api.objects("Deployment"))))

    def phase(self, name):
        return switch.phase_of(self.api.get("Release", name))

    def settled(self):
        """Nothing is left to do."""
        self.api.kill = 0
        known = self.world()
        told = {"digits": self.stats()} if self.router["route"]["stable"] else {}
        mine = switch.Switch(self.api, self.root)
        way = switch.route_in_force("digits", known)
        return (
            way == self.router["route"]
            and switch.next_step(mine.seen("digits", self.rules, known, told.get("digits"))) == switch.WAIT
        )


def subsequence(found, order):
    """Each phase at most once and in its order, the last one reached."""
    return found[-1:] == order[-1:] and found == [phase for phase in order if phase in found]


@pytest.mark.parametrize("seed", range(10))
def test_killed_anywhere_an_approved_release_goes_live_and_the_replaced_one_is_parked(tmp_path, monkeypatch, seed):
    lab = Lab(tmp_path, monkeypatch, seed, kill=0.3)
    lab.add("digits-1")
    lab.until(lambda: lab.phase("digits-1") == "Live")
    lab.add("digits-2")
    lab.until(lambda: lab.phase("digits-2") == "Live")
    lab.until(lab.settled)
    one, two = lab.api.get("Release", "digits-1"), lab.api.get("Release", "digits-2")
    print(f"seed {seed}, killed {lab.kills} times")
    assert phases(one) == ["Approved", "Live", "Replaced"]
    assert phases(two) == ["Approved", "Shadow", "Canary", "Live"]
    assert two["status"]["replaced"] == "digits-1"
    assert lab.api.get("Deployment", "serve-digits-1")["spec"]["replicas"] == 0


BAD = ["does not start", "other answers"] + [
    f"{what} in {mode}" for what in ("fails", "slow", "differs") for mode in ("shadow", "canary", "live")
]


@pytest.mark.parametrize("behaviour", BAD)
@pytest.mark.parametrize("seed", range(2))
def test_killed_anywhere_a_bad_release_comes_back_and_stays_back(tmp_path, monkeypatch, seed, behaviour):
    lab = Lab(tmp_path, monkeypatch, seed, kill=0.3)
    lab.rules["keepSeconds"] = 10**9
    lab.add("digits-1")
    lab.until(lambda: lab.phase("digits-1") == "Live")
    lab.add("digits-2", behaviour)
    lab.until(lambda: lab.phase("digits-2") == "RolledBack")
    lab.until(lab.settled)
    for _turn in range(20):
        lab.turn()
    print(f"seed {seed}, killed {lab.kills} times")
    assert lab.phase("digits-1") == "Live"
    assert lab.phase("digits-2") == "RolledBack"
    assert list(lab.api.objects("Deployment")) == ["serve-digits-1"]
    assert switch.name_of(lab.router["route"], "stable") == "digits-1"


@pytest.mark.parametrize("seed", range(10))
def test_killed_anywhere_a_person_takes_a_live_release_back(tmp_path, monkeypatch, seed):
    lab = Lab(tmp_path, monkeypatch, seed, kill=0.3)
    for number in (1, 2, 3):
        lab.add(f"digits-{number}")
        lab.until(lambda number=number: lab.phase(f"digits-{number}") == "Live")
    lab.until(lambda: not switch.name_of(lab.router["route"], "candidate"))
    asked = {"by": "eve", "reason": "wrong eights", "at": "2026-01-01T00:00:00Z"}
    lab.api.as_person("Release", "digits-3", {"spec": {"rollback": asked}})
    lab.until(lambda: lab.phase("digits-3") == "RolledBack" and lab.phase("digits-2") == "Live")
    lab.until(lab.settled)
    assert sorted(lab.api.objects("Deployment")) == ["serve-digits-1", "serve-digits-2"] or sorted(
        lab.api.objects("Deployment")
    ) == ["serve-digits-2"]
    assert lab.api.get("Release", "digits-3")["status"]["message"] == "Taken back by eve: wrong eights"


def test_steps_are_compared_by_value():
    assert Step("wait") == switch.WAIT


class Server404(http.server.BaseHTTPRequestHandler):
    """Answers 404; as a release when the path names its mark."""

    def do_GET(self):
        self.send_response(404)
        if self.path != "/v2":
            self.send_header(v2.MARK, self.path.removeprefix("/").replace("_", " "))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments):
        pass


def test_an_answer_that_is_no_success_is_told_from_that_of_another_server_and_from_none():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server404)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    with pytest.raises(switch.Answered, match="it answered 404"):
        switch.fetch(f"{address}/v2")
    with pytest.raises(switch.Answered, match="it answered 404"):
        switch.fetch(f"{address}/digits-2_sha256:1", marked="digits-2 sha256:1")
    for path in ("v2", "digits-1_sha256:1", "digits-2_sha256:2"):
        with pytest.raises(OSError, match="another server answered in its place") as found:
            switch.fetch(f"{address}/{path}", marked="digits-2 sha256:1")
        assert not isinstance(found.value, switch.Answered)
    server.shutdown()
    server.server_close()
    with pytest.raises(OSError, match="refused"):
        switch.fetch(f"{address}/v2")


def trying(monkeypatch, answers):
    """A switch whose servers give these answers, the last one for ever."""

    def fetch(_url, _question, _seconds, marked):
        assert marked.startswith("digits-2 sha256:111")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer

    program = object.__new__(switch.Switch)
    program._unanswered = {}
    monkeypatch.setattr(program, "_probes", lambda _release: [{"id": "1", "question": {}, "answer": 3}], raising=False)
    monkeypatch.setattr(switch, "fetch", fetch)
    return lambda: program._try("digits", release("digits-2"))


def test_a_server_that_is_not_reached_yet_is_asked_again(monkeypatch):
    away = OSError("no route")
    ask = trying(monkeypatch, [away, {"outputs": [{"data": [3]}]}])
    assert [ask(), ask()] == [None, ""]
    ask = trying(monkeypatch, [away])
    asked = [ask() for _time in range(switch.UNANSWERED)]
    assert asked == [None] * (switch.UNANSWERED - 1) + ["it gave no answer: no route."]


def test_a_servers_own_failure_counts_at_once(monkeypatch):
    assert trying(monkeypatch, [switch.Answered("it answered 500.")])() == "it answered 500."
    assert trying(monkeypatch, [{"outputs": [{"data": [8]}]}])() == "case 1 is 8, in the check it was 3."


def test_a_server_that_ends_answers_until_no_node_sends_it_calls_any_more():
    deployment, _service = switch.serving(release("digits-1"), RULES)
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] >= 5


def test_with_nobody_to_compare_with_the_approved_one_answers_everything_and_can_be_taken_back():
    step = switch.next_step(beside_one_that_is_down("Shadow", "shadow", 600))
    assert step.route == {**route("live", candidate="digits-2", share=1)}
    said = switch.next_step(
        replace(beside_one_that_is_down("Shadow", "live", 600), stats=stats("live"), route=step.route)
    )
    assert (said.do, said.phase, said.replaced) == ("status", "Live", "digits-1")


def test_a_release_is_served_in_the_image_that_it_was_examined_in(monkeypatch):
    def image(one):
        deployment, _service = switch.serving(one, RULES)
        return deployment["spec"]["template"]["spec"]["containers"][0]["image"]

    old, examined = release("digits-1"), release("digits-2")
    examined["spec"]["evidence"]["image"] = "example.org/server:1"
    before = switch.serving(examined, RULES)
    monkeypatch.setattr(pods, "IMAGE", "example.org/server:2")
    assert image(examined) == "example.org/server:1"
    assert switch.serving(examined, RULES) == before
    assert image(old) == "example.org/server:2"  # its evidence is from before images were noted
    assert switch.trim_release(examined)["spec"]["evidence"]["image"] == "example.org/server:1"


def test_since_when_a_server_is_down():
    down = {"type": "Available", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    deployment = {
        "metadata": {"name": "serve-digits-1", "managedFields": []},
        "spec": {"replicas": 1},
        "status": {"conditions": [{"type": "Progressing", "status": "True"}, down]},
    }
    kept = switch.trim_deployment(deployment)
    assert switch.server_of(kept, [], "").down == kube.seconds_of("2026-01-01T00:00:00Z")
    kept["status"]["conditions"][0]["status"] = "True"
    assert switch.server_of(kept, [], "").down is None
