# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What the API server says about the cluster, cut down to what a status needs; asked from the laptop."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from ..common.redact import foreign_values, redact
from ..common.system import System
from ..kubeadm.tokens import TokenFormatError, format_time, parse_time
from ..manifests import auth, yamltext
from ..manifests.applyset import ID_LABEL, OUR_TOOLING, PART_OF_LABEL, PATH, TOOLING
from ..manifests.client import Client, Fault
from ..manifests.errors import ApiError, ClusterError, ManifestError, Unreachable
from ..nodes.readiness import node_data
from . import gather_audit
from .log_tail import LINES, last_words

OPTIONS = {
    "kubeconfig": {"type": "path", "required": True},
    "context": {"type": "str"},
    "audit": {"type": "bool", "default": False},
}
#: Seconds without a sign of life; a Pi under load may think for a while.
REQUEST_TIMEOUT = 15
#: A container that has run for less than so many seconds after it had failed is looked at again, so many seconds later.
JUST, A_LITTLE = 20, 3
#: Kinds of which a component's health is read: path, and where its counts are (wanted, ready).
WORKLOADS = {
    "Deployment": ("deployments", ("spec", "replicas"), ("status", "readyReplicas")),
    "StatefulSet": ("statefulsets", ("spec", "replicas"), ("status", "readyReplicas")),
    "DaemonSet": ("daemonsets", ("status", "desiredNumberScheduled"), ("status", "numberReady")),
}
TOKENS = "/api/v1/namespaces/kube-system/secrets"
CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
MOST_LOGS = 20
_ODD = ClusterError("the API server answers with malformed objects")
#: What the kubelet answers, as if it were the log, when that has been thrown away already.
_NO_LOG = ("unable to retrieve container logs", "failed to try resolving symlinks")


def _meta(item: dict) -> dict:
    return item.get("metadata") or {}


def _trouble(entry: dict) -> dict[str, Any] | None:
    """What a container waits for or how it ended; None for one that runs or has done its work."""
    state, last = entry.get("state") or {}, (entry.get("lastState") or {}).get("terminated") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    if waiting:
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
    elif ended and ended.get("exitCode"):
        reason, message, last = ended.get("reason", ""), ended.get("message", ""), ended
    else:
        return None
    return {
        "container": entry.get("name", ""),
        "image": entry.get("image", ""),
        "reason": reason,
        "message": redact(message)[:600],
        "restarts": entry.get("restartCount", 0),
        "exit_code": last.get("exitCode"),
        "ended_by": last.get("reason", ""),
    }


def _has_just_restarted(item: dict) -> bool:
    """Whether one of a Pod's containers runs for a moment only, after it has failed: it may well fail again."""
    begun = (
        _at(entry, ("state", "running", "startedAt"))
        for entry in (item.get("status") or {}).get("containerStatuses") or []
        if _at(entry, ("lastState", "terminated", "exitCode"))
    )
    now = datetime.now(timezone.utc)
    return any((now - parse_time(at)).total_seconds() < JUST for at in begun if at)


def _pods(client: Client) -> list[dict]:
    """All Pods; between two failures a container runs, so then they are looked at again a little later."""
    found = _items(client, "/api/v1/pods")
    if any(map(_has_just_restarted, found)):
        time.sleep(A_LITTLE)
        found = _items(client, "/api/v1/pods")
    return found


