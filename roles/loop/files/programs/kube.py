# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few calls to the API server that the loop's programs need, with the standard library alone.

    KubeError
      Away       the API server cannot be reached, or did not answer within the deadline
      NotFound   404
      Conflict   409: the name is taken, or somebody was quicker
      Refused    403, 422: not allowed, or refused by a policy; the message is that of the policy

A program in a Pod uses `Kube.here()`. Elsewhere $LOOP_API is the address of the API server, $LOOP_TOKEN_FILE and
$LOOP_CA_FILE are the files that a Pod finds below /var/run/secrets.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from http_call import Call

Object = dict[str, Any]

POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
NAMESPACE = "loop"
GROUP = "loop.bramble.kube"
MODEL_LABEL = f"{GROUP}/model"
MERGE = "application/merge-patch+json"

#: kind → API group and version, plural
KINDS = {
    "Release": (f"apis/{GROUP}/v1alpha1", "releases"),
    "Gate": (f"apis/{GROUP}/v1alpha1", "gates"),
    "Job": ("apis/batch/v1", "jobs"),
    "TrainJob": ("apis/trainer.kubeflow.org/v1alpha1", "trainjobs"),
    "TrainingRuntime": ("apis/trainer.kubeflow.org/v1alpha1", "trainingruntimes"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "Service": ("api/v1", "services"),
    "ConfigMap": ("api/v1", "configmaps"),
    "Pod": ("api/v1", "pods"),
}


class KubeError(Exception):
    """A call that failed.

    :ivar status: HTTP status, 0 when there was no answer.
    :ivar reason: the API server's word for it, such as AlreadyExists.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class Away(KubeError):
    """No answer, or one of an API server that does not know its own rules yet."""


class NotFound(KubeError):
    """No such object."""


class Conflict(KubeError):
    """The name is taken, or somebody was quicker."""


class Refused(KubeError):
    """Not allowed, or refused by a policy."""


KIND_OF_ERROR = {403: Refused, 404: NotFound, 409: Conflict, 422: Refused}
#: For up to half a minute after its start, an API server refuses whatever a policy with a custom resource for its
#: parameters decides.
NOT_YET = "failed to configure policy"


def _failure(status: int, body: bytes) -> KubeError:
    try:
        answer = json.loads(body)
        reason, message = answer.get("reason") or "", answer.get("message") or ""
    except (ValueError, AttributeError):
        reason, message = "", body.decode(errors="replace")[:300]
    kind = Away if NOT_YET in message else KIND_OF_ERROR.get(status, KubeError)
    return kind(status, reason, message or f"the API server answered {status}")


class Kube:
    """One API server, one namespace; each call opens its own connection, so threads may share it."""

    def __init__(self, address: str, token_file: Path | None = None, ca_file: Path | None = None, deadline: float = 15):
        """
        :param address: such as https://10.96.0.1:443.
        :param token_file: read for each call, since the kubelet renews it.
        :param deadline: seconds for a whole call.
        """
        self._address, self._token_file, self.deadline = address.rstrip("/"), token_file, deadline
        self._person = ""
        self._tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)

    @classmethod
    def here(cls) -> Kube:
        """The API server of this Pod's cluster, or the one that the environment names."""
        address = os.environ.get("LOOP_API") or (
            f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
        )
        token = Path(os.environ.get("LOOP_TOKEN_FILE") or POD / "token")
        return cls(address, token, Path(os.environ.get("LOOP_CA_FILE") or POD / "ca.crt"))

    def acting(self, person: str) -> Kube:
        """The same, in a person's name; the account must be allowed to impersonate them."""
        other = copy.copy(self)
        other._person = person
        return other

    # Calls ---------------------------------------------------------------------------------------------------------

    def get(self, kind: str, name: str) -> Object:
        """:raises NotFound: when there is none."""
        return self._call("GET", path(kind, name))

    def list(self, kind: str, selector: str = "") -> tuple[list[Object], str]:
        """All objects of a kind with these labels, and the resource version to watch from."""
        answer = self._call("GET", path(kind), query={"labelSelector": selector})
        return answer["items"], answer["metadata"].get("resourceVersion", "")

    def create(self, item: Object) -> Object:
        """:raises Conflict: when the name is taken."""
        return self._call("POST", path(item["kind"]), item, "application/json")

    def patch(self, kind: str, name: str, change: Object) -> Object:
        """Merge a change into an object; with metadata.resourceVersion only if nobody was quicker (else Conflict)."""
        return self._call("PATCH", path(kind, name), change, MERGE)

    def patch_status(self, kind: str, name: str, status: Object, version: str | None = None) -> Object:
        """Merge a change into an object's status; with a resource version only if nobody was quicker."""
        change = {"status": status, **({"metadata": {"resourceVersion": version}} if version else {})}
        return self._call("PATCH", f"{path(kind, name)}/status", change, MERGE)

    def delete(self, kind: str, name: str) -> None:
        """Delete an object and what belongs to it; nothing happens when there is none."""
        with contextlib.suppress(NotFound):
            self._call("DELETE", path(kind, name), {"propagationPolicy": "Background"}, "application/json")

    def watch(self, kind: str, selector: str, version: str, seconds: float = 240) -> Iterator[tuple[str, Object]]:
        """Changes after a resource version as (ADDED, MODIFIED, DELETED or BOOKMARK, object), for so many seconds.

        :raises KubeError: 410 when the version is too old.
        """
        query = {"labelSelector": selector, "resourceVersion": version, "watch": "1", "allowWatchBookmarks": "1"}
        query["timeoutSeconds"] = str(int(seconds))
        with self._open("GET", path(kind), query=query) as call:
            try:
                for line in call.lines(seconds + self.deadline):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _failure(event["object"].get("code") or 410, json.dumps(event["object"]).encode())
                    yield event["type"], event["object"]
            except (OSError, ValueError) as error:
                raise Away(0, "Away", f"the API server went away: {error}") from error

    # Inside --------------------------------------------------------------------------------------------------------

    def _open(self, method: str, path: str, body: Object | None = None, content_type: str = "", query=None) -> Call:
        headers = {"Accept": "application/json"}
        if self._token_file:
            headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
        if self._person:
            headers["Impersonate-User"] = self._person
        if body is not None:
            headers["Content-Type"] = content_type
        asked = {key: value for key, value in (query or {}).items() if value}
        url = f"{self._address}/{path}" + (f"?{urlencode(asked)}" if asked else "")
        content = None if body is None else json.dumps(body).encode()
        try:
            call = Call(method, url, content, headers, self.deadline, self._tls)
        except OSError as error:
            raise Away(0, "Away", f"the API server cannot be reached: {error or type(error).__name__}") from error
        if call.status >= 300:
            with call:
                raise _failure(call.status, call.body())
        return call

    def _call(self, method: str, path: str, body: Object | None = None, content_type: str = "", query=None) -> Object:
        try:
            with self._open(method, path, body, content_type, query) as call:
                return json.loads(call.body())
        except (OSError, ValueError) as error:
            raise Away(0, "Away", f"the API server did not answer in full: {error}") from error


def path(kind: str, name: str = "") -> str:
    """Path of an object, or of all of its kind, in the loop's namespace."""
    api, plural = KINDS[kind]
    return f"{api}/namespaces/{NAMESPACE}/{plural}" + (f"/{quote(name, safe='')}" if name else "")


class Mirror:
    """The objects of a kind, kept up to date by a thread: list once, then watch.

    While the API server is away, the objects stay as they were last known.

    :ivar fresh: False until the first list has come.
    :ivar since: when the API server went away, in seconds since 1970; None while it answers.
    """

    def __init__(
        self,
        kube: Kube,
        kind: str,
        selector: str = "",
        trim: Callable[[Object], Object] = lambda item: item,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """
        :param trim: takes away what need not be kept in memory.
        :param changed: called after each change, in the mirror's thread.
        """
        self._kube, self._kind, self._selector, self._trim, self._changed = kube, kind, selector, trim, changed
        self._objects: dict[str, Object] = {}
        self._lock = threading.Lock()
        self.fresh = False
        self.since: float | None = None

    def start(self) -> Mirror:
        """Begin to follow."""
        threading.Thread(target=self._follow, name=f"mirror-{self._kind}", daemon=True).start()
        return self

    def objects(self) -> dict[str, Object]:
        """Name → object, as last known."""
        with self._lock:
            return dict(self._objects)

    def _set(self, objects: dict[str, Object]) -> None:
        with self._lock:
            self._objects = objects
        self.fresh = True
        self._changed()

    def _follow(self) -> None:
        pause = 0.2
        while True:
            try:
                items, version = self._kube.list(self._kind, self._selector)
                self.since, pause = None, 0.2
                self._set({item["metadata"]["name"]: self._trim(item) for item in items})
                while True:
                    version = self._watch(version)
            except (KubeError, OSError) as error:
                if getattr(error, "status", 0) != 410:  # a version that is too old is no absence
                    self.since = self.since or time.time()
                time.sleep(pause)
                pause = min(pause * 2, 5)

    def _watch(self, version: str) -> str:
        for event, item in self._kube.watch(self._kind, self._selector, version):
            version = item["metadata"]["resourceVersion"]
            if event == "BOOKMARK":
                continue
            objects = self.objects()
            if event == "DELETED":
                objects.pop(item["metadata"]["name"], None)
            else:
                objects[item["metadata"]["name"]] = self._trim(item)
            self._set(objects)
        return version


def number(name: str) -> int:
    """The number of a release: 7 for digits-7."""
    return int(name.rpartition("-")[2])


def phase_of(release: Object) -> str:
    """The phase of a release, empty when it has none yet."""
    return (release.get("status") or {}).get("phase") or ""


def now() -> str:
    """This moment as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def seconds_of(moment: str) -> float:
    """A moment as Kubernetes writes it, in seconds since 1970."""
    import calendar

    return float(calendar.timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S")))


def seconds_since(moment: str, at: float | None = None) -> float:
    """Seconds from a moment as Kubernetes writes it until now (or until `at`, seconds since 1970)."""
    return (time.time() if at is None else at) - seconds_of(moment)


def phase_change(release: Object, phase: str, message: str) -> Object:
    """A status in which a release goes into a phase, its history kept."""
    history = (release.get("status") or {}).get("history") or []
    return {
        "phase": phase,
        "message": message,
        "history": [*history, {"phase": phase, "at": now(), "message": message}],
    }
