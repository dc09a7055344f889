# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Apply sets by KEP-3659: a parent ConfigMap that names the set, and a label on each member."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .client import APPLY_PATCH, FIELD_MANAGER, Client
from .discovery import Resource
from .errors import ApiError, ManifestError
from .load import Item

ID_LABEL = "applyset.kubernetes.io/id"
PART_OF_LABEL = "applyset.kubernetes.io/part-of"
TOOLING = "applyset.kubernetes.io/tooling"
CONTAINS = "applyset.kubernetes.io/contains-group-kinds"
CONTAINS_RESOURCES = "applyset.kubernetes.io/contains-group-resources"  # what CONTAINS was called before
ADDITIONAL = "applyset.kubernetes.io/additional-namespaces"
OUR_TOOLING = "bramble.kube/v1"
PATH = "bramble.kube/path"  # on a Service that people open: below which path
CONFIG_MAP = Resource("v1", "ConfigMap", "configmaps", True)


def identity(name: str, namespace: str, kind: str = "ConfigMap", group: str = "") -> str:
    """The set's id: ``applyset-<base64url(sha256(name.namespace.kind.group))>-v1`` (KEP-3659)."""
    digest = hashlib.sha256(f"{name}.{namespace}.{kind}.{group}".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode('ascii').rstrip('=')}-v1"


def group_kind(group: str, kind: str) -> str:
    """``Deployment.apps``, or ``ConfigMap`` for the core group."""
    return f"{kind}.{group}" if group else kind


def parse_group_kinds(text: str) -> set[tuple[str, str]]:
    """(group, kind) pairs of the contains-group-kinds annotation."""
    found = set()
    for entry in text.split(","):
        kind, _dot, group = entry.strip().partition(".")
        if kind:
            found.add((group, kind))
    return found


@dataclass
class ApplySet:
    """One set: its parent, and where its members are."""

    name: str
    namespace: str
    takeover: bool = False
    parent: dict | None = None
    group_kinds: set[tuple[str, str]] = field(default_factory=set)
    namespaces: set[str] = field(default_factory=set)

    @property
    def id(self) -> str:
        """The id that members carry in their part-of label."""
        return identity(self.name, self.namespace)

    @property
    def selector(self) -> str:
        """Label selector of the members."""
        return f"{PART_OF_LABEL}={self.id}"

    @property
    def path(self) -> str:
        """Path of the parent."""
        return CONFIG_MAP.path(self.name, self.namespace)

    def load(self, get: Callable[[str], Any], kind_of: Callable[[str, str], str]) -> None:
        """Read the parent, and refuse one that is somebody else's, or of which the members cannot be known.

        :param kind_of: ``kind_of(group, plural)`` → kind, "" where the server does not have it any more.
        :raises ManifestError: naming the owner, or what is wrong with it.
        """
        try:
            parent = get(self.path)
        except ApiError as error:
            if error.status == 404:
                return
            raise
        labels, annotations = (parent["metadata"].get(part) or {} for part in ("labels", "annotations"))
        tooling = annotations.get(TOOLING)
        where = f"ConfigMap {self.namespace}/{self.name}"
        if not self.takeover:
            if labels.get(ID_LABEL) is None or tooling is None:
                raise ManifestError(
                    f"apply_set {self.name}: {where} exists and is not an apply set; choose another name, or set "
                    "apply_set_takeover: true."
                )
            if tooling.rpartition("/")[0] != OUR_TOOLING.rpartition("/")[0]:
                raise ManifestError(
                    f"apply_set {self.name}: {where} belongs to {tooling}; choose another name, or set "
                    "apply_set_takeover: true."
                )
        self.parent = parent
        if ID_LABEL not in labels:
            return  # no apply set yet, so that it has no members
        if labels[ID_LABEL] != self.id:
            raise ManifestError(
                f"apply_set {self.name}: the label {ID_LABEL} of {where} is {labels[ID_LABEL]}, but an object of this "
                f"name has the id {self.id}: it was copied or changed, so its members cannot be known. "
                "Correct the label, or choose another name."
            )
        self.namespaces = {name for name in (annotations.get(ADDITIONAL) or "").split(",") if name}
        if CONTAINS in annotations:
            self.group_kinds = parse_group_kinds(annotations[CONTAINS])
        elif CONTAINS_RESOURCES in annotations:
            resources = parse_group_kinds(annotations[CONTAINS_RESOURCES])
            kinds = {(group, kind_of(group, plural)) for group, plural in resources}
            self.group_kinds = {(group, kind) for group, kind in kinds if kind}
        else:
            raise ManifestError(
                f"apply_set {self.name}: {where} has no annotation {CONTAINS}, by which its members are found; restore "
                "it (such as ConfigMap,Deployment.apps), or choose another name."
            )

    def wanted(self, items: Iterable[Item]) -> tuple[set[tuple[str, str]], set[str]]:
        """Group-kinds and additional namespaces of the objects."""
        group_kinds, namespaces = set(), set()
        for item in items:
            group_kinds.add((item.group, item.kind))
            if item.namespace and item.namespace != self.namespace:
                namespaces.add(item.namespace)
        return group_kinds, namespaces

    def document(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """The parent as an object."""
        about = {"name": self.name, "namespace": self.namespace, **metadata}
        return {"apiVersion": CONFIG_MAP.api_version, "kind": CONFIG_MAP.kind, "metadata": about}

    def write(
        self, client: Client, group_kinds: set[tuple[str, str]], namespaces: set[str], dry_run: bool = False
    ) -> bool:
        """Bring the parent to these group-kinds and namespaces; returns whether that changed it."""
        labels = {ID_LABEL: self.id}
        annotations = {
            TOOLING: OUR_TOOLING,
            CONTAINS: ",".join(sorted(group_kind(*pair) for pair in group_kinds)),
            ADDITIONAL: ",".join(sorted(namespaces)),
        }
        if self.parent is not None:
            metadata = self.parent["metadata"]
            if all((metadata.get("labels") or {}).get(key) == value for key, value in labels.items()) and all(
                (metadata.get("annotations") or {}).get(key) == value for key, value in annotations.items()
            ):
                return False
        body = self.document({"labels": labels, "annotations": annotations})
        query = {"fieldManager": FIELD_MANAGER + "-applyset", "force": "true"}
        if dry_run:
            query["dryRun"] = "All"
        self.parent = client.request("PATCH", self.path, query, body, APPLY_PATCH)[1]
        self.group_kinds, self.namespaces = group_kinds, namespaces
        return True