def pod(item: dict) -> dict[str, Any]:
    """One Pod: where, phase, whether it is ready, and what is wrong with its containers."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    conditions = {c.get("type"): c for c in status.get("conditions") or []}
    entries = (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or [])
    scheduled = conditions.get("PodScheduled") or {}
    return {
        "namespace": _meta(item).get("namespace", ""),
        "name": _meta(item)["name"],
        "node": spec.get("nodeName", ""),
        "phase": status.get("phase", ""),
        "reason": status.get("reason", ""),
        "ready": (conditions.get("Ready") or {}).get("status") == "True" or status.get("phase") == "Succeeded",
        "leaving": bool(_meta(item).get("deletionTimestamp")),
        "unscheduled": scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        "restarts": sum(entry.get("restartCount", 0) for entry in entries),
        "troubles": [trouble for trouble in map(_trouble, entries) if trouble],
    }


def _at(item: dict, path: tuple[str, ...]) -> Any:
    for key in path:
        item = (item or {}).get(key)
    return item


def workload(kind: str, item: dict) -> dict[str, Any]:
    """One Deployment, StatefulSet or DaemonSet: how many Pods are wanted, and ready."""
    _path, wanted, ready = WORKLOADS[kind]
    labels = _meta(item).get("labels") or {}
    default = 1 if wanted[0] == "spec" else 0
    count = _at(item, wanted)
    return {
        "kind": kind,
        "namespace": _meta(item).get("namespace", ""),
        "name": _meta(item)["name"],
        "part_of": labels.get("app.kubernetes.io/part-of", ""),
        "set": labels.get(PART_OF_LABEL, ""),
        "wanted": default if count is None else count,
        "ready": _at(item, ready) or 0,
    }


def place(service: dict, node: str) -> dict[str, Any] | None:
    """Where a Service of a set is reached from outside of the cluster; None for one that is not.

    :param node: address of a node.
    """
    spec, meta = service.get("spec") or {}, _meta(service)
    ports = sorted(spec.get("ports") or [], key=lambda entry: entry.get("port") not in (80, 443))
    host, number = "", "port"
    if spec.get("type") == "LoadBalancer":
        given = _at(service, ("status", "loadBalancer", "ingress")) or [{}]
        host = given[0].get("ip") or given[0].get("hostname") or ""
    elif spec.get("type") == "NodePort":
        host, number = node, "nodePort"
    if not (host and ports and ports[0].get(number)):
        return None
    scheme = "https" if ports[0].get("port") == 443 else "http"
    port = "" if ports[0][number] == {"http": 80, "https": 443}[scheme] else f":{ports[0][number]}"
    path = (meta.get("annotations") or {}).get(PATH, "/")
    return {"set": (meta.get("labels") or {})[PART_OF_LABEL], "address": f"{scheme}://{host}{port}/{path.lstrip('/')}"}


def way_in(ingress: dict) -> list[dict[str, Any]]:
    """The paths of an Ingress of a set, each below the address of the component ingress."""
    rules = (ingress.get("spec") or {}).get("rules") or []
    paths = [entry.get("path") or "/" for rule in rules for entry in (rule.get("http") or {}).get("paths") or []]
    return [{"set": _meta(ingress)["labels"][PART_OF_LABEL], "path": path} for path in paths]


def _sets(client: Client, nodes: list[dict]) -> dict[str, Any]:
    """The names of this collection's apply sets by their ids, and where their members are reached."""
    parents = _items(client, "/api/v1/configmaps", {"labelSelector": ID_LABEL})
    ours = [_meta(item) for item in parents if (_meta(item).get("annotations") or {}).get(TOOLING) == OUR_TOOLING]
    of_sets = {"labelSelector": PART_OF_LABEL}
    first = min(nodes, key=lambda node: "control-plane" not in node["roles"], default=None)
    node = first["addresses"][0] if first and first["addresses"] else ""
    places = [place(item, node) for item in _items(client, "/api/v1/services", of_sets)]
    ways = [way_in(item) for item in _items(client, "/apis/networking.k8s.io/v1/ingresses", of_sets)]
    return {
        "sets": {meta["labels"][ID_LABEL]: meta["name"] for meta in ours},
        "places": [found for found in places if found] + [way for found in ways for way in found],
    }


def token(item: dict) -> dict[str, Any]:
    """A bootstrap token's id, end and description; `item` is metadata alone or a Secret, of which no secret is kept."""
    from base64 import b64decode

    data = item.get("data") or {}

    def text(key: str) -> str:
        return b64decode(data.get(key, "")).decode("utf-8", "replace")

    try:
        expires = format_time(parse_time(text("expiration"))) if "expiration" in data else None
    except TokenFormatError:
        expires = text("expiration")
    return {"id": text("token-id"), "expires": expires, "description": text("description")}


def request_for_certificate(item: dict) -> dict[str, Any]:
    """A CertificateSigningRequest: who asks whom for what, and whether it is decided."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    return {
        "name": _meta(item)["name"],
        "signer": spec.get("signerName", ""),
        "by": spec.get("username", ""),
        "decided": bool(status.get("conditions")),
    }


def _proxy_mode(client: Client) -> str:
    """The mode in kube-proxy's configuration, as kubeadm keeps it; "" where there is none, or it says nothing."""
    for item in _items(client, CONFIG_MAPS, {"fieldSelector": "metadata.name=kube-proxy"}):
        try:
            for _line, document in yamltext.documents((item.get("data") or {}).get("config.conf", ""), "config.conf"):
                if isinstance(document, dict):
                    return str(document.get("mode") or "")
        except ManifestError:
            break
    return ""


