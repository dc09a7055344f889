# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real etcd's keys and what a real API server reads from it: the same numbers, kind by kind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from apiserver import ApiServer, program

from ansible_collections.bramble.kube.plugins.module_utils.backup.archive import BackupError
from ansible_collections.bramble.kube.plugins.module_utils.backup.counting import Loopback, compare, in_etcd

KEY = "/registry/example.org/shows/default/broken"
SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}


def custom(plural: str, kind: str) -> dict:
    """A CRD of which the plural is that of a built-in resource, too."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": SCHEMA},
                {"name": "v1beta1", "served": True, "storage": False, "schema": SCHEMA},
            ],
        },
    }


def listed(*items: dict) -> str:
    """As kubectl reads them."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)})


def thing(kind: str, name: str, api: str = "v1", **more) -> dict:
    """A small object."""
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "default"}, **more}


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    """An API server with something in it."""
    made = ApiServer()
    try:
        made.start()
        made.kubectl("create", "-f", "-", text=listed(custom("services", "Service"), custom("shows", "Show")))
        made.kubectl("wait", "--for=condition=Established", "crd", "--all")
        port = {"ports": [{"port": 80}]}
        ingress = {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}
        objects = [
            *(thing("ConfigMap", f"c{number}") for number in range(620)),
            *(thing("Secret", f"s{number}", stringData={"a": "hidden"}) for number in range(3)),
            *(thing("Service", f"x{number}", "example.org/v1") for number in range(4)),
            thing("Service", "web", spec=port),
            thing("Ingress", "web", "networking.k8s.io/v1", spec=ingress),
            thing("Event", "e", involvedObject={"kind": "Pod", "namespace": "default"}, reason="r", message="m"),
        ]
        made.kubectl("create", "-f", "-", text=listed(*objects))
        yield made
    finally:
        made.stop()


def keys(server: ApiServer) -> list[str]:
    """All keys in its etcd."""
    (endpoint,) = server._etcd_urls
    command = [program("etcdctl"), "--endpoints", endpoint, "get", "/registry/", "--prefix", "--keys-only"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def client(server: ApiServer) -> Loopback:
    """Who asks as the administrator."""
    return Loopback(
        server.port, "127.0.0.1", *(str(server.path(name)) for name in ("ca.crt", "admin.crt", "admin.key"))
    )


def test_both_counts_are_the_same_kind_by_kind(server: ApiServer) -> None:
    found = compare(in_etcd(line for line in keys(server) if line), client(server).count())
    assert found.lost == ()
    assert found.unserved == {}
    assert found.kinds["configmaps"]["read"] >= 620
    assert found.kinds["services.example.org"] == {"in_backup": 4, "read": 4}
    assert found.kinds["customresourcedefinitions.apiextensions.k8s.io"] == {"in_backup": 2, "read": 2}
    assert {"services", "ingresses", "events", "secrets", "namespaces", "flowschemas"} <= set(found.kinds)
    different = {name: kind for name, kind in found.kinds.items() if kind["read"] != kind["in_backup"]}
    assert not different


def test_an_object_that_cannot_be_read_is_named(server: ApiServer) -> None:
    """A built-in kind keeps the API server from getting ready; a custom one is only read when it is asked for."""
    (endpoint,) = server._etcd_urls
    broken = [program("etcdctl"), "--endpoints", endpoint, "put", KEY, "no object"]
    subprocess.run(broken, capture_output=True, check=True)
    try:
        with pytest.raises(BackupError, match=r"/apis/example.org/v1/shows\?limit=500 with 500"):
            client(server).count()
    finally:
        subprocess.run([*broken[:3], "del", KEY], capture_output=True, check=True)
