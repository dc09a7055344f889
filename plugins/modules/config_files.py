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
  - Writes several files in one task, each under another name first and then renamed, so that a power cut leaves no
    half-written file.
  - Says which running services must be restarted, even when an earlier run was interrupted after it had changed the
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
        description: A comment to put above the content of a text or TOML file, after C(# ).
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
        description: An existing file that does not contain this text is somebody else's, and is left alone.
        type: str
      restarts:
        description: Systemd services that read the file when they start.
        type: list
        elements: str
        default: []
      reloads:
        description: Systemd services that read the file again when they are reloaded. They are reloaded as soon as it
          has changed.
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
    description: First line that identifies files written by this module.
    type: str
    default: "# Written by bramble.kube; changes here are overwritten."
attributes:
  check_mode:
    description: Says what would be written.
    support: full
  diff_mode:
    description: A diff of each file, except those with C(copy_of).
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

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.pi.steps import config_files as written


def main() -> None:
    """Write what differs."""
    perform(written)


if __name__ == "__main__":
    main()