def _items(client: Client, path: str, query: dict | None = None) -> list[dict]:
    return client.get(path, query).get("items") or []


def _last_words(client: Client, entry: dict, trouble: dict) -> str:
    """What a container said last: in its last run, or in the one before, of which the log is often thrown away."""
    path = f"/api/v1/namespaces/{entry['namespace']}/pods/{quote(entry['name'])}/log"
    for previous in ("false", "true"):
        query = {"container": trouble["container"], "previous": previous, "tailLines": LINES}
        try:
            said = last_words(client.text(path, query))
        except (ApiError, Fault):
            continue
        if said and not said.startswith(_NO_LOG):
            return said
    return ""


def _unreachable(error: Exception, outcome: str) -> dict[str, Any]:
    return {"reachable": False, "outcome": outcome, "said": redact(str(error)).rstrip(".")}


def ask(client: Client, audit: bool = False) -> dict[str, Any]:
    """Ask for everything.

    :param audit: whether to ask, too, for what an audit judges.

    :returns: ``reachable`` and, when it is not, ``outcome`` (untrusted, unauthorized, forbidden, silent) and what was
        ``said``; else version, nodes, pods, workloads, sets, places, tokens, requests, proxy_mode (of kube-proxy), and
        ``audit`` as gather_audit.ask tells.
    """
    try:
        version = client.get("/version").get("gitVersion", "").removeprefix("v")
        nodes = [node_data(item) for item in _items(client, "/api/v1/nodes")]
    except ClusterError as error:
        return _unreachable(error, "untrusted")
    except Fault as error:
        return _unreachable(error, "silent")
    except ApiError as error:
        return _unreachable(error, {401: "unauthorized", 403: "forbidden"}.get(error.status, "failed"))
    except (AttributeError, KeyError, TypeError, ValueError):
        return _unreachable(_ODD, "failed")
    answer: dict[str, Any] = {"reachable": True, "outcome": "ok", "said": "", "version": version, "nodes": nodes}
    try:
        answer["pods"] = [pod(item) for item in _pods(client)]
        answer["workloads"] = [
            workload(kind, item)
            for kind, (plural, _wanted, _ready) in WORKLOADS.items()
            for item in _items(client, f"/apis/apps/v1/{plural}")
        ]
        answer.update(_sets(client, nodes))
        secrets = _items(client, TOKENS, {"fieldSelector": "type=bootstrap.kubernetes.io/token"})
        answer["tokens"] = [token(item) for item in secrets]
        requests = _items(client, "/apis/certificates.k8s.io/v1/certificatesigningrequests")
        answer["requests"] = [request_for_certificate(item) for item in requests]
        answer["proxy_mode"] = _proxy_mode(client)
        if audit:
            answer["audit"] = gather_audit.ask(client, [entry["name"] for entry in nodes])
        logs = 0
        for entry in answer["pods"]:
            for trouble in entry["troubles"]:
                if trouble["restarts"] and logs < MOST_LOGS:
                    logs += 1
                    trouble["said"] = _last_words(client, entry, trouble)
    except (ApiError, Fault, ClusterError) as error:
        return {**_unreachable(error, "failed"), "version": version, "nodes": nodes}
    except (AttributeError, KeyError, TypeError, ValueError):
        return {**_unreachable(_ODD, "failed"), "version": version, "nodes": nodes}
    return answer


def run(_system: System, options: Mapping[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Ask, and tell also why nobody could be asked."""
    yamltext.need_yaml()
    known = {}
    try:
        endpoint = auth.endpoint(options)
        known = {"server": endpoint.server, "ca": endpoint.ca_data, "client_certificate": endpoint.cert_data}
        client = Client(endpoint, REQUEST_TIMEOUT)
        answer = ask(client, options["audit"])
        client.close()
    except Unreachable as error:
        answer = _unreachable(error, "no_kubeconfig")
    except ClusterError as error:
        answer = _unreachable(error, "untrusted")
    return {"changed": False, "cluster": {**known, **foreign_values(answer)}}
