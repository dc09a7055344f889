# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop's programs with the packages of the image that runs them, beside a real API server without nodes.

What a kubelet and the Job controller would do is played: the very commands of the Pods that hand and switch ask for are
run as processes, and their ends are written into the API as a kubelet writes them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import kube
import v2
from apiserver import cache, free_port
from switch import server_of

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = ROOT / "roles" / "loop" / "files" / "programs"


def packages() -> str:
    """PYTHONPATH with what the lab's image has; unpacked once.

    :raises RuntimeError: when the lab has not built it.
    """
    found = sorted((cache() / "artifacts" / "layer-sklearnserver").glob("*/layer.tar.gz"))
    if not found:
        raise RuntimeError("the lab's layer-sklearnserver is missing: build the lab's software first (make lab).")
    folder = ROOT / ".lab" / "loop-packages" / found[-1].parent.name
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = folder.with_name(f"{folder.name}.{os.getpid()}")
        with tarfile.open(found[-1]) as archive:
            archive.extractall(beside, filter="tar")
        with contextlib.suppress(OSError):
            beside.rename(folder)
    [place] = folder.glob("usr/local/lib/python3.*/dist-packages")
    return f"{place}{os.pathsep}{ROOT / 'lab' / 'software'}"


class Program:
    """One of the programs as a process."""

    def __init__(self, *command: str, log: Path, **environment: str) -> None:
        self._command = [sys.executable, str(PROGRAMS / command[0]), *command[1:]]
        self._environment = {**os.environ, "PYTHONPATH": packages(), **environment}
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it (again)."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def memory(self) -> float:
        """MiB that it has now."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0


class Front:
    """All servers of releases behind one address, http://127.0.0.1:PORT/RELEASE/…, with faults that a test turns on.

    :ivar ports: release → port of its real server.
    :ivar faults: release → "500", "slow", "hang", "nonsense", "refuse" or "foreign" (somebody else answers).
    :ivar digests: release → digest of its model, as its server said.
    """

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.faults: dict[str, str] = {}
        self.digests: dict[str, str] = {}
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else an answer waits 40 ms now and then, and nothing can be timed

            def _pass(self) -> None:
                name, _slash, rest = self.path.removeprefix("/").partition("/")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = front.faults.get(name, "") if self.command == "POST" else ""
                if fault == "refuse" or name not in front.ports:
                    self.close_connection = True
                    self.connection.close()
                    return
                begin = time.monotonic()
                status, answer = 500, b'{"error": "boom"}'
                if fault == "hang":
                    time.sleep(20)
                elif fault == "nonsense":
                    status, answer = 200, b'{"outputs": "none"}'
                elif fault == "foreign":
                    status, answer = 404, b"<html>there is no such page</html>"
                elif fault != "500":
                    status, answer = front.ask(self.command, name, rest, body)
                if fault == "slow":
                    time.sleep(5 * (time.monotonic() - begin) + 0.2)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if name in front.digests and fault != "foreign":
                    self.send_header(v2.MARK, v2.mark(name, front.digests[name]))
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(answer)

            do_GET = do_POST = _pass

            def log_message(self, *_arguments: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/{{release}}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def ask(self, method: str, name: str, rest: str, body: bytes) -> tuple[int, bytes]:
        """Pass a call to a real server."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[name]}/{rest}", body or None, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                said = (response.headers.get(v2.MARK) or " ").split(" ")[1]
                if said:
                    self.digests.setdefault(name, said)
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 502, b"{}"

    def close(self) -> None:
        """End it."""
        self._http.shutdown()
        self._http.server_close()


