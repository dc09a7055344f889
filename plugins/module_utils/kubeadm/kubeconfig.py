# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Reads the cluster's address and CA from a kubeconfig, without a YAML library: a Pi may have none."""

from __future__ import annotations

import base64
import binascii
import json
import os
import pwd
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.kubeadm.ca import ca_cert_hashes

_KEY = re.compile(r"(?P<key>[A-Za-z0-9_./=+@-]+|\"[^\"]*\"|'[^']*'):(?:[ ]+(?P<value>.*))?")


class KubeconfigError(BrambleError, ValueError):
    """The text is not a kubeconfig that can be used; the message never holds a secret."""


@dataclass(frozen=True)
class Cluster:
    """The cluster of a kubeconfig's current context; ``ca_pem`` or ``ca_file`` is empty."""

    server: str
    ca_pem: str
    ca_file: str

    @property
    def endpoint(self) -> str:
        """The API server's "host:port"."""
        address = self.server.partition("://")[2].rstrip("/")
        return address if re.search(r":\d+\Z", address) else f"{address}:443"


def of_users(names: Iterable[str]) -> Iterator[tuple[str, pwd.struct_passwd]]:
    """Where users have a kubeconfig, for those of them that there are."""
    for name in names:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        yield os.path.join(user.pw_dir, ".kube", "config"), user


def _scalar(text: str) -> Any:
    text = text.strip()
    if text in ("", "~", "null", "{}", "[]"):
        return {"{}": {}, "[]": []}.get(text, "")
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return json.loads(text)
        except ValueError:
            raise KubeconfigError("a quoted value in it is not closed") from None
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return re.sub(r"[ \t]+#.*", "", text)


def _block(lines: list[tuple[int, str]], indent: int) -> Any:
    """Take one block (a mapping or a list) at this indentation off the front of ``lines``."""
    if lines[0][1] == "-" or lines[0][1].startswith("- "):
        entries: list[Any] = []
        while lines and lines[0][0] == indent and (lines[0][1] == "-" or lines[0][1].startswith("- ")):
            _unused_indent, text = lines.pop(0)
            rest = text[1:].lstrip()
            if rest and _KEY.fullmatch(rest):
                lines.insert(0, (indent + len(text) - len(rest), rest))
                entries.append(_block(lines, lines[0][0]))
            elif rest:
                entries.append(_scalar(rest))
            elif lines and lines[0][0] > indent:
                entries.append(_block(lines, lines[0][0]))
            else:
                entries.append("")
        return entries
    mapping: dict[str, Any] = {}
    while lines and lines[0][0] == indent:
        match = _KEY.fullmatch(lines[0][1])
        if not match:
            break
        lines.pop(0)
        key = match["key"].strip("\"'")
        if match["value"]:
            mapping[key] = _scalar(match["value"])
        elif lines and (lines[0][0] > indent or (lines[0][0] == indent and lines[0][1].startswith("-"))):
            mapping[key] = _block(lines, lines[0][0])
        else:
            mapping[key] = ""
    return mapping


def load_plain_yaml(text: str) -> Any:
    """Read JSON, or the plain block YAML that Kubernetes' tools write (no anchors, flow collections or folded text)."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError:
            raise KubeconfigError("it starts like JSON but is not") from None
    lines: list[tuple[int, str]] = []
    for line in text.expandtabs().splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith("#") and stripped != "---":
            lines.append((len(line) - len(line.lstrip()), stripped))
    if not lines:
        raise KubeconfigError("it is empty")
    document = _block(lines, lines[0][0])
    if lines:
        raise KubeconfigError("it has a line that is not plain YAML as Kubernetes' tools write it")
    return document


def _named(entries: Any, name: str, kind: str) -> dict[str, Any]:
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(kind), dict):
            return entry[kind]
    raise KubeconfigError(f"it has no {kind} named {name!r}")


def client_certificate(text: str) -> tuple[str, str]:
    """Certificate and key of the user of the current context, as kubeadm embeds them, both PEM.

    :raises KubeconfigError: when the text is no kubeconfig, or has none.
    """
    document = load_plain_yaml(text)
    if not isinstance(document, dict):
        raise KubeconfigError("it is not a kubeconfig")
    context = _named(document.get("contexts"), document.get("current-context") or "", "context")
    user = _named(document.get("users"), context.get("user", ""), "user")
    try:
        texts = (user[f"client-{part}-data"] for part in ("certificate", "key"))
        certificate, key = (base64.b64decode(text, validate=True).decode("ascii") for text in texts)
    except (KeyError, TypeError, binascii.Error, ValueError):
        raise KubeconfigError("its user has no certificate and key in it") from None
    return certificate, key


def parse_kubeconfig(text: str) -> Cluster:
    """Read the cluster of the current context; of the only cluster when there is no context (cluster-info).

    :raises KubeconfigError: when the text is no kubeconfig or lacks an address or a CA.
    """
    document = load_plain_yaml(text)
    if not isinstance(document, dict):
        raise KubeconfigError("it is not a kubeconfig")
    clusters = document.get("clusters")
    context_name = document.get("current-context")
    if context_name:
        cluster = _named(
            clusters, _named(document.get("contexts"), context_name, "context").get("cluster", ""), "cluster"
        )
    elif (
        isinstance(clusters, list)
        and len(clusters) == 1
        and isinstance(clusters[0], dict)
        and isinstance(clusters[0].get("cluster"), dict)
    ):
        cluster = clusters[0]["cluster"]
    else:
        raise KubeconfigError("it has no current-context")
    server = cluster.get("server") or ""
    if not server.startswith("https://"):
        raise KubeconfigError("its cluster has no https:// server address")
    ca_file = cluster.get("certificate-authority") or ""
    ca_pem = ""
    if cluster.get("certificate-authority-data"):
        try:
            ca_pem = base64.b64decode(cluster["certificate-authority-data"], validate=True).decode()
        except (binascii.Error, ValueError):
            raise KubeconfigError("its certificate-authority-data is not base64") from None
    elif not ca_file:
        raise KubeconfigError("its cluster names no certificate authority")
    return Cluster(server=server, ca_pem=ca_pem, ca_file=ca_file)


def identity(system: System, path: str) -> tuple[str, str]:
    """The API server's address in a kubeconfig of the machine, and the hash of the cluster's CA.

    :raises KubeconfigError, CertificateError: when it cannot be used.
    """
    cluster = parse_kubeconfig(system.text(path))
    return cluster.server, ca_cert_hashes(cluster.ca_pem or system.text(cluster.ca_file))[0]
