# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The step that brings several configuration files to their content."""

from __future__ import annotations

import glob
import json
import os
import pwd
from collections.abc import Mapping
from typing import Any

from ansible_collections.bramble.kube.plugins.module_utils.common import atomic_file as place
from ansible_collections.bramble.kube.plugins.module_utils.common.errors import Stop
from ansible_collections.bramble.kube.plugins.module_utils.common.system import System
from ansible_collections.bramble.kube.plugins.module_utils.common.toml import to_toml
from ansible_collections.bramble.kube.plugins.module_utils.pi import restarts

OPTIONS = {
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "path": {"type": "path", "required": True},
            "content": {"type": "str"},
            "toml": {"type": "dict"},
            "json": {"type": "dict"},
            "copy_of": {"type": "path"},
            "comment": {"type": "str"},
            "mode": {"type": "str", "default": "0644"},
            "owner": {"type": "str", "default": "root"},
            "only_over": {"type": "str"},
            "restarts": {"type": "list", "elements": "str", "default": []},
            "reloads": {"type": "list", "elements": "str", "default": []},
        },
        "mutually_exclusive": [("content", "toml", "json", "copy_of")],
        "required_one_of": [("content", "toml", "json", "copy_of")],
    },
    "sweep": {"type": "list", "elements": "str", "default": []},
    "sweep_mark": {"type": "str", "default": "# Written by bramble.kube; changes here are overwritten."},
}


def _content(entry: dict) -> bytes | None:
    """The bytes that belong into the file; None while the file to copy is not there yet (check mode)."""
    if entry["copy_of"] is not None:
        return place.read(entry["copy_of"])
    if entry["json"] is not None:
        return (json.dumps(entry["json"], indent=2, sort_keys=True) + "\n").encode()
    text = to_toml(entry["toml"]) if entry["toml"] is not None else entry["content"]
    return ((f"# {entry['comment']}\n" if entry["comment"] else "") + text).encode()


def _is_someone_elses(entry: dict) -> bool:
    present = place.read(entry["path"])
    return entry["only_over"] is not None and present is not None and entry["only_over"].encode() not in present


def _wanted(entry: dict) -> place.Wanted:
    path = entry["path"]
    if not os.path.isabs(path):
        raise Stop(f"files: {path} is not an absolute path.")
    try:
        mode = int(entry["mode"], 8)
    except ValueError:
        raise Stop(
            f"files: mode of {path} is {entry['mode']!r}; use an octal number in quotes such as '0644'."
        ) from None
    try:
        user = pwd.getpwnam(entry["owner"])
    except KeyError:
        raise Stop(f"files: {path} should belong to the user {entry['owner']}, who does not exist here.") from None
    try:
        content = _content(entry)
    except ValueError as error:
        raise Stop(f"{path}: {error}.") from None
    secret = entry["copy_of"] is not None
    return place.Wanted(path, content, mode, (user.pw_uid, user.pw_gid), secret, tuple(entry["restarts"]))


def _swept(patterns: list[str], mark: str, kept: set[str]) -> list[place.Wanted]:
    """Files of an earlier run that nobody wants any more."""
    found = []
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)):
            if path in kept or not os.path.isfile(path):
                continue
            with open(path, encoding="utf-8", errors="replace") as file:
                if file.readline().rstrip("\n") == mark:
                    found.append(place.Wanted(path, None))
    return found


def _diff(wanted: place.Wanted) -> dict[str, str]:
    if wanted.secret:
        hidden = f"{wanted.path} (content withheld)\n"
        return {"before": "" if not os.path.exists(wanted.path) else "old " + hidden, "after": "new " + hidden}
    before, after = place.read(wanted.path), wanted.content
    return {
        "before_header": wanted.path,
        "after_header": wanted.path,
        "before": (before or b"").decode("utf-8", "replace"),
        "after": (after or b"").decode("utf-8", "replace"),
    }


def run(system: System, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Write the files that differ."""

    def invocation(service: str) -> str:
        return system.run(["systemctl", "show", "-p", "InvocationID", "--value", service]).strip()

    wanted = []
    for entry in options["files"]:
        if _is_someone_elses(entry):
            continue
        one = _wanted(entry)
        if one.content is None and not check_mode:
            raise Stop(f"{entry['copy_of']} is not there, and should be copied to {one.path}.")
        wanted.append(one)
    different = [
        one
        for one in wanted
        if (one.content is None and not os.path.exists(one.path)) or (one.content is not None and place.differs(one))
    ]
    swept = _swept(options["sweep"], options["sweep_mark"], {one.path for one in wanted})
    services = sorted({service for one in wanted for service in one.restarts})
    changed_services = sorted({service for one in different for service in one.restarts})
    result = {
        "written": [one.path for one in different],
        "removed": [one.path for one in swept],
        "diff": [_diff(one) for one in different + swept],
    }
    if not check_mode:
        restarts.note(changed_services, invocation)
        for one in different + swept:
            place.write(one)
        paths = {one.path for one in different}
        for service in sorted(
            {name for entry in options["files"] if entry["path"] in paths for name in entry["reloads"]}
        ):
            system.call(["systemctl", "try-reload-or-restart", service])
    result["restart"] = restarts.pending(services, invocation)
    if check_mode:
        running = {service for service in changed_services if invocation(service)}
        result["restart"] = sorted(running | set(result["restart"]))
    return {"changed": bool(different or swept or result["restart"]), **result}
