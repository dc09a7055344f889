# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The few requests about nodes, Pods and budgets that modules on the laptop send to the API server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.manifests import yamltext
from ansible_collections.bramble.kube.plugins.module_utils.manifests.auth import endpoint
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import JSON, Client, Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError
from ansible_collections.bramble.kube.plugins.module_utils.manifests.retry import call, passing
from ansible_collections.bramble.kube.plugins.module_utils.nodes.drain import CORDONED, COUNTED, Pod, read_pod, refusal

MERGE_PATCH = "application/merge-patch+json"


@contextlib.contextmanager
def asking(about: str = "") -> Iterator[None]:
    """Say of no answer, or one that says no, what was asked.

    :param about: " about the nodes".
    :raises Stop: with the reason.
    """
    try:
        yield
    except (Fault, ApiError) as error:
        raise Stop(f"The API server cannot be queried{about}: {str(error).rstrip('.')}.") from None


class Cluster:
    """One API server. Each request may raise Fault (no answer) or ApiError (an answer that says no)."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Cluster:
        """The one of a module's kubeconfig, and its context if there is one.

        :raises ClusterError: when it cannot be used.
        """
        yamltext.need_yaml()
        return cls(Client(endpoint({name: options.get(name) for name in ("kubeconfig", "context")})))

    @property
    def ca(self) -> str:
        """The CA in the kubeconfig, as PEM; empty when there is none."""
        return self._client.endpoint.ca_data

    @property
    def server(self) -> str:
        """The API server's address."""
        return self._client.endpoint.server

    def patiently(self, ask: Callable[[], Any], seconds: float) -> Any:
        """Ask again while there is no answer, as when the API server is being restarted.

        :raises Fault: when the time is over.
        """
        return call(ask, seconds, passes=passing(self._client))

    def send(self, method: str, path: str, body: Any = None, content_type: str = JSON) -> None:
        """Change something."""
        self._client.request(method, path, None, body, content_type)

    def remove(self, path: str) -> None:
        """Delete an object, unless it is gone already."""
        try:
            self.send("DELETE", path)
        except ApiError as error:
            if error.status != 404:
                raise

    def found(self, path: str) -> dict | None:
        """An object, None when there is none."""
        try:
            return self._client.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str, **query: str) -> list[dict]:
        """A list's objects."""
        return self._client.get(path, query).get("items") or []

    def pods(self, node: str = "", namespace: str = "") -> list[Pod]:
        """Pods, all or those on a node or in a namespace."""
        path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
        query = {"fieldSelector": f"spec.nodeName={node}"} if node else {}
        return [read_pod(item) for item in self.items(path, **query)]

    def desired(self, pod: Pod) -> int | None:
        """How many Pods its controller should have; None when that cannot be told."""
        if pod.owner is None or pod.owner.kind not in COUNTED:
            return None
        owner = self.found(COUNTED[pod.owner.kind].format(pod.namespace, pod.owner.name))
        return None if owner is None else int((owner.get("spec") or {}).get("replicas", 1))

    def evict(self, pod: Pod, dry_run: bool = False) -> str:
        """Ask a Pod to leave.

        :returns: "" when it is leaving or gone, otherwise why it may not.
        """
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction"
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
            "deleteOptions": {"preconditions": {"uid": pod.uid}},
        }
        try:
            self._client.request("POST", path, {"dryRun": "All"} if dry_run else None, body)
        except ApiError as error:
            if error.status == 429:
                return refusal(error.body)
            if error.status in (404, 409):
                return ""
            return error.message
        return ""

    def set_cordon(self, node: str, cordoned: bool) -> None:
        """Keep new Pods off a node, or let them come again; leaves a mark of whose cordon it is."""
        body = {
            "metadata": {"annotations": {CORDONED: "true" if cordoned else None}},
            "spec": {"unschedulable": True if cordoned else None},
        }
        self.send("PATCH", f"/api/v1/nodes/{node}", body, MERGE_PATCH)
