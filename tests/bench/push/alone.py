"""A push without Ansible around it, by the module's own HTTP or by http.client in its place; prints two numbers.

Run as a program by run, so that its memory and time are its own: alone.py KUBECONFIG SET WORKERS own|http.client
"""

from __future__ import annotations

import http.client
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(REPOSITORY / ".lab" / "collections"), str(REPOSITORY / "tests" / "integration" / "push")]

from options import DEFAULTS

from ansible_collections.bramble.kube.plugins.module_utils.common import http1
from ansible_collections.bramble.kube.plugins.module_utils.manifests import client, run


class Standard(http1.Connection):
    """The same connection, with requests and answers by http.client."""

    def secure(self, context, server_name):
        super().secure(context, server_name)
        self._standard = http.client.HTTPConnection(server_name)
        self._standard.sock = self._socket

    def send(self, request, body=None):
        self._socket.settimeout(self._patience())
        first, *lines = request.decode("utf-8").split("\r\n")
        method, target, _version = first.split(" ")
        fields = dict(line.split(": ", 1) for line in lines)
        self._standard.request(method, target, body, fields)

    def receive(self, most=http1.MOST_BODY, bodyless=False):
        self._socket.settimeout(self._patience())
        answer = self._standard.getresponse()
        content = answer.read()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        return http1.Answer(answer.status, fields, content, answer.will_close)


def main() -> None:
    """Push, and print the seconds, and those of the processor."""
    kubeconfig, path, workers, wire = sys.argv[1:5]
    if wire == "http.client":
        client.Connection = Standard
    params = {**DEFAULTS, "kubeconfig": kubeconfig, "src": [path], "workers": int(workers), "timeout": 120}
    start, used = time.perf_counter(), time.process_time()
    failed, result = run.run({**params, "return_objects": "changed"}, check=False, diff=False)
    print(time.perf_counter() - start, time.process_time() - used)
    if failed:
        sys.exit(result["msg"])


if __name__ == "__main__":
    main()
