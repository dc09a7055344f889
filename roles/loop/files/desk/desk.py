# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The desk: the web page where people look at a model, talk about it, and decide.

Everything that must hold is decided by the API server, in the name of the person who is logged in; this program shows
what it says. Environment: DESK_DATA (/data), DESK_LOGINS (/etc/desk/logins), DESK_HOST (0.0.0.0), DESK_PORT (8080),
DESK_TITLE (bramble), DESK_PROXIES (addresses whose X-Forwarded-* headers are believed; none), and kube.py's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pages
import uvicorn
from acts import COOKIE, DOOR, LOG, PAGES, TONGUE, Asked, Page, Problem, html, login, login_page, spoken
from anyio import CapacityLimiter, to_thread
from frame import Visit, sentence
from kube import Away, Kube, KubeError
from live import Change, TooMany
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from state import SHIPPED, Desk
from words import Words, choose

LARGEST = 64 * 1024  # bytes of a form
SLOWEST = 20.0  # seconds in which a form must be here
LONGEST = {"text": 5000, "reason": 2000, "note": 2000}
OPEN = frozenset({login_page, login})  # what somebody without a login may ask for
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
#: Over plain HTTP, browsers ignore it and complain of each page.
HEADERS_OF_HTTPS = {"Cross-Origin-Opener-Policy": "same-origin"}


def foreign(request: Request) -> bool:
    """Whether a form comes from another site, by what the browser says of it."""
    origin = request.headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc != request.headers.get("host", "")
    return request.headers.get("sec-fetch-site", "same-origin") != "same-origin"


async def read_form(request: Request) -> dict[str, str]:
    """A form's fields.

    :raises Problem: for one that is too long, or of another type.
    """
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise Problem(415, "forged")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise Problem(413, "toolarge")
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100, errors="strict"))
    except ValueError as error:
        raise Problem(400, "incomplete") from error
    if any(len(fields.get(key, "")) > most for key, most in LONGEST.items()):
        raise Problem(413, "toolarge")
    return {key: text.replace("\x00", "") for key, text in fields.items()}


def visit_of(desk: Desk, request: Request) -> Visit:
    """Who asks, in which language; runs in a thread, since it reads the store."""
    token = request.cookies.get(COOKIE, "")
    person = desk.person(token)
    language, keys = desk.store.settings(person) if person else ("", True)
    wanted = language or request.cookies.get(TONGUE, "")
    tag = choose(desk.words, wanted, request.headers.get("accept-language", ""))
    door = request.cookies.get(DOOR) or secrets.token_urlsafe(16)
    return Visit(
        words=Words(tag, desk.words[tag]),
        board=desk.board(),
        title=desk.title,
        files=desk.files,
        person=person,
        token=desk.store.form_token(token if person else door),
        door="" if person or DOOR in request.cookies else door,
        keys=keys,
        unseen=desk.store.unseen(person) if person else (),
        notice=request.query_params.get("said", ""),
        since=desk.since if person else "",
        path=request.url.path,
    )


AGAIN = b"""<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0"><title>\
...</title></head><body></body></html>"""


def endpoint(desk: Desk, show: Page | None, act: Page | None) -> Callable[[Request], Any]:
    """What answers at one address."""
    page_open = show in OPEN or act in OPEN

    @cache
    def narrow() -> CapacityLimiter:
        """A password takes long to check: whoever tries many at once makes only others at the door wait."""
        return CapacityLimiter(2)

    async def answer_(request: Request) -> Response:
        visit = await run_in_threadpool(visit_of, desk, request)
        posted = request.method == "POST"
        try:
            if not visit.person and not page_open:
                return _to_login(request)
            fields = await asyncio.wait_for(read_form(request), SLOWEST) if posted else {}
            if posted:
                cookie = request.cookies.get(COOKIE if visit.person else DOOR, "")
                if not cookie or foreign(request) or not desk.store.fits(cookie, fields.get("token", "")):
                    raise Problem(403, "forged")
            asked = Asked(
                visit,
                request.path_params,
                dict(request.query_params),
                fields,
                request.cookies,
                request.client.host if request.client else "",
                request.url.scheme == "https",
            )
            page = act if posted else show
            assert page is not None  # the route lets only these methods in
            return await to_thread.run_sync(page, desk, asked, limiter=narrow() if page is login else None)
        except Problem as problem:
            return html(pages.message(visit, problem.key, problem.detail), problem.status)
        except Away:
            return html(pages.message(visit, "away"), 503)
        except KubeError as error:
            return html(pages.message(visit, "refused", spoken(error)), 422)
        except (ClientDisconnect, asyncio.TimeoutError):
            return Response(status_code=400)
        except Exception:
            LOG.exception("%s %s", request.method, request.url.path)
            return html(pages.message(visit, "broken"), 500)

    return answer_


