# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the router lets through, how it compares answers, and whose turn it is."""

from __future__ import annotations

import json

import model_server
import pytest
import routing
import v2


@pytest.mark.parametrize(
    ("method", "path", "passes"),
    [
        ("GET", "/v2/models/digits", True),
        ("HEAD", "/v2/models/digits/ready", True),
        ("POST", "/v2/models/digits/infer", True),
        ("POST", "/v2/models/digits/versions/1/infer", True),
        ("POST", "/v1/models/digits:predict", True),
        ("POST", "/v2/repository/models/digits/unload", False),
        ("POST", "/v2/models/digits/infer/", False),
        ("POST", "/v2/models/digits/infer\n", False),
        ("POST", "/v2/models/a/b/infer", False),
        ("post", "/v2/models/digits/infer", False),
        ("DELETE", "/v2/models/digits", False),
    ],
)
def test_reads_and_inference_and_nothing_else(method, path, passes):
    assert model_server.passes(method, path) is passes


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v2/models/digits/infer", "digits"),
        ("/v1/models/digits:predict", "digits"),
        ("/v2/health/live", ""),
        ("/v2/models/", ""),
    ],
)
def test_which_model_is_meant(path, model):
    assert v2.model_of(path) == model


def v2_answer(*data, shape=None):
    return json.dumps({"outputs": [{"name": "y", "shape": shape or [len(data)], "data": list(data)}]}).encode()


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (v2_answer(3, 8), [[3], [8]]),
        (v2_answer(1, 2, 3, 4, shape=[2, 2]), [[1, 2], [3, 4]]),
        (json.dumps({"predictions": [3]}).encode(), [3]),
        (v2_answer(1, 2, 3, shape=[2]), None),
        (b'{"outputs": []}', None),
        (b'{"outputs": [{"shape": [1]}]}', None),
        (b'{"error": "no"}', None),
        (b"[]", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_the_answers_in_a_response(body, rows):
    assert v2.rows_of(body) == rows


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (v2_answer(3, 8), v2_answer(3, 3), (2, 1)),
        (v2_answer("a"), v2_answer("a"), (1, 0)),
        (v2_answer(1.0), v2_answer(1.005), (1, 0)),
        (v2_answer(1.0), v2_answer(1.02), (1, 1)),
        (v2_answer(1.0), v2_answer("a"), (1, 1)),
        (v2_answer(1), v2_answer(1, 2), None),
        (v2_answer(1), b"{}", None),
    ],
)
def test_answers_are_compared_row_by_row(one, other, told):
    assert v2.compare(one, other) == told


STABLE, CANDIDATE = {"release": "digits-1", "url": "http://one"}, {"release": "digits-2", "url": "http://two"}


def route(mode, **more):
    candidate = None if mode == "stable" else CANDIDATE
    return {"mode": mode, "stable": STABLE, "candidate": candidate, "share": 0.1, **more}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        json.dumps(route("forward")),
        json.dumps(route("canary", candidate=None)),
        json.dumps(route("shadow", stable=None)),
        json.dumps(route("canary", candidate={"release": "digits-2"})),
        json.dumps(route("canary", share="many")),
    ],
)
def test_what_is_no_route_is_not_followed(text):
    assert routing.parse(text) is None


@pytest.mark.parametrize("mode", routing.MODES)
def test_routes_are_read(mode):
    assert routing.parse(json.dumps(route(mode))) == route(mode)
    assert routing.parse(json.dumps({"mode": "stable", "stable": None, "candidate": None}))


@pytest.mark.parametrize(
    ("mode", "share", "turns"),
    [("stable", 1, 0), ("shadow", 1, 0), ("canary", 0.1, 10), ("canary", 0.25, 25), ("canary", 0, 0), ("live", 0, 100)],
)
def test_a_canary_has_its_share_evenly(mode, share, turns):
    traffic = routing.Traffic(route(mode, share=share))
    taken = [traffic.candidates_turn() for _call in range(100)]
    assert sum(taken) == turns
    if mode == "canary" and share:
        assert max(sum(taken[place : place + 20]) for place in range(80)) <= round(20 * share) + 1


