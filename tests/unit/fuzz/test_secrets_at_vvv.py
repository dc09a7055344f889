# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of every kind come in from all sides, and ansible-playbook -vvv --diff prints none.

They are in what users give (Secrets as objects, files and by a slip; passwords; addresses), and in what others say: the
API server, Pods, registries, kubeadm. Everything runs on this machine, beside a server that is not the cluster's.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE), *(str(ROOT / "tests" / folder) for folder in ("support", "unit/ksonnet"))]

import app_builder
import inputs
import server
from certificates import self_signed
from kubeconfigs import kubeconfig as with_ca
from planted_secrets import MADE_UP, PLANTED, TOKEN, VALUES, in_base64
from secret_scan import secrets_in

from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError

#: What others say in passing; of a whole Secret they are not told.
SAID = [text for kind, text in PLANTED.items() if "data of a Secret" not in kind]
#: What tells that the secrets have come where they might be printed.
REACHED = (
    "after: Secret b/planted",
    f"{len(SAID)} of {len(SAID)} objects were not applied",
    "keeps crashing",
    "does not let us read own/0",
    "The cluster's tokens could not be read: --token abcdef.",
    "did: join",
    "+(content withheld",
    "did you mean base_wifi_password",
    "'base_gpu_memory' is of type str",
    "components/broken.jsonnet",
)
META = {"name": "planted", "namespace": "b"}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": META}
VALUE = {f"key-{number}": text for number, text in enumerate(PLANTED.values())}
SLIPS = {
    "as it should be": {**SECRET, "stringData": VALUE},
    "in small letters": {**SECRET, "stringdata": VALUE},
    "as one text": {**SECRET, "stringData": "\n".join(VALUE.values())},
    "in data, not in base64": {**SECRET, "data": VALUE},
    "in a field that there is not": {**SECRET, "values": VALUE},
    "in an annotation": {**SECRET, "metadata": {**META, "annotations": VALUE}},
    "in a list": {"apiVersion": "v1", "kind": "List", "items": [{**SECRET, "stringData": VALUE}]},
}


EMPTY = (
    "/api/v1/configmaps",
    "/api/v1/services",
    "/apis/apps/v1/daemonsets",
    "/apis/certificates.k8s.io/v1/certificatesigningrequests",
    "/apis/networking.k8s.io/v1/ingresses",
)


class Talkative(server.Server):
    """An API server that tells secrets: in its refusals, of nodes and Pods, and in Pods' logs."""

    def __init__(self) -> None:
        super().__init__(None)
        node = {**inputs.NODE, "status": {**inputs.NODE["status"], "conditions": self._conditions()}}
        self.told: dict[str, Any] = {
            "/version": inputs.API["/version"],
            "/api/v1/nodes": {"metadata": {}, "items": [node]},
            "/api/v1/pods": {"metadata": {}, "items": [self._pod(number, text) for number, text in enumerate(SAID)]},
            "/api/v1/namespaces/kube-system/secrets": {"metadata": {}, "items": [self._bootstrap_token()]},
            **{path: {"metadata": {}, "items": []} for path in EMPTY},
        }

    @staticmethod
    def _bootstrap_token() -> dict[str, Any]:
        data = dict(zip(("token-id", "token-secret"), map(in_base64, TOKEN.split("."))))
        return {"metadata": {"name": "bootstrap-token-abcdef"}, "data": data}

    @staticmethod
    def _conditions() -> list[dict[str, str]]:
        return [{"type": "Ready", "status": "False", "reason": "Odd", "message": text} for text in SAID]

    @staticmethod
    def _pod(number: int, text: str) -> dict[str, Any]:
        ended = {"exitCode": 1, "reason": "Error", "message": text}
        waiting = {"reason": "CrashLoopBackOff", "message": text}
        status = {"name": "c", "image": "i", "restartCount": 9}
        states = [{"state": {"terminated": ended}}, {"state": {"waiting": waiting}, "lastState": {"terminated": ended}}]
        return {
            "metadata": {"name": f"p-{number}", "namespace": "b"},
            "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]},
            "status": {"phase": "Running", "containerStatuses": [{**status, **states[number % 2]}]},
        }

    def _read(self, path: str) -> dict[str, Any]:
        return self.told.get(path) or super()._read(path)

    def answer(self, method: str, path: str, data: bytes) -> tuple[int, bytes]:
        """Status and body for a request."""
        if path.endswith("/log"):
            return 200, f"a line\n{SAID[-1 - int(path.split('/p-')[1].split('/')[0])]}\n".encode()
        try:
            name = path.rpartition("/")[2]
            if method == "PATCH" and name.startswith("refused-"):
                message = f'"{name}" is invalid: {SAID[int(name.partition("-")[2])]}'
                raise ApiError(422, {"kind": "Status", "reason": "Invalid", "message": message})
            found = self._success(method, path, {}, data, "", "")
            body = found.content if not isinstance(found, dict) else json.dumps(found).encode()
            return 200, body
        except ApiError as error:
            return error.status, json.dumps(error.body).encode()


