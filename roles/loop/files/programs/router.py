# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lasting address for each model: passes calls to the release that the route names, and never lets a new one's
faults through to users.

A route (ConfigMap route-MODEL, written by the switch) is followed by a watch; while the API server is away, the last
one known stays in force, over a restart too. A candidate that fails, is late or answers nonsense is covered for by the
stable release within the same deadline. GET /stats has the figures for the switch.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from kube import GROUP, MODEL_LABEL, Kube, Mirror
from model_server import READ, passes
from routing import Clock, Traffic, parse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from v2 import MARK, compare, mark, model_of, rows_of
from volume import read_json, write_json

DEADLINE = float(os.environ.get("LOOP_DEADLINE") or 10)  # seconds for a call, with all that is tried
FOR_CANDIDATE = 0.4  # part of the deadline after which the stable one is asked instead
#: For a connection: towards a Pi that lost its power packets vanish, and another try may find a new Pod.
CONNECT_SECONDS = 1.0
AT_ONCE, QUEUE = 32, 128  # calls at once, and those that may wait for their turn
COMPARISONS, COMPARERS = 100, 2  # comparisons that may wait, and those at once
REACHED_WITHIN = 5.0  # seconds in which a new Service becomes known on this node; comparisons wait so long
LARGEST = 8 << 20  # bytes of a question
KEPT_ROUTES = Path(os.environ.get("LOOP_ROUTES") or "/tmp/routes.json")
PASSED_HEADERS = ("content-type", "accept", "inference-header-content-length")


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    :ivar status: HTTP status, 0 when there was none.
    :ivar problem: what was wrong, empty when nothing was.
    :ivar reached: whether it was this release's server at all.
    :ivar took: milliseconds from the question to it.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    problem: str = ""
    reached: bool = True
    took: float = 0.0

    @property
    def refused(self) -> bool:
        """Whether the question was at fault, by this server's word."""
        return 400 <= self.status < 500


class TooLarge(Exception):
    """The question has more bytes than are taken."""


