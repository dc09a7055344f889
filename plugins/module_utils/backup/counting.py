# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""How many objects of each kind are in etcd, how many an API server reads from it, and whether that is the same."""

from __future__ import annotations

import json
import ssl
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.backup.archive import BackupError
from ansible_collections.bramble.kube.plugins.module_utils.common.http1 import Connection, head

#: Folders in etcd that are not called as their resource is
#: (pkg/kubeapiserver/default_storage_factory_builder.go, SpecialDefaultResourcePrefixes).
_PLACES = {
    "controllers": "replicationcontrollers",
    "ingress": "ingresses",
    "minions": "nodes",
    "services/endpoints": "endpoints",
    "services/specs": "services",
}
#: Made up when it is asked for, and in no etcd.
_NOWHERE = "componentstatuses"
#: What API servers note for themselves; no objects.
_NOTES = ("masterleases", "peerserverleases", "ranges")
#: Built-in resources that lie in a folder of their group, as custom ones do.
_IN_GROUP = {"apiservices.apiregistration.k8s.io", "customresourcedefinitions.apiextensions.k8s.io"}
#: What goes by itself: events after an hour, leases of API servers that are gone.
FLEETING = ("events", "leases")
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#: Only who and where: no value of a Secret leaves the API server, which reads each object whole all the same.
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def in_etcd(keys: Iterable[str]) -> Counter[str]:
    """Count objects by their keys, /registry/…; custom resources are called "plural.group"."""
    counts: Counter[str] = Counter()
    for key in keys:
        parts = key.strip().split("/")[2:]
        if len(parts) < 2 or parts[0] in _NOTES:
            continue
        if "." in parts[0] and len(parts) > 2:
            counts[f"{parts[1]}.{parts[0]}"] += 1
        else:
            counts[_PLACES.get("/".join(parts[:2])) or _PLACES.get(parts[0]) or parts[0]] += 1
    return counts


@dataclass(frozen=True)
class Comparison:
    """What was counted.

    :ivar kinds: by kind, how many are in the backup, and how many the API server reads.
    :ivar lost: kinds of which fewer are read, in words.
    :ivar unserved: kinds that this release of the API server does not know, and how many there are.
    """

    kinds: Mapping[str, Mapping[str, int]]
    lost: tuple[str, ...]
    unserved: Mapping[str, int]

    @property
    def objects(self) -> int:
        """How many objects the API server reads."""
        return sum(kind["read"] for kind in self.kinds.values())

    def lines(self) -> list[str]:
        """For the screen: each kind with both numbers."""
        kinds = [f"{name}: {count['read']} read of {count['in_backup']}" for name, count in self.kinds.items()]
        return kinds + [f"{name}: {count}, not served by this release" for name, count in self.unserved.items()]


def compare(backup: Mapping[str, int], read: Mapping[str, int]) -> Comparison:
    """Put both counts beside each other. An API server adds objects of its own when it starts, so more are no loss."""
    kinds = {
        name: {"in_backup": backup.get(name, 0), "read": read[name]}
        for name in sorted(read)
        if read[name] or backup.get(name)
    }
    lost = tuple(
        f"{count['read']} of {count['in_backup']} {name}"
        for name, count in kinds.items()
        if count["read"] < count["in_backup"] and name not in FLEETING
    )
    return Comparison(kinds, lost, {name: count for name, count in sorted(backup.items()) if name not in read})


class Loopback:
    """A server on this machine, asked with a client's certificate.

    :param port: where it listens.
    :param name: for which its certificate holds; kubeadm's for the API server does not hold for 127.0.0.1.
    :param ca_file: the CA that has to have signed its certificate.
    :param cert_file: certificate and key of who asks.
    :param address: at which it listens.
    """

    def __init__(
        self, port: int, name: str, ca_file: str, cert_file: str, key_file: str, address: str = "127.0.0.1"
    ) -> None:
        self._port, self._name, self._address = port, name, address
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.load_verify_locations(ca_file)
        self._context.load_cert_chain(cert_file, key_file)

    def get(self, path: str, accept: str = "application/json", timeout: float = 60) -> tuple[int, str]:
        """Ask.

        :param timeout: seconds for all of it.
        :returns: status and text of the answer.
        :raises OSError: when there is none.
        """
        connection = Connection(self._address, self._port, timeout)
        try:
            connection.secure(self._context, self._name)
            connection.send(head("GET", path, [("Host", self._name), ("Accept", accept)]))
            answer = connection.receive()
            return answer.status, answer.content.decode("utf-8", "replace")
        finally:
            connection.close()

    def read(self, path: str, accept: str = "application/json") -> dict[str, Any]:
        """Ask for an object or list.

        :raises BackupError: when the answer is another, with what it says.
        """
        try:
            status, text = self.get(path, accept)
            found = json.loads(text)
        except (OSError, ValueError) as error:
            raise BackupError(f"the restored API server gives no answer to {path}: {error}") from None
        if status != 200 or not isinstance(found, dict):
            said = found.get("message") if isinstance(found, dict) else ""
            raise BackupError(f"the restored API server answers {path} with {status}: {said or 'no reason'}")
        return found

    def names(self, path: str) -> list[str]:
        """The names of all objects of a list, which the API server has to read whole for that."""
        found: list[str] = []
        token = ""
        while True:
            part = self.read(f"{path}?limit=500" + (f"&continue={token}" if token else ""), _METADATA)
            found += [item["metadata"]["name"] for item in part.get("items") or ()]
            token = part.get("metadata", {}).get("continue") or ""
            if not token:
                return found

    def count(self) -> Counter[str]:
        """How many objects of each kind it reads from etcd; kinds are called as by :func:`in_etcd`.

        :raises BackupError: when one of them cannot be read.
        """
        custom = {*self.names(_CRDS), *_IN_GROUP}
        counts: Counter[str] = Counter()
        for group, plural, path in self._lists():
            name = f"{plural}.{group}" if f"{plural}.{group}" in custom else plural
            if name not in counts:
                counts[name] = len(self.names(path))
        return counts

    def _lists(self) -> Iterable[tuple[str, str, str]]:
        """Group, plural and path of everything that can be listed and lies in etcd."""
        services = self.read("/apis/apiregistration.k8s.io/v1/apiservices").get("items") or ()
        # What an API server of its own serves, such as metrics, is not in this etcd.
        elsewhere = {item["metadata"]["name"] for item in services if (item.get("spec") or {}).get("service")}
        versions = [("", "v1", "/api/v1")]
        for group in self.read("/apis").get("groups") or ():
            # Events are served by two groups.
            for version in group["versions"] if group["name"] != "events.k8s.io" else ():
                if f"{version['version']}.{group['name']}" not in elsewhere:
                    versions.append((group["name"], version["version"], f"/apis/{version['groupVersion']}"))
        seen = set()
        for group, _version, path in versions:
            for resource in self.read(path).get("resources") or ():
                plural = resource["name"]
                if "/" in plural or plural == _NOWHERE or "list" not in resource["verbs"]:
                    continue
                if (group, plural) not in seen:
                    seen.add((group, plural))
                    yield group, plural, f"{path}/{plural}"