def test_another_route_counts_from_the_beginning():
    traffic = routing.Traffic(route("shadow"))
    candidate = traffic.of("candidate")
    candidate.errors, candidate.calls = 2, 5
    candidate.latencies.append(7.0)
    traffic.follow(dict(route("shadow")))
    assert traffic.told()["releases"]["digits-2"]["errors"] == 2, "the same route changes nothing"
    traffic.follow(route("canary"))
    told = traffic.told()
    assert (told["mode"], told["stable"], told["candidate"]) == ("canary", "digits-1", "digits-2")
    assert told["releases"]["digits-2"] == {
        "calls": 0,
        "answered": 0,
        "errors": 0,
        "unreached": 0,
        "awaySeconds": 0.0,
        "lastError": "",
        "compared": 0,
        "different": 0,
        "timed": 0,
        "latencyMs50": 0,
        "latencyMs95": 0,
    }
    traffic.follow(route("stable"))
    assert list(traffic.told()["releases"]) == ["digits-1"]


def test_how_long_a_release_is_out_of_reach(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(routing.time, "monotonic", lambda: clock[0])
    release = routing.Release()
    for clock[0] in (100.0, 130.0):
        release.missed("no route to host")
    told = release.told()
    assert (told["unreached"], told["awaySeconds"], told["lastError"]) == (2, 30.0, "no route to host")
    release.met()
    assert (release.told()["unreached"], release.told()["awaySeconds"]) == (2, 0.0)


def test_the_first_answers_are_not_timed():
    traffic = routing.Traffic(route("shadow"))
    for _pair in range(routing.WARM):
        traffic.timed(9.0, 900.0)
    traffic.timed(8.0, 9.0)
    told = traffic.told()["releases"]
    assert [(one["timed"], one["latencyMs50"]) for one in told.values()] == [(1, 8.0), (1, 9.0)]
    traffic.follow(route("canary"))
    traffic.timed(8.0, 9.0)
    assert traffic.told()["releases"]["digits-2"]["timed"] == 1, "both have been asked before"


def test_the_usual_latency_shows_a_change_soon_and_the_slow_ones_are_taken_from_many():
    traffic = routing.Traffic(route("live"))
    for _pair in range(routing.WARM + routing.KEPT):
        assert traffic.few_timed() == (len(traffic.of("candidate").latencies) < routing.RECENT)
        traffic.timed(10.0, 10.0)
    for pair in range(routing.RECENT // 2 + 1):
        told = traffic.told()["releases"]["digits-2"]
        assert (told["latencyMs50"], told["latencyMs95"]) == (10.0, 10.0 if pair <= routing.KEPT * 0.05 else 300.0)
        traffic.timed(10.0, 300.0)
    told = traffic.told()["releases"]
    assert [one["latencyMs50"] for one in told.values()] == [10.0, 300.0]
    assert [one["timed"] for one in told.values()] == [routing.KEPT, routing.KEPT]


def test_a_live_one_that_gets_slow_is_looked_at_closely():
    traffic = routing.Traffic(route("live"))

    def compared(took, calls):
        found = 0
        for _call in range(calls):
            traffic.calls += 1
            found += traffic.to_compare(took)
        return found

    assert compared(10.0, 30) == 30, "the first ones are all compared"
    for _pair in range(routing.WARM + routing.RECENT):
        traffic.timed(10.0, 10.0)
    assert compared(10.0, 30) == 10
    assert compared(10.0 * routing.SLOW, 30) == 10
    assert compared(30.0, 30) == 30
    assert compared(10.0, routing.RECENT - 1) == routing.RECENT - 1, "for a while the next ones, too"
    assert compared(10.0, 30) == 10