class Router:
    """The calls of all models."""

    def __init__(self, client: httpx.AsyncClient, deadline: float = DEADLINE) -> None:
        self.models: dict[str, Traffic] = {}
        self._client, self._deadline = client, deadline
        self._places, self._waiting = asyncio.Semaphore(AT_ONCE), 0
        self._comparisons: asyncio.Queue[Any] = asyncio.Queue(COMPARISONS)

    def follow(self, routes: dict[str, dict[str, Any]]) -> None:
        """Take up routes: model → route."""
        for model, route in routes.items():
            if model in self.models:
                self.models[model].follow(route)
            else:
                self.models[model] = Traffic(route)
        for model in set(self.models) - set(routes):
            del self.models[model]

    # Calls

    async def handle(self, request: Request) -> Response:
        """Answer a call about a model."""
        path = request.url.path
        if not passes(request.method, path):
            return _error(403, "this address answers reads and inference, and nothing else")
        traffic = self.models.get(model_of(path))
        if traffic is None:
            return _error(404, f"there is no model {model_of(path) or path}")
        if not traffic.route.get("stable"):
            return _error(503, f"no release of {model_of(path)} is live")
        if self._waiting >= QUEUE:
            return _error(503, "too many calls at once", {"retry-after": "1"})
        self._waiting += 1
        try:
            clock = Clock(self._deadline)
            try:
                async with asyncio.timeout(clock.left()):
                    await self._places.acquire()
            except TimeoutError:
                return _error(503, "too many calls at once", {"retry-after": "1"})
        finally:
            self._waiting -= 1
        try:
            body = await self._body(request)
            headers = {name: request.headers[name] for name in PASSED_HEADERS if name in request.headers}
            target = path + (f"?{request.url.query}" if request.url.query else "")
            if request.method in READ:
                return await self._read(traffic, request.method, target, headers, clock)
            return await self._infer(traffic, target, headers, body, clock)
        except TooLarge:
            return _error(413, f"a question has at most {LARGEST} bytes")
        finally:
            self._places.release()

    async def _body(self, request: Request) -> bytes:
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > LARGEST:
                raise TooLarge
            parts.append(part)
        return b"".join(parts)

    async def _read(self, traffic: Traffic, method: str, target: str, headers: dict, clock: Clock) -> Response:
        route = traffic.route
        if traffic.mode == "live":
            answer = await self._ask(route["candidate"], method, target, headers, b"", clock.left() / 2, False)
            if not answer.problem:
                return _response(answer, route["candidate"]["release"])
        answer = await self._steadily(route["stable"], method, target, headers, b"", clock, False)
        return _response(answer, route["stable"]["release"])

    async def _infer(self, traffic: Traffic, target: str, headers: dict, body: bytes, clock: Clock) -> Response:
        traffic.calls += 1
        route, tried = traffic.route, None
        if traffic.candidates_turn():
            seconds = clock.left() * FOR_CANDIDATE
            tried = await self._counted(traffic, route, "candidate", target, headers, body, seconds)
            if tried.status == 200 and not tried.problem:
                if route is traffic.route:
                    traffic.of("candidate").answered += 1
                if route is traffic.route and traffic.to_compare(tried.took):
                    self._compare_later(traffic, route, "stable", target, headers, body, tried)
                return _response(tried, route["candidate"]["release"])
        answer = await self._steadily(route["stable"], "POST", target, headers, body, clock, True)
        mine = traffic.of("stable") if route is traffic.route else None
        if mine:
            mine.calls += 1
            if answer.status == 200:
                mine.answered += 1
            elif not answer.refused:
                mine.errors += 1
                mine.last_error = answer.problem
        if answer.status != 200 and not answer.refused:
            traffic.failed += 1
        if tried is not None:
            if answer.status == 200:
                traffic.rescued += 1
            if route is traffic.route and not (tried.refused and answer.refused):
                self._count_error(traffic, tried, answer)
        elif route["mode"] in ("shadow", "canary") and answer.status == 200:
            self._compare_later(traffic, route, "candidate", target, headers, body, answer)
        return _response(answer, route["stable"]["release"])

    @staticmethod
    def _count_error(traffic: Traffic, tried: Answer, stable: Answer) -> None:
        """Count what speaks against the candidate: when both are silent, the Pi or the network is away."""
        candidate = traffic.of("candidate")
        if not tried.status and stable.problem:
            candidate.met()
        elif not tried.reached:
            candidate.missed(tried.problem)
        else:
            candidate.errors += 1
            candidate.last_error = tried.problem

    async def _counted(self, traffic, route, place, target, headers, body, seconds, reach=0.0) -> Answer:
        """Ask one of the two, and count it; one that cannot be reached is tried for so many seconds."""
        clock = Clock(reach)
        while True:
            answer = await self._ask(route[place], "POST", target, headers, body, seconds, True)
            if answer.reached or clock.over():
                break
            await asyncio.sleep(0.2)
        if route is traffic.route and answer.reached:
            traffic.of(place).calls += 1
            traffic.of(place).met()
        return answer

    async def _steadily(self, server, method, target, headers, body, clock: Clock, check: bool) -> Answer:
        """Ask again until there is an answer or the time is over: an inference changes nothing."""
        while True:
            answer = await self._ask(server, method, target, headers, body, clock.left(), check)
            if not answer.problem or answer.refused or clock.over():
                return answer
            await asyncio.sleep(min(0.2, clock.left()))

    async def _ask(self, server, method, target, headers, body, seconds: float, check: bool) -> Answer:
        """Ask a server of the route. Until its Service is known on this node, others may answer in its place."""
        begin = time.perf_counter()
        try:
            async with asyncio.timeout(seconds):
                response = await self._client.request(method, server["url"] + target, headers=headers, content=body)
        except TimeoutError:
            return Answer(0, problem=f"no answer within {seconds:.1f} s")
        except httpx.HTTPError as error:
            reached = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))
            return Answer(0, problem=f"{type(error).__name__}: {error}", reached=reached)
        if server.get("digest") and response.headers.get(MARK) != mark(server["release"], server["digest"]):
            return Answer(0, problem="another server answered in its place", reached=False)
        kept = tuple((name, response.headers[name]) for name in PASSED_HEADERS if name in response.headers)
        problem = "" if response.status_code == 200 else f"HTTP {response.status_code}"
        as_json = "inference-header-content-length" not in response.headers
        if check and not problem and as_json and rows_of(response.content) is None:
            problem = "an answer that is not valid"
        status = 502 if problem and response.status_code == 200 else response.status_code
        return Answer(status, response.content, kept, problem, took=(time.perf_counter() - begin) * 1000)

    # Comparisons

    def _compare_later(self, traffic, route, place, target, headers, body, answer) -> None:
        try:
            self._comparisons.put_nowait((traffic, route, place, target, headers, body, answer))
        except asyncio.QueueFull:
            traffic.dropped += 1

    async def compare(self) -> None:
        """Ask the other one for what was answered already, and count; for ever."""
        while True:
            traffic, route, place, target, headers, body, answer = await self._comparisons.get()
            if route is not traffic.route:
                continue
            other = await self._counted(traffic, route, place, target, headers, body, self._deadline, REACHED_WITHIN)
            if route is not traffic.route:
                continue
            if other.problem:
                if place == "candidate":
                    if not other.status:
                        answer = await self._ask(route["stable"], "POST", target, headers, body, self._deadline, True)
                    if route is traffic.route:
                        self._count_error(traffic, other, answer)
                continue
            stable, tried = (answer, other) if place == "candidate" else (other, answer)
            traffic.timed(stable.took, tried.took)
            told = compare(answer.body, other.body)
            candidate = traffic.of("candidate")
            if told is None:
                told = (1, int(answer.body != other.body))
            candidate.compared += told[0]
            candidate.different += told[1]


