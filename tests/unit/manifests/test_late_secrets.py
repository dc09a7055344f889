# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate that a controller makes itself reaches its Pods at once, and nobody else's Pods are touched."""

from __future__ import annotations

import time

import pytest
from played_cluster import Api

from ansible_collections.bramble.kube.plugins.module_utils.manifests import late_secrets
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError
from ansible_collections.bramble.kube.plugins.module_utils.manifests.load import Item

SECRET, PODS = "/api/v1/namespaces/n/secrets/cert", "/api/v1/namespaces/n/pods"


def secret(**fields: object) -> Item:
    return Item(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert", "namespace": "n"}, **fields}, "f", 1
    )


def pod(name: str, ready: bool, *secrets: str) -> dict:
    return {
        "metadata": {"name": name},
        "spec": {"volumes": [{"emptyDir": {}}, *({"secret": {"secretName": secret}} for secret in secrets)]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(late_secrets, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(late_secrets, "TOUCH_EVERY", 0.01)
    found = Api()
    found.objects[PODS] = {
        "items": [pod("manager", False, "cert"), pod("other", False, "else"), pod("well", True, "cert")]
    }
    return found


def changed(api: Api, item: Item, seconds: float = 0.3) -> set[str]:
    """The Pods that are changed while somebody waits."""
    with late_secrets.brought(api, [item]):
        end = time.monotonic() + seconds
        while time.monotonic() < end and len(api.sent) < 2:
            time.sleep(0.01)
    time.sleep(0.05)
    return {path for _method, path, _body, _type in api.sent}


def test_a_pod_that_waits_for_it_is_changed_until_it_is_ready(api: Api) -> None:
    empty, full = {"metadata": {}}, {"metadata": {}, "data": {"tls.crt": "eA=="}}
    api.objects[SECRET] = [ApiError(404, {}), empty, empty, full]
    assert changed(api, secret(), 10) == {f"{PODS}/manager"}
    (method, _path, body, content_type), *_more = api.sent
    assert (method, content_type) == ("PATCH", "application/merge-patch+json")
    assert list(body) == ["metadata"] and list(body["metadata"]) == ["annotations"]
    api.objects[PODS] = {"items": [pod("manager", True, "cert")]}
    api.sent.clear()
    assert changed(api, secret()) == set()


def test_a_secret_that_is_still_empty_or_was_never(api: Api) -> None:
    api.objects[SECRET] = {"metadata": {}}
    assert changed(api, secret()) == set() and api.asked
    api.asked.clear()
    assert changed(api, secret(data={"a": "eA=="})) == changed(api, secret(stringData={"a": "x"})) == set()
    assert api.asked == []


def test_it_ends_with_the_wait(api: Api) -> None:
    api.objects[SECRET] = {"metadata": {}, "data": {"tls.crt": "eA=="}}
    changed(api, secret(), 10)
    count = len(api.sent)
    time.sleep(0.1)
    assert len(api.sent) == count


def test_where_everything_is_ready_nothing_is_asked(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_secrets, "LOOK_EVERY", 1.0)
    api.objects[SECRET] = {"metadata": {}, "data": {"tls.crt": "eA=="}}
    with late_secrets.brought(api, [secret()]):
        time.sleep(0.1)
    assert api.asked == []
