"""Faults on the way and in the server: everything arrives in the end, once, and what did not is named."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from apiserver import ApiServer
from faults import AnsweringProxy, Toxiproxy, status
from test_objects_pushed import config


def objects(space: str, number: int = 40, **data: str) -> list[dict]:
    return [config(f"c{index}", space, **data) for index in range(number)]


def through(api: ApiServer, port: int) -> str:
    return api.write_kubeconfig(f"through-{port}", f"https://127.0.0.1:{port}")


def names(api: ApiServer, space: str) -> set[str]:
    found = api.kubectl("get", "configmap", "-n", space, "-o", "jsonpath={.items[*].metadata.name}").split()
    return {name for name in found if name.startswith("c")}


@pytest.fixture
def toxic(api: ApiServer) -> Iterator[Toxiproxy]:
    proxy = Toxiproxy(api.port)
    yield proxy
    proxy.close()


def every(number: int, verdict):
    """A rule that breaks each n-th write."""
    return lambda method, _path, count: verdict if method == "PATCH" and count % number == 0 else None


ANSWERS = {
    "429": (429, {"Retry-After": "1"}, status(429, "TooManyRequests", "too many requests")),
    "500 etcd leader changed": (500, {}, status(500, "InternalError", "etcdserver: leader changed")),
    "502": (502, {}, {"message": "bad gateway"}),
    "503": (503, {}, status(503, "ServiceUnavailable", "the server is currently unable to handle the request")),
    "504": (504, {}, status(504, "Timeout", "request did not complete within the allotted timeout")),
    "409": (
        409,
        {},
        status(409, "Conflict", "the object has been modified; please apply your changes to the latest version"),
    ),
    "dropped": "drop",
    "half an answer": "half",
    "hanging": "hang",
}


@pytest.mark.parametrize("name", list(ANSWERS))
def test_faulty_answers_are_asked_again(push, api, space, name):
    proxy = AnsweringProxy(api, every(5, ANSWERS[name]))
    try:
        result = push(objects(space), kubeconfig=through(api, proxy.port))
        assert not result["failed"], result["msg"]
        assert names(api, space) == {f"c{index}" for index in range(40)}
        assert any(verdict is not None for _method, _path, verdict in proxy.log)
        before = proxy.count
        assert push(objects(space), kubeconfig=through(api, proxy.port))["counts"]["unchanged"] == 40
        assert all(method == "GET" for method, _path, _verdict in proxy.log[before:])
    finally:
        proxy.close()


def test_retry_after_is_obeyed(push, api, space):
    times: list[float] = []

    def rule(method: str, _path: str, _count: int):
        if method == "PATCH":
            times.append(time.monotonic())
            if len(times) == 1:
                return (429, {"Retry-After": "2"}, status(429, "TooManyRequests", "wait"))
        return None

    proxy = AnsweringProxy(api, rule)
    try:
        assert not push(objects(space, 1), kubeconfig=through(api, proxy.port))["failed"]
    finally:
        proxy.close()
    assert times[1] - times[0] >= 2


def test_what_still_failed_is_named_and_the_next_run_does_only_that(push, api, space):
    broken = AnsweringProxy(
        api,
        lambda method, path, _count: (
            (500, {}, status(500, "InternalError", "failed calling webhook"))
            if method == "PATCH" and "/c7?" in path
            else None
        ),
    )
    try:
        start = time.monotonic()
        result = push(objects(space), kubeconfig=through(api, broken.port), timeout=2)
        assert time.monotonic() - start < 10
    finally:
        broken.close()
    assert result["failed"]
    assert "ConfigMap" in result["msg"] and "/c7 at object 8 of definition: failed calling webhook" in result["msg"]
    assert result["counts"] == {"created": 39, "updated": 0, "unchanged": 0, "pruned": 0, "failed": 1}
    after = push(objects(space))
    assert after["counts"]["created"] == 1 and after["counts"]["unchanged"] == 39


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("reset_peer", {"timeout": 0}),
        ("limit_data", {"bytes": 9000}),
        ("timeout", {"timeout": 200}),
        ("slow_close", {"delay": 100}),
    ],
)
def test_broken_connections_are_made_again(push, api, toxic, space, kind, attributes):
    toxic.add(kind, toxicity=0.5, **attributes)
    healer = threading.Timer(3.0, toxic.remove, [kind])
    healer.start()
    try:
        result = push(objects(space), kubeconfig=through(api, toxic.port), timeout=30)
    finally:
        healer.join()
    assert not result["failed"], result["msg"]
    assert len(names(api, space)) == 40


def test_a_server_that_is_away_for_seconds_is_waited_for(push, api, toxic, space):
    toxic.enable(False)
    healer = threading.Timer(2.0, toxic.enable, [True])
    healer.start()
    result = push(objects(space), kubeconfig=through(api, toxic.port), timeout=20)
    healer.join()
    assert not result["failed"], result["msg"]


def test_a_tls_handshake_that_takes_too_long_is_a_fault_like_others(push, api, toxic, space, monkeypatch):
    from ansible_collections.bramble.kube.plugins.module_utils.manifests import client

    monkeypatch.setattr(client, "REQUEST_TIMEOUT", 1.0)
    toxic.add("latency", latency=5000)
    healer = threading.Timer(2.5, toxic.remove, ["latency"])
    healer.start()
    result = push(objects(space, 5), kubeconfig=through(api, toxic.port), timeout=30)
    healer.join()
    assert not result["failed"], result["msg"]
    toxic.add("latency", latency=5000)
    result = push(objects(space, 5), kubeconfig=through(api, toxic.port), timeout=2)
    assert result["failed"] and "TLS handshake timeout" in result["msg"]


def test_a_server_that_stays_away_ends_the_push_within_the_timeout(push, api, space):
    proxy = Toxiproxy(api.port)
    killer = None
    try:
        proxy.add("latency", latency=20)
        killer = threading.Timer(0.5, proxy.enable, [False])
        killer.start()
        start = time.monotonic()
        result = push(objects(space, 400), kubeconfig=through(api, proxy.port), timeout=3, workers=2)
        assert time.monotonic() - start < 12
    finally:
        if killer is not None:
            killer.join()
        proxy.close()
    assert result["failed"]
    done = result["counts"]["created"]
    assert 0 < done < 400
    assert result["counts"]["failed"] == 400 - done
    left = push(objects(space, 400))
    assert left["counts"]["failed"] == 0
    assert left["counts"]["created"] >= 400 - done - 2  # an answer may have been lost after the write


def test_an_api_server_that_restarts_in_the_middle():
    server = ApiServer().start()
    try:
        from options import DEFAULTS

        from ansible_collections.bramble.kube.plugins.module_utils.manifests import run

        server.kubectl("create", "namespace", "restart")
        results: list[tuple[bool, dict]] = []
        params = {**DEFAULTS, "kubeconfig": server.kubeconfig, "timeout": 60, "workers": 2}
        params["definition"] = objects("restart", 1500)
        thread = threading.Thread(target=lambda: results.append(run.run(params, check=False, diff=False)))
        thread.start()
        time.sleep(0.6)
        server.kill_api()
        assert thread.is_alive(), "the push was over before the server went away"
        time.sleep(1)
        server.start_api()
        thread.join(60)
        failed, result = results[0]
        assert not failed, result["msg"]
        assert result["counts"]["failed"] == 0
        assert len(names(server, "restart")) == 1500
    finally:
        server.stop()


def test_an_etcd_that_stands_still_for_a_while(push):
    server = ApiServer().start()
    try:
        server.kubectl("create", "namespace", "still")
        server.pause_etcd()
        healer = threading.Timer(3.0, server.resume_etcd)
        healer.start()
        result = push(objects("still", 20), kubeconfig=server.kubeconfig, timeout=60)
        healer.join()
        assert not result["failed"], result["msg"]
    finally:
        server.resume_etcd()
        server.stop()


def test_an_etcd_that_elects_another_leader(push):
    server = ApiServer(etcd_members=3).start()
    try:
        server.kubectl("create", "namespace", "elected")
        killed: list[str] = []
        fault = threading.Timer(0.3, lambda: killed.append(server.kill_etcd_leader()))
        fault.start()
        result = push(objects("elected", 1500), kubeconfig=server.kubeconfig, timeout=60)
        assert killed, "the push was over before the leader went away"
        assert server.etcd_leader() not in killed
        assert not result["failed"], result["msg"]
        assert len(names(server, "elected")) == 1500
        again = push(objects("elected", 1500), kubeconfig=server.kubeconfig)
        assert again["counts"]["unchanged"] == 1500
    finally:
        server.stop()