def _response(answer: Answer, release: str) -> Response:
    if answer.problem and not answer.refused:
        return _error(504 if answer.problem.startswith("no answer") else 502, f"{release}: {answer.problem}")
    headers = {**dict(answer.headers), "x-loop-release": release}
    return Response(answer.body, answer.status, headers)


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": message}, status, headers)


def routes_of(objects: dict[str, Any], before: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """model → route of some ConfigMaps; one that cannot be read leaves the one before in force."""
    found = {}
    for item in objects.values():
        model = (item["metadata"].get("labels") or {}).get(MODEL_LABEL) or ""
        route = parse((item.get("data") or {}).get("route.json") or "") or before.get(model)
        if model and route:
            found[model] = route
    return found


def make_app(kube: Kube, kept: Path = KEPT_ROUTES, deadline: float = DEADLINE) -> Starlette:
    """The application; it follows the routes while it runs."""
    known: dict[str, dict[str, Any]] = read_json(kept) or {}
    state: dict[str, Any] = {"fresh": bool(known)}

    @contextlib.asynccontextmanager
    async def life(app: Starlette):
        timeout = httpx.Timeout(None, connect=CONNECT_SECONDS)
        limits = httpx.Limits(max_connections=2 * AT_ONCE, max_keepalive_connections=AT_ONCE, keepalive_expiry=4)
        async with httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False) as client:
            router = state["router"] = Router(client, deadline)
            router.follow(known)
            loop = asyncio.get_running_loop()

            def take_up() -> None:
                routes = routes_of(mirror.objects(), known)
                if routes != known or not state["fresh"]:
                    known.clear()
                    known.update(routes)
                    router.follow(routes)
                    with contextlib.suppress(OSError):
                        write_json(kept, routes)
                state["fresh"] = True

            mirror = Mirror(
                kube, "ConfigMap", f"{GROUP}/route=true", changed=lambda: loop.call_soon_threadsafe(take_up)
            ).start()
            comparers = [asyncio.create_task(router.compare()) for _number in range(COMPARERS)]
            yield
            for task in comparers:
                task.cancel()

    async def calls(request: Request) -> Response:
        return await state["router"].handle(request)

    async def stats(_request: Request) -> Response:
        return JSONResponse({"models": {name: one.told() for name, one in state["router"].models.items()}})

    async def health(_request: Request) -> Response:
        return JSONResponse({"routes": len(known)}, 200 if state["fresh"] else 503)

    every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    routes = [Route("/healthz", health), Route("/stats", stats), Route("/{path:path}", calls, methods=every)]
    return Starlette(routes=routes, lifespan=life)


def main() -> None:
    """Answer until killed."""
    port = int(os.environ.get("LOOP_PORT") or 8080)
    uvicorn.run(make_app(Kube.here()), host="0.0.0.0", port=port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