class Kubelet:
    """Runs Jobs and serving Deployments of the API server as processes, and writes what became of them.

    :ivar alike: release → another one with the same model whose server answers for it, so that none has to start.
    """

    def __init__(self, api: kube.Kube, data: Path, front: Front, folder: Path) -> None:
        self._api, self._data, self._front, self._folder = api, data, front, folder
        self._jobs: dict[str, Program] = {}
        self.servers: dict[str, Program] = {}
        self.alike: dict[str, str] = {}
        self._borrowed: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End all that it started."""
        self._ended.set()
        self._thread.join(30)
        for program in (*self._jobs.values(), *self.servers.values()):
            program.kill()

    def _work(self) -> None:
        while not self._ended.wait(0.2):
            try:
                for job in self._api.list("Job")[0]:
                    self._job(job)
                self._deployments({one["metadata"]["name"]: one for one in self._api.list("Deployment")[0]})
            except (kube.KubeError, OSError) as error:
                print(f"played kubelet: {error}")

    def _start(self, name: str, spec: dict[str, Any], **more: str) -> Program:
        [container] = spec["containers"]
        environment = {one["name"]: one["value"] for one in container["env"] if "value" in one}
        del environment["HOME"], environment["PYTHONDONTWRITEBYTECODE"]
        for volume in spec["volumes"]:
            if volume["name"] == "code":
                code = self._folder / f"{name}-code"
                code.mkdir(exist_ok=True)
                for file, text in self._api.get("ConfigMap", volume["configMap"]["name"])["data"].items():
                    (code / file).write_text(text)
                environment["LOOP_CODE"] = str(code)
        words = self._folder / f"{name}-words"
        words.unlink(missing_ok=True)
        program, *arguments = container["command"][1:]
        return Program(
            *(Path(program).name, *arguments, *more.pop("extra", "").split()),
            log=self._folder / f"{name}.log",
            **{**environment, "LOOP_DATA": str(self._data), "LOOP_LAST_WORDS": str(words), **more},
        )

    def _job(self, job: dict[str, Any]) -> None:
        name = job["metadata"]["name"]
        if (job.get("status") or {}).get("conditions"):
            return
        if name not in self._jobs:
            self._jobs[name] = self._start(name, job["spec"]["template"]["spec"])
        code = self._jobs[name].process.poll()
        if code is None:
            return
        at = kube.now()
        if code:
            self._pod(name, job["spec"]["template"], {"job-name": name}, code)
            ended = [("FailureTarget", "PodFailurePolicy"), ("Failed", "PodFailurePolicy")]
        else:
            ended = [("SuccessCriteriaMet", "CompletionsReached"), ("Complete", "CompletionsReached")]
        status: dict[str, Any] = {
            "startTime": at,
            "conditions": [
                {"type": kind, "status": "True", "reason": why, "lastTransitionTime": at} for kind, why in ended
            ],
        }
        status.update({"failed": 1} if code else {"succeeded": 1, "completionTime": at})
        self._api.patch_status("Job", name, status)

    def _pod(self, name: str, template: dict[str, Any], labels: dict[str, str], code: int) -> None:
        """A Pod that has ended, as a kubelet leaves it."""
        meta = {"name": name, "namespace": kube.NAMESPACE, "labels": {**template["metadata"]["labels"], **labels}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
        words = self._folder / f"{name}-words"
        ended = {"exitCode": code, "message": words.read_text() if words.exists() else "", "reason": "Error"}
        state = {"name": "program", "image": "x", "imageID": "x", "ready": False, "restartCount": 1}
        with contextlib.suppress(kube.Conflict):
            self._api.create(pod)
        status = {"phase": "Running", "containerStatuses": [{**state, "state": {"terminated": ended}}]}
        self._api.patch_status("Pod", name, status)

    def _deployments(self, found: dict[str, dict[str, Any]]) -> None:
        wanted = {name for name, item in found.items() if item["spec"]["replicas"]}
        for name in self._borrowed - wanted:
            self._borrowed.discard(name)
            self._front.ports.pop(name.removeprefix("serve-"), None)
            if name in found:
                self._ready(found[name], 0)
        for name in set(self.servers) - wanted:
            release = name.removeprefix("serve-")
            self._front.ports.pop(release, None)
            self.servers.pop(name).kill()
            self._api.delete("Pod", name)
            if name in found:
                self._ready(found[name], 0)
        for name in sorted(wanted):
            item, release = found[name], name.removeprefix("serve-")
            if release in self.alike:
                if name not in self._borrowed or server_of(item, [], "").state != "ready":
                    self._borrowed.add(name)
                    self._front.digests[release] = item["spec"]["template"]["spec"]["containers"][0]["command"][4]
                    self._front.ports[release] = self._front.ports[self.alike[release]]
                    self._ready(item, 1)
            elif name not in self.servers:
                self._borrowed.discard(name)
                self._front.digests.pop(release, None)
                port = free_port()
                self.servers[name] = self._start(name, item["spec"]["template"]["spec"], extra=str(port))
                self._front.ports[release] = port
            elif (code := self.servers[name].process.poll()) is not None:
                self._ready(item, 0)
                if code == 3:
                    self._pod(name, item["spec"]["template"], {}, code)
                else:
                    self.servers[name].start()
            elif server_of(item, [], "").state != "ready":
                model = item["metadata"]["labels"][kube.MODEL_LABEL]
                if self._front.ask("GET", release, f"v2/models/{model}/ready", b"")[0] == 200:
                    self._ready(item, 1)

    def _ready(self, item: dict[str, Any], count: int) -> None:
        status = {"replicas": count, "readyReplicas": count, "availableReplicas": count, "updatedReplicas": count}
        status["observedGeneration"] = item["metadata"]["generation"]
        self._api.patch_status("Deployment", item["metadata"]["name"], status)
