# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""A cluster's kubeconfig as a context of a person's own, beside the clusters that are there already."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from ..common import atomic_file
from ..common.errors import Stop
from ..common.system import System
from . import yamltext

with contextlib.suppress(ImportError):
    import yaml

OPTIONS = {
    "src": {"type": "path", "required": True},
    "dest": {"type": "path", "default": "~/.kube/config"},
    "name": {"type": "str", "required": True},
}
#: The lists of a kubeconfig, and what an entry of each holds (client-go, tools/clientcmd/api/v1/types.go).
_LISTS = {"clusters": "cluster", "users": "user", "contexts": "context"}


def _entry(config: Mapping[str, Any], where: str, name: Any) -> dict[str, Any]:
    for entry in config.get(where) or ():
        if isinstance(entry, Mapping) and entry.get("name") == name:
            return dict(entry.get(_LISTS[where]) or {})
    raise Stop(f"The cluster's kubeconfig has no entry {name} in {where}.")


def merge(own: Mapping[str, Any], cluster: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A kubeconfig with one more context, or with this one renewed.

    :param own: the person's.
    :param cluster: the one whose current context is to be added.
    :param name: of the context, and of its cluster and user.
    :returns: the person's with these three entries; the current context stays, if there is one.
    :raises Stop: when one of them is no kubeconfig.
    """
    context = _entry(cluster, "contexts", cluster.get("current-context"))
    added = {
        "clusters": _entry(cluster, "clusters", context.get("cluster")),
        "users": _entry(cluster, "users", context.get("user")),
        "contexts": {**context, "cluster": name, "user": name},
    }
    merged = {"apiVersion": "v1", "kind": "Config", **own}
    for where, key in _LISTS.items():
        listed = own.get(where) or []
        if not isinstance(listed, list):
            raise Stop(f"Your kubeconfig has something else than a list as {where}.")
        entry = {"name": name, key: added[where]}
        at = [number for number, one in enumerate(listed) if isinstance(one, Mapping) and one.get("name") == name]
        merged[where] = [*listed[: at[0]], entry, *listed[at[0] + 1 :]] if at else [*listed, entry]
    merged["current-context"] = own.get("current-context") or name
    return merged


def _read(path: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(atomic_file.text(path))
    except yaml.YAMLError:  # which would show what is in it
        raise Stop(f"{path} is not YAML.") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Stop(f"{path} is not a kubeconfig.")
    return found


def run(_system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Merge, and write it if it differs.

    :raises Stop: when a file is missing or no kubeconfig.
    """
    yamltext.need_yaml()
    if not os.path.exists(options["src"]):
        raise Stop(f"{options['src']} is not there; site.yml writes it.")
    path = os.path.realpath(os.path.expanduser(options["dest"]))
    own = _read(path)
    wanted = merge(own, _read(options["src"]), options["name"])
    changed = wanted != own
    if changed and not check_mode:
        content = yaml.safe_dump(wanted, sort_keys=False, default_flow_style=False).encode()
        atomic_file.write(atomic_file.Wanted(path, content, 0o600, (os.getuid(), os.getgid()), secret=True))
    return {"changed": changed, "path": path, "current": wanted["current-context"]}
