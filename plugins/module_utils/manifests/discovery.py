# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""What the server serves: for each group and version, its kinds with path, scope and verbs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import quote

from ..common.together import together
from .errors import ApiError


class Resource(NamedTuple):
    """One kind as the server serves it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def prefix(self) -> str:
        """``/api/v1`` or ``/apis/<group>/<version>``."""
        return prefix_of(self.api_version)

    def collection(self, namespace: str = "") -> str:
        """Path of the collection, in one namespace where one is given."""
        if namespace and self.namespaced:
            return "{}/namespaces/{}/{}".format(self.prefix, quote(namespace, safe=""), self.plural)
        return f"{self.prefix}/{self.plural}"

    def path(self, name: str, namespace: str = "") -> str:
        """Path of one object."""
        return "{}/{}".format(self.collection(namespace), quote(name, safe=""))


def prefix_of(api_version: str) -> str:
    """Path below which a group and version is served."""
    return "/apis/" + api_version if "/" in api_version else "/api/" + api_version


class Discovery:
    """Asks for one group and version at a time, once, since a set uses few of the dozens that a server has."""

    def __init__(self, get: Callable[[str], Any]) -> None:
        """:param get: returns the decoded body of a GET, retries included; raises ApiError."""
        self._get = get
        self._versions: dict[str, dict[str, Resource]] = {}

    def load(self, api_versions: Iterable[str], paths: Iterable[str] = ()) -> dict[str, Any]:
        """Ask for several groups and versions at once.

        :param paths: further paths to GET along the way.
        :returns: path → decoded answer, for those.
        """
        missing = [version for version in dict.fromkeys(api_versions) if version not in self._versions]
        others = list(paths)
        asked = [*((self._get, path) for path in others), *((self._fetch, version) for version in missing)]
        answers = together(lambda question: question[0](question[1]), asked)
        self._versions.update(zip(missing, answers[len(others) :]))
        return dict(zip(others, answers))

    def _fetch(self, api_version: str) -> dict[str, Resource]:
        try:
            answer = self._get(prefix_of(api_version))
        except ApiError as error:
            if error.status == 404:
                return {}
            raise
        found = [
            Resource(api_version, entry["kind"], entry["name"], entry["namespaced"])
            for entry in answer.get("resources") or []
        ]
        return {resource.kind: resource for resource in found if "/" not in resource.plural}

    def serves(self, api_version: str, kind: str) -> bool:
        """Whether the server has this kind in this version."""
        return self.find(api_version, kind) is not None

    def find(self, api_version: str, kind: str) -> Resource | None:
        """The kind as served, or None."""
        return self._kinds(api_version).get(kind)

    def kinds(self, api_version: str) -> list[Resource]:
        """All kinds that are served in a group and version."""
        return list(self._kinds(api_version).values())

    def _kinds(self, api_version: str) -> dict[str, Resource]:
        if api_version not in self._versions:
            self._versions[api_version] = self._fetch(api_version)
        return self._versions[api_version]

    def forget(self, api_versions: Iterable[str]) -> None:
        """Ask again next time, for instance once a CRD is established."""
        for version in api_versions:
            self._versions.pop(version, None)