@pytest.fixture
def address() -> Iterator[str]:
    """Where a talkative API server and a talkative registry are."""
    api = Talkative()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_words: object) -> None:
            """Nothing is logged."""

        def _any(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, headers = urlsplit(self.path).path, {}
            if path.startswith("/v2/own/"):
                text = SAID[int(path.split("/")[3])]
                status, body = 403, json.dumps({"errors": [{"code": "DENIED", "message": text}]}).encode()
                headers = {"Set-Cookie": f"session={MADE_UP}; Path=/"}
            elif path.startswith("/v2/"):
                status, body = 401, b"{}"
                headers = {"WWW-Authenticate": f'Bearer realm="http://{self.headers["Host"]}/login",service="r"'}
            elif path == "/login":
                status, body = 401, json.dumps({"details": "\n".join(SAID)}).encode()
            else:
                status, body = api.answer(self.command, path, data)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = _any

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()
    thread.join()


def task(module: str, **options: object) -> dict[str, Any]:
    """A task that may fail."""
    return {"name": f"Try {module}", f"bramble.kube.{module}": options, "ignore_errors": True}


def in_parts(texts: list[str], most: int) -> list[str]:
    """All texts, several in one line, since what is said is cut when it is long; a longer one is left out."""
    parts: list[str] = []
    for text in texts:
        if parts and len(parts[-1]) + len(text) < most:
            parts[-1] += f" | {text}"
        elif len(text) < most:
            parts.append(text)
    return parts


def pushes(folder: Path, kubeconfig: str) -> Iterator[dict[str, Any]]:
    """Secrets as objects, as texts and as files; objects that the server refuses."""
    for number, (slip, item) in enumerate(SLIPS.items()):
        path = folder / f"secret-{number}.yaml"
        path.write_text(yaml.safe_dump(item))
        for given in ({"definition": [f"{{{{ slips[{slip!r}] }}}}"]}, {"src": [str(path)]}):
            yield task("manifest_push", kubeconfig=kubeconfig, wait=False, return_objects="full", **given)
        yield task(
            "manifest_push", kubeconfig=kubeconfig, wait=False, definition=f"{{{{ slips[{slip!r}] | to_yaml }}}}"
        )
    refused = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**META, "name": f"refused-{number}"}}
        for number in range(len(SAID))
    ]
    yield task("manifest_push", kubeconfig=kubeconfig, wait=False, definition=refused)
    yield task("manifest_push", host="http://127.0.0.1:1", api_key="{{ made_up }}", password="{{ made_up }}",
               username="ada", definition=refused)  # fmt: skip


def questions(folder: Path, kubeconfig: str, registry: str) -> Iterator[dict[str, Any]]:
    """What the API server, registries and kubeadm say."""
    yield {**task("cluster_status", kubeconfig=kubeconfig, audit=True), "register": "asked"}
    yield task("status_report", hosts=[], cluster="{{ asked.cluster }}", kubeconfig=kubeconfig)
    images = [f"{registry}/own/{number}:1" for number in range(len(SAID))]
    login = {"registry": registry, "username": "ada", "password": "{{ made_up }}"}
    for credentials in ([login], []):
        yield task("image_platforms", images=[*images, f"{registry}/other/a:1"], credentials=credentials,
                   docker_config=[str(folder / "docker.json")], cache=str(folder / "cache"), timeout=5)  # fmt: skip
    for number, text in enumerate(in_parts(SAID, 500)):
        (folder / f"said-{number}").write_text(text)
        program = folder / f"kubeadm-{number}"
        program.write_text(f"#!/bin/sh\ncat {folder}/said-{number} >&2\nexit 1\n")
        program.chmod(0o755)
        yield task("kubeadm_token", executable=str(program), kubeconfig=str(folder / "admin.conf"))
    yield task("kubeadm_token", executable=str(program), state="absent", token="{{ token }}")
    join = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {"tlsBootstrapToken": TOKEN},
    }
    (folder / "join.yaml").write_text(yaml.safe_dump(join))
    text = f"{{{{ lookup('ansible.builtin.file', '{folder}/join.yaml') }}}}"
    yield {**task("kubeadm_join", config=text, endpoint="127.0.0.1:1", ca_cert_hashes=["sha256:" + "1" * 64]),
           "check_mode": True}  # fmt: skip