def _to_login(request: Request) -> Response:
    """The door, for somebody without a session. A browser that comes from another site's link holds its cookie back
    (SameSite=Strict): it asks once more, from here, before it is shown the door."""
    if request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site":
        return html(AGAIN)
    if request.method == "GET" and "text/html" in request.headers.get("accept", "text/html"):
        next_ = f"?next={quote(request.url.path)}" if request.url.path != "/" else ""
        return RedirectResponse(f"/login{next_}", 303)
    return PlainTextResponse("Log in first.", 401)


def events(desk: Desk) -> Callable[[Request], Any]:
    """GET /events: what changes, while it changes."""

    async def stream(request: Request) -> Response:
        visit = await run_in_threadpool(visit_of, desk, request)
        if not visit.person:
            return PlainTextResponse("Log in first.", 401)
        token = request.cookies.get(COOKIE, "")

        def text(change: Change) -> str:
            return sentence(visit.words, change.saying) if change.saying and change.by != visit.person else ""

        lines = desk.hub.lines(visit.person, text, lambda: desk.person(token) == visit.person)
        try:
            first = await lines.__anext__()
        except TooMany:
            return PlainTextResponse("Too many pages are open.", 429)

        async def all_lines():
            yield first
            async for line in lines:
                yield line

        return StreamingResponse(all_lines(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    return stream


def shipped(desk: Desk) -> Callable[[Request], Any]:
    """GET /files/DIGEST/NAME: the page's own files, which never change under their address."""

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if request.url.path != desk.files.get(name):
            return PlainTextResponse("There is no such file.", 404)
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(desk.content[name], media_type=SHIPPED[name], headers=headers)

    return file


def health(desk: Desk) -> Callable[[Request], Any]:
    """GET /healthz: the desk runs, and its store can be read."""

    async def check(request: Request) -> Response:
        await run_in_threadpool(desk.store.settings, "")
        return PlainTextResponse("ok" if desk.fresh else "ok, the cluster was not read yet")

    return check


def guarded(app: Any) -> Any:
    """The app with its headers on every answer."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _value in message["headers"]}
                wanted = {**HEADERS, **(HEADERS_OF_HTTPS if scope["scheme"] == "https" else {})}
                extra = [(name.lower().encode(), value.encode()) for name, value in wanted.items()]
                message["headers"] = [*message["headers"], *(pair for pair in extra if pair[0] not in given)]
            await send(message)

        await app(scope, receive, with_headers if scope["type"] == "http" else send)

    return run


def application(desk: Desk) -> Any:
    """The desk as an ASGI application."""
    routes = [
        Route(path, endpoint(desk, show, act), methods=[*(["GET"] if show else []), *(["POST"] if act else [])])
        for path, show, act in PAGES
    ]
    routes += [
        Route("/events", events(desk)),
        Route("/files/{digest}/{name}", shipped(desk)),
        Route("/healthz", health(desk)),
    ]

    async def missing(request: Request, error: Exception) -> Response:
        visit = await run_in_threadpool(visit_of, desk, request)
        if not visit.person:
            return _to_login(request)
        return html(pages.message(visit, "notfound"), getattr(error, "status_code", 404))

    return guarded(Starlette(routes=routes, exception_handlers={404: missing, 405: missing}))


class Server(uvicorn.Server):
    """A server that closes the open lines before it waits for its requests to end."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self._desk = desk

    def handle_exit(self, sig: int, frame_: Any) -> None:
        """A signal to end."""
        self._desk.hub.end()
        super().handle_exit(sig, frame_)


def main() -> None:
    """Serve until a signal ends it."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    environment = os.environ
    desk = Desk(
        Kube.here(),
        Path(environment.get("DESK_DATA") or "/data"),
        Path(environment.get("DESK_LOGINS") or "/etc/desk/logins"),
        environment.get("DESK_TITLE") or "bramble",
    ).start()
    config = uvicorn.Config(
        application(desk),
        host=environment.get("DESK_HOST") or "0.0.0.0",
        port=int(environment.get("DESK_PORT") or 8080),
        proxy_headers=bool(environment.get("DESK_PROXIES")),
        forwarded_allow_ips=environment.get("DESK_PROXIES") or "",
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=8,
    )
    try:
        asyncio.run(Server(config, desk).serve())
    finally:
        desk.store.close()


if __name__ == "__main__":
    main()
