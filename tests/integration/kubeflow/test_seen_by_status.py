# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was installed as components is what status lists, with the addresses that the run itself has shown."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
import yaml

NAME = "seen"
SPACE = "seen-by-status"
ENTRY = {
    "name": NAME,
    "line": "x",
    "engine": "manifests",
    "source": {"path": "given by the test"},
    "namespace": SPACE,
    "access": {"service": "web", "port": 80, "path": "/seen/", "what": "a page"},
}


def objects() -> list[dict[str, Any]]:
    """A Deployment and its Service, of which the second port is for nobody."""
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "example.invalid/a:1"}]}}
    ports = [{"name": "other", "port": 9000}, {"name": "http", "port": 80}]
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {"selector": {"matchLabels": labels}, "template": pod},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": labels, "ports": ports},
        },
    ]


@pytest.fixture
def seen(api):
    """The component as status shows it."""
    from ansible_collections.bramble.kube.plugins.module_utils.status import gather_cluster, summary
    from ansible_collections.bramble.kube.plugins.module_utils.status.model import Scene

    def look() -> list[Any]:
        options = {"kubeconfig": api.kubeconfig, "context": None, "audit": False}
        cluster = gather_cluster.run(None, options, False)["cluster"]
        assert cluster["reachable"], cluster["said"]
        rows = summary.components(Scene(pis=[], cluster=cluster, now=datetime.now(timezone.utc)))
        return [row for row in rows if row.name == NAME]

    return look


@pytest.mark.parametrize("access", ["node_port", "load_balancer"])
def test_a_component_is_listed_with_the_address_that_its_run_has_shown(api, install, seen, access) -> None:
    manifests = {NAME: {"text": yaml.safe_dump_all(objects())}}
    result = install([ENTRY], [NAME], manifests=manifests, access=access, node_address="192.168.13.7")
    assert not result["failed"], result["msg"]
    if access == "load_balancer":
        assert seen()[0].addresses == (), "nothing has given out an address yet"
        status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.168.13.50"}]}}}
        where = ("--namespace", SPACE, "--subresource=status", f"--patch={json.dumps(status)}")
        api.kubectl("patch", "service", "web", *where)
        result = install([ENTRY], [NAME], manifests=manifests, access=access, node_address="192.168.13.7")
    [row] = seen()
    assert (row.namespace, row.ready, row.wanted, row.not_ready) == (SPACE, 0, 1, ["web"])
    assert list(row.addresses) == [result["addresses"][NAME]]
