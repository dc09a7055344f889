# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server that is a dict of objects by their paths."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import JSON
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError
from ansible_collections.bramble.kube.plugins.module_utils.nodes.api import Cluster


class Api:
    """In the place of a client.

    :ivar objects: what a path answers; an ApiError or Fault is raised, a list gives one after the other.
    :ivar sent: method, path, body and content type of each change.
    :ivar asked: each path that was read, with its query.
    """

    def __init__(self, ca: str = "") -> None:
        self.endpoint = SimpleNamespace(ca_data=ca, server="https://192.168.13.7:6443")
        self.objects: dict[str, Any] = {}
        self.sent: list[tuple[str, str, Any, str]] = []
        self.queries: list[dict | None] = []
        self.asked: list[str] = []

    def _answer(self, key: str) -> Any:
        answer = self.objects.get(key)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def get(self, path: str, query: dict | None = None, accept: str = JSON) -> Any:
        """An object, or 404."""
        self.asked.append(path + ("?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else ""))
        found = self._answer(path)
        if found is None:
            raise ApiError(404, {"message": "not found"})
        return found

    def request(
        self, method: str, path: str, query: dict | None = None, body: Any = None, content_type: str = JSON
    ) -> tuple[int, Any]:
        """A change."""
        self.sent.append((method, path, body, content_type))
        self.queries.append(query)
        return 200, self._answer(f"{method} {path}")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """An empty cluster, to which every kubeconfig leads."""
    made = Api()
    monkeypatch.setattr(Cluster, "of", classmethod(lambda cls, _options: cls(made)))
    return made
