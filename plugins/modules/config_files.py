#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_files
short_description: Configuration files of services, written together
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Brings several files to their content in one task, each written beside its place and renamed, so that a power cut
    leaves no half file.
  - Tells which running services have to be restarted, also when an earlier run was cut short after it had changed the
    files.
  - Removes files that it wrote earlier and that are no longer wanted.
options:
  files:
    description: The files. One of C(content), C(toml), C(json) and C(copy_of) says what is in a file.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where the file is, an absolute path.
        type: path
        required: true
      content:
        description: The file's text.
        type: str
      toml:
        description: Data to write as TOML.
        type: dict
      json:
        description: Data to write as JSON.
        type: dict
      copy_of:
        description: Another file on the same machine that has the content. Its content is never shown.
        type: path
      comment:
        description: A line to put above the content of a text or TOML file, after C(# ).
        type: str
      mode:
        description: Permissions, as an octal number in quotes.
        type: str
        default: "0644"
      owner:
        description: The user that owns the file and the folders made for it. Its login group becomes the file's group.
        type: str
        default: root
      only_over:
        description: A file that is there and does not contain this text is somebody else's, and is left alone.
        type: str
      restarts:
        description: Systemd services that read the file when they start.
        type: list
        elements: str
        default: []
  sweep:
    description:
      - Glob patterns. A file that matches one, is not among O(files) and has O(sweep_mark) as its first line is
        removed.
    type: list
    elements: str
    default: []
  sweep_mark:
    description: First line by which files that this module wrote are known.
    type: str
    default: "# Written by bramble.kube; changes here are overwritten."
attributes:
  check_mode:
    description: Tells what would be written.
    support: full
  diff_mode:
    description: A diff of each file; not of those made with C(copy_of).
    support: full
"""

EXAMPLES = r"""
- name: Tell containerd where images come from
  bramble.kube.config_files:
    files:
      - path: /etc/containerd/config.toml
        toml: {version: 3, disabled_plugins: []}
        restarts: [containerd]
  register: files

- name: Restart containerd
  ansible.builtin.systemd_service:
    name: containerd
    state: restarted
  when: "'containerd' in files.restart"
"""

RETURN = r"""
written:
  description: Files that were written.
  returned: always
  type: list
  elements: str
removed:
  description: Files that were removed.
  returned: always
  type: list
  elements: str
restart:
  description: Running services that have not read their changed files yet.
  returned: always
  type: list
  elements: str
"""

import glob
import json
import os
import pwd

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bramble.kube.plugins.module_utils.files import place, restarts
from ansible_collections.bramble.kube.plugins.module_utils.files.toml import to_toml


class Stop(Exception):
    """The module cannot go on; the message is for the user."""


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
            f"files: mode of {path} is {entry['mode']!r}; an octal number in quotes such as '0644' is right."
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


def main() -> None:
    """Read the options, write, report."""
    module = AnsibleModule(
        argument_spec={
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
                },
                "mutually_exclusive": [("content", "toml", "json", "copy_of")],
                "required_one_of": [("content", "toml", "json", "copy_of")],
            },
            "sweep": {"type": "list", "elements": "str", "default": []},
            "sweep_mark": {"type": "str", "default": "# Written by bramble.kube; changes here are overwritten."},
        },
        supports_check_mode=True,
    )

    def invocation(service: str) -> str:
        code, output, _error = module.run_command(["systemctl", "show", "-p", "InvocationID", "--value", service])
        return output.strip() if code == 0 else ""

    try:
        wanted = []
        for entry in module.params["files"]:
            if _is_someone_elses(entry):
                continue
            one = _wanted(entry)
            if one.content is None and not module.check_mode:
                raise Stop(f"{entry['copy_of']} is not there, and should be copied to {one.path}.")
            wanted.append(one)
        different = [
            one
            for one in wanted
            if (one.content is None and not os.path.exists(one.path))
            or (one.content is not None and place.differs(one))
        ]
        swept = _swept(module.params["sweep"], module.params["sweep_mark"], {one.path for one in wanted})
        services = sorted({service for one in wanted for service in one.restarts})
        changed_services = sorted({service for one in different for service in one.restarts})
        result = {
            "written": [one.path for one in different],
            "removed": [one.path for one in swept],
            "diff": [_diff(one) for one in different + swept],
        }
        if not module.check_mode:
            restarts.note(changed_services, invocation)
            for one in different + swept:
                place.write(one)
        result["restart"] = restarts.pending(services, invocation)
        if module.check_mode:
            running = {service for service in changed_services if invocation(service)}
            result["restart"] = sorted(running | set(result["restart"]))
    except Stop as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'A file'} cannot be written: {error.strerror}.")
    module.exit_json(changed=bool(different or swept or result["restart"]), **result)


if __name__ == "__main__":
    main()
