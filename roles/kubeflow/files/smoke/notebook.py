"""Uses JupyterHub as a person does, through its public address and API, and tells what came of it.

Runs inside the cluster in the hub's own image, and leaves its result in /dev/termination-log. HUB_URL is the address of
JupyterHub's proxy, HUB_TOKEN the token of a service that may have users, servers and their tokens, HUB_USER the name of
the test user, who is removed at the end with the volume.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.websocket import websocket_connect

HUB = os.environ["HUB_URL"].rstrip("/")
USER = os.environ["HUB_USER"]
PATIENCE = int(os.environ.get("HUB_PATIENCE", "300"))  # seconds for a notebook server's start
CELL = """\
import pathlib, platform
pathlib.Path("smoke.txt").write_text("kept by {mark}")
print(sum(range(10)), platform.machine())
"""


async def ask(method: str, path: str, token: str, body: object = None, good: tuple[int, ...] = ()) -> HTTPResponse:
    """One request; statuses in `good` are answers, too."""
    request = HTTPRequest(
        HUB + path,
        method=method,
        headers={"Authorization": f"token {token}", "Content-Type": "application/json"},
        body=json.dumps(body) if body is not None else ("" if method in ("POST", "PUT") else None),
        request_timeout=60,
    )
    try:
        return await AsyncHTTPClient().fetch(request)
    except HTTPClientError as error:
        if error.code in good:
            return error.response
        text = error.response.body.decode(errors="replace")[:300] if error.response else ""
        raise SystemExit(f"{method} {path} was answered with {error.code} {error.message}: {text}") from None


class User:
    """The test user, seen by the service with its token."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.own = ""

    async def make(self) -> None:
        await self.remove()
        await ask("POST", f"/hub/api/users/{USER}", self.token)
        answer = await ask("POST", f"/hub/api/users/{USER}/tokens", self.token, {"expires_in": 3600, "note": "smoke"})
        self.own = json.loads(answer.body)["token"]

    async def remove(self) -> None:
        """With server and volume; nothing if there is no such user."""
        if (await ask("GET", f"/hub/api/users/{USER}", self.token, good=(404,))).code == 404:
            return
        await self.stop()
        await ask("DELETE", f"/hub/api/users/{USER}", self.token)

    async def state(self) -> dict:
        user = json.loads((await ask("GET", f"/hub/api/users/{USER}", self.token)).body)
        return user["servers"].get("", {})

    async def start(self) -> float:
        """Seconds that the notebook server took to answer."""
        begun = time.monotonic()
        await ask("POST", f"/hub/api/users/{USER}/server", self.own)
        while not (await self.state()).get("ready"):
            waited = time.monotonic() - begun
            if waited > PATIENCE or not await self.state():
                raise SystemExit(
                    f"the notebook server of {USER} did not start within {waited:.0f} s: see the hub's log"
                )
            await asyncio.sleep(1)
        return round(time.monotonic() - begun, 1)

    async def stop(self) -> None:
        await ask("DELETE", f"/hub/api/users/{USER}/server", self.token, good=(400, 404))
        begun = time.monotonic()
        while await self.state():
            if time.monotonic() - begun > PATIENCE:
                raise SystemExit(f"the notebook server of {USER} did not stop within {PATIENCE} s")
            await asyncio.sleep(1)

    async def run_cell(self, code: str) -> str:
        """What a cell prints, by the kernel's own protocol over a WebSocket."""
        kernel = json.loads((await ask("POST", f"/user/{USER}/api/kernels", self.own, {"name": "python3"})).body)["id"]
        address = HUB.replace("http", "ws", 1) + f"/user/{USER}/api/kernels/{kernel}/channels"
        channel = await websocket_connect(HTTPRequest(address, headers={"Authorization": f"token {self.own}"}))
        message = uuid.uuid4().hex
        header = {
            "msg_id": message,
            "msg_type": "execute_request",
            "username": USER,
            "session": uuid.uuid4().hex,
            "date": datetime.now(timezone.utc).isoformat(),
            "version": "5.3",
        }
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        await channel.write_message(
            json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"})
        )
        printed, end = "", time.monotonic() + PATIENCE
        while True:
            text = await asyncio.wait_for(channel.read_message(), end - time.monotonic())
            if text is None:
                raise SystemExit("the kernel closed its channel in the middle of a cell")
            told = json.loads(text)
            if told["parent_header"].get("msg_id") != message:
                continue
            if told["msg_type"] == "stream":
                printed += told["content"]["text"]
            if told["msg_type"] == "error":
                raise SystemExit(f"the cell failed: {told['content']['ename']}: {told['content']['evalue']}")
            if told["msg_type"] == "status" and told["content"]["execution_state"] == "idle":
                channel.close()
                return printed.strip()

    async def read(self, name: str) -> str:
        answer = await ask("GET", f"/user/{USER}/api/contents/{name}?content=1&type=file", self.own)
        return json.loads(answer.body)["content"]


async def main() -> None:
    # Without a token, JupyterHub must not let anybody in.
    if (await ask("GET", "/hub/api/users", "none", good=(401, 403))).code not in (401, 403):
        raise SystemExit("JupyterHub lists its users to somebody without a valid token")
    version = json.loads((await ask("GET", "/hub/api/", "none")).body)["version"]
    user = User(os.environ["HUB_TOKEN"])
    await user.make()
    try:
        mark = uuid.uuid4().hex
        first = await user.start()
        printed = await user.run_cell(CELL.format(mark=mark))
        if printed.split()[:1] != ["45"]:
            raise SystemExit(f"the cell printed {printed!r} in place of 45")
        await user.stop()
        second = await user.start()
        kept = await user.read("smoke.txt")
        if kept != f"kept by {mark}":
            raise SystemExit(f"after the restart smoke.txt holds {kept!r}")
    finally:
        await user.remove()
    result = {"version": version, "printed": printed, "first_start": first, "second_start": second}
    tell(json.dumps(result))


def tell(text: str) -> None:
    print(text, flush=True)
    Path("/dev/termination-log").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except SystemExit as stop:
        if isinstance(stop.code, str):
            tell(stop.code)
            sys.exit(1)
        raise
