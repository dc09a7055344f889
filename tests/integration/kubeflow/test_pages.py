# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifests in the pages, as a real API server with the components' own kinds sees them."""

from __future__ import annotations

import json

import pytest
import yaml
from apiserver import ApiServer, cache
from page_blocks import Document, blocks, documents

APPLIED = [
    document for block in blocks("console") for document in documents(block) if "kubectl apply" in document.command
]
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


def items(document: Document) -> list[dict]:
    """Its objects."""
    return list(yaml.safe_load_all(document.text))


@pytest.fixture(scope="module")
def kinds(api: ApiServer) -> ApiServer:
    """The server with the kinds of both operators, and the namespaces that the pages name."""
    for name in ("trainer", "training-operator"):
        folder = cache() / "manifests" / name / "base/crds"
        api.kubectl("apply", "--server-side", f"--kustomize={folder}")
    for plural in ("trainjobs.trainer.kubeflow.org", "tfjobs.kubeflow.org"):
        api.kubectl("wait", "--for=condition=Established", f"crd/{plural}", "--timeout=60s")
    for name in {item["metadata"].get("namespace", "default") for document in APPLIED for item in items(document)}:
        if not api.kubectl("get", "namespace", name, "--ignore-not-found"):
            api.kubectl("create", "namespace", name)
    return api


@pytest.mark.parametrize("document", APPLIED, ids=lambda document: items(document)[0]["kind"])
def test_what_is_applied_is_accepted_and_every_field_is_known(kinds: ApiServer, document: Document) -> None:
    kinds.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename=-", text=document.text)


def test_a_pod_as_the_page_has_it_may_run_where_only_restricted_ones_may(api: ApiServer) -> None:
    values = [yaml.safe_load(block.text) for block in blocks("yaml")]
    [spec] = [value["spec"] for value in values if "spec" in value and "kind" not in value]
    spec["containers"] = [{"name": "main", "image": "busybox", **own} for own in spec["containers"]]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "page"}, "spec": spec}
    api.kubectl("create", "namespace", "page")
    api.kubectl("create", "serviceaccount", "default", "--namespace=page")
    api.kubectl("label", "namespace", "page", RESTRICTED)
    create = ("create", "--dry-run=server", "--namespace=page", "--filename=-")
    api.kubectl(*create, text=json.dumps(pod))
    del spec["securityContext"]
    with pytest.raises(RuntimeError, match="violates PodSecurity"):
        api.kubectl(*create, text=json.dumps(pod))