def settings(folder: Path) -> Iterator[dict[str, Any]]:
    """What users set, right and wrong."""
    wifi = {"country": "GB", "ssid": "home", "password": "{{ made_up }}"}
    yield {**task("pi_wifi", **wifi), "check_mode": True}
    yield {**task("pi_wifi", **{**wifi, "password": "{{ made_up * 9 }}"}), "check_mode": True}
    yield {**task("pi_due", steps={"pi_wifi": {"country": "GB", "ssid": "home"}}, wifi_password="{{ made_up }}"),
           "check_mode": True}  # fmt: skip
    groups = {"all": ["m"], "bramble": ["m"], "master": ["m"], "node": [], "ungrouped": []}
    for name in ("base_wifi_password", "base_wifi_pasword", "base_wifi_ssid", "kubeflow_components", "master_pasword"):
        yield {
            "name": f"Check the inventory with {name}",
            "ansible.builtin.debug": {
                "msg": "{% for i in said %}{{ given | bramble.kube.inventory_errors({'m': {name: i}}) }}{% endfor %}"
            },
            "vars": {"given": groups, "name": name},
        }
    spec = f"(lookup('ansible.builtin.file', '{ROOT}/roles/base/meta/argument_specs.yml') | from_yaml).argument_specs"
    yield {
        "name": "Check the variables of role base",
        "ansible.builtin.validate_argument_spec": {
            "argument_spec": f"{{{{ {spec}.main.options }}}}",
            "provided_arguments": {"base_wifi_password": "{{ made_up }}", "base_gpu_memory": "much"},
        },
        "ignore_errors": True,
    }


def ksonnet(folder: Path) -> Iterator[dict[str, Any]]:
    """An app with a Secret, and one that fails beside it."""
    builder = app_builder.Builder(folder / "app", folder / "ks-cache")
    builder.apply(**app_builder.standard())
    builder.write("components/own.yaml", yaml.safe_dump({**SECRET, "stringData": VALUE}))
    options = {"app_dir": str(folder / "app"), "environment": "default"}
    yield task("ksonnet_render", **options)
    yield task("ksonnet_render", **options, dest=str(folder / "rendered.yaml"))
    builder.write("components/broken.jsonnet", f"error {json.dumps(chr(10).join(SAID))}")
    yield task("ksonnet_render", **options)


def test_no_secret_of_any_kind_is_printed(address: str, tmp_path: Path) -> None:
    kubeconfig = {
        **inputs.KUBECONFIG,
        "clusters": [{"name": "k", "cluster": {"server": f"http://{address}"}}],
        "users": [{"name": "u", "user": {"token": MADE_UP}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    (tmp_path / "admin.conf").write_text(with_ca(self_signed("kubernetes"), user=f'{{"token": "{MADE_UP}"}}'))
    (tmp_path / "docker.json").write_text(
        json.dumps({"auths": {address: {"auth": "YWRhOmMwcnJlY3RIb3JzZThhdHRlcnk="}}})
    )
    given = {"slips": SLIPS, "said": SAID, "made_up": MADE_UP, "token": TOKEN}
    (tmp_path / "given.json").write_text(json.dumps(given))
    access = str(tmp_path / "kubeconfig")
    tasks = [
        *pushes(tmp_path, access),
        *questions(tmp_path, access, address),
        *settings(tmp_path),
        *ksonnet(tmp_path),
    ]
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": ["given.json"], "tasks": tasks}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    output = played(tmp_path, len(tasks))
    words = " ".join(output.split())
    assert [reached for reached in REACHED if reached not in words] == []
    found = secrets_in(output, VALUES)
    lines = output.splitlines()
    assert found == [], [(one, about(lines, int(re.search(r"\d+", one).group()))) for one in found[:5]]


def about(lines: list[str], number: int) -> str:
    """The task whose output this line is in."""
    return next((line for line in reversed(lines[:number]) if line.startswith("TASK")), "before the first task")


def played(folder: Path, tasks: int) -> str:
    """What the play prints; every task has to have run."""
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [str(program), "-vvv", "--diff", "-i", "localhost,", "-c", "local", str(folder / "play.yml")],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=1800,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("K8S_AUTH_", "KUBE"))},
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab/collections"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "HOME": str(folder),
            "NO_PROXY": "*",
        },
    )
    output = done.stdout + done.stderr
    (folder / "output").write_text(output)
    assert done.returncode == 0, output[-3000:]
    assert f"ok={tasks} " in done.stdout, done.stdout[-400:]
    return output
