# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's own rules on a real API server, and people who ask it under their own certificates."""

from __future__ import annotations

import http.client
import itertools
import json
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import rendering
import yaml
from apiserver import ApiServer

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / ".lab/collections"))

#: ada trains, ben reviews, cleo does both, olga operates, vic looks; dan reviews, but is on no model's list.
PEOPLE = [
    {"name": "ada", "groups": ["trainer"]},
    {"name": "ben", "groups": ["reviewer"]},
    {"name": "cleo", "groups": ["trainer", "reviewer"]},
    {"name": "dan", "groups": ["reviewer"]},
    {"name": "olga", "groups": ["operator"]},
    {"name": "vic", "groups": ["viewer"]},
]
MODELS = [
    {"name": "digits", "thresholds": {"accuracy": {"min": 0.93}, "latencyMs95": {"max": 200}}},
    {"name": "iris", "reviewers": ["ben", "cleo"], "thresholds": {}},
    {"name": "wine", "required_tests": ["model-3"], "thresholds": {}},
    {"name": "solo", "alone": True, "thresholds": {}},
    {"name": "care", "reviews": 2, "thresholds": {}},
]
PROGRAMS = ("hand", "switch", "router", "desk")
PREFIX = "denied request: "
RELEASES = "/apis/loop.bramble.kube/v1alpha1/namespaces/loop/releases"
DIGEST = "sha256:" + "0" * 64
GOOD = {"accuracy": 0.961, "latencyMs95": 120}

_numbers = itertools.count(1)


class Refused(Exception):
    """What a person is told; Kubernetes' own words before it are cut off, as the desk does."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message.rpartition(PREFIX)[2] if PREFIX in message else message)
        self.status = status
        self.by_policy = PREFIX in message


class Person:
    """Somebody who is logged in by a certificate, or a program by its account's token."""

    def __init__(self, api: ApiServer, certificate: str = "", token: str = "", acts_as: str = "", group: str = ""):
        self._api = api
        self._context = ssl.create_default_context(cafile=str(api.path("ca.crt")))
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        if acts_as:
            self._headers["Impersonate-User"] = acts_as
        if group:
            self._headers["Impersonate-Group"] = group
        if certificate:
            self._context.load_cert_chain(api.path(f"{certificate}.crt"), api.path(f"{certificate}.key"))

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> dict[str, Any]:
        """One request.

        :raises Refused: with the sentence.
        """
        connection = http.client.HTTPSConnection("127.0.0.1", self._api.port, context=self._context, timeout=30)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {**self._headers, "Content-Type": kind})
            answer = connection.getresponse()
            found = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status >= 300:
            raise Refused(answer.status, found["message"])
        return found

    def release(self, model: str, asked_by: str, name: str = "", **spec: Any) -> str:
        """Ask for a release; returns its name."""
        name = name or f"{model}-{next(_numbers)}"
        body = {
            "apiVersion": "loop.bramble.kube/v1alpha1",
            "kind": "Release",
            "metadata": {"name": name, "labels": {"loop.bramble.kube/model": model}},
            "spec": {"model": model, "cause": {"loop": "code", "reason": "a test"}, "askedBy": asked_by, **spec},
        }
        return self.ask("POST", RELEASES, body)["metadata"]["name"]

    def change(self, name: str, spec: dict[str, Any], version: str = "") -> dict[str, Any]:
        """Merge something into a release's spec."""
        body: dict[str, Any] = {"spec": spec}
        if version:
            body["metadata"] = {"resourceVersion": version}
        return self.ask("PATCH", f"{RELEASES}/{name}", body, "application/merge-patch+json")

    def decide(self, name: str, by: str, verdict: str = "approved", **more: Any) -> dict[str, Any]:
        """Decide, in somebody's name."""
        return self.change(name, {"decision": decision(by, verdict, **more)})

    def phase(self, name: str, phase: str) -> dict[str, Any]:
        """Write a status."""
        body = {"status": {"phase": phase}}
        return self.ask("PATCH", f"{RELEASES}/{name}/status", body, "application/merge-patch+json")

    def get(self, name: str) -> dict[str, Any]:
        """A release."""
        return self.ask("GET", f"{RELEASES}/{name}")


def decision(by: str, verdict: str = "approved", **more: Any) -> dict[str, Any]:
    """A decision as the desk writes it."""
    return {"verdict": verdict, "by": by, "reason": "the threes are fine", "at": "2026-01-02T03:04:05Z", **more}


def rendered(people: list[dict[str, Any]], models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The objects of the role's template."""
    return rendering.objects("loop", "rules.yaml.j2", {"people": people, "loop_models": models})


def rules(people: list[dict[str, Any]] | None = None, models: list[dict[str, Any]] | None = None) -> list[Any]:
    """All objects that the role pushes first."""
    static = [
        *yaml.safe_load_all((ROOT / "roles/loop/files/crds.yaml").read_text()),
        *yaml.safe_load_all((ROOT / "roles/loop/files/policy.yaml").read_text()),
    ]
    return [*static, *rendered(PEOPLE if people is None else people, MODELS if models is None else models)]


def push_rules(api: ApiServer, objects: list[Any], check: bool = False) -> dict[str, Any]:
    """Push as the role does."""
    from ansible_collections.bramble.kube.plugins.module_utils.manifests import options, run

    given = {name: option.get("default") for name, option in options.ARGUMENT_SPEC.items()}
    (task,) = yaml.safe_load((ROOT / "roles/loop/tasks/rules.yml").read_text())
    asked = {name: value for name, value in task["bramble.kube.manifest_push"].items() if "{{" not in str(value)}
    given.update(asked, kubeconfig=api.kubeconfig, definition=objects)
    failed, result = run.run(given, check=check, diff=False)
    assert not failed, result
    return result


def wait_for_gate(api: ApiServer) -> None:
    """Wait until the API server refuses by the gate's own rules: it finds the kind of their parameters later."""
    admin, deadline = Person(api, "admin"), time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            name = admin.release("digits", "admin")
        except Refused as error:
            if "failed to configure policy" not in str(error):
                return
            time.sleep(0.5)
        else:
            admin.ask("DELETE", f"{RELEASES}/{name}")
    raise AssertionError("the policy does not work")


def proof(scores: dict[str, float] | None = None, **more: Any) -> dict[str, Any]:
    """Evidence as hand writes it."""
    digests = {"model": DIGEST, "code": DIGEST, "data": DIGEST}
    return {"digests": digests, "scores": GOOD if scores is None else scores, **more}
