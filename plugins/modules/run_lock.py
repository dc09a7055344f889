#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
short_description: One run at a time on a cluster
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Takes a lock on the machine on which it runs, usually the master, and holds it until this run of
    C(ansible-playbook) ends, even by Ctrl-C, C(kill -9) or a power cut. There is nothing to clean up.
  - Fails when another run has the lock, and names its user, computer, playbook, process and time.
  - A second use in the same run finds the run's own lock. A random key distinguishes it from the lock of every other
    run, so runs in containers with the same host name and process number count as two.
  - The lock is held by C(flock), in an SSH session that a small process on the laptop keeps open. It outlives this
    session by 20 seconds, so a run whose session was cut can begin a new one before anybody else gets the lock. After
    a reboot of the machine the lock is taken again as soon as the machine answers.
  - A run that has lost its lock and cannot take it back stops at its next task in each play whose C(environment) is
    the lookup P(bramble.kube.run_lock#lookup).
  - If the laptop itself vanishes without a word, the lock is free once the machine's TCP gives up the session, after a
    quarter of an hour at most.
options:
  path:
    description: The file that is locked and that says who holds the lock.
    type: path
    default: /run/bramble.kube.lock
  if_unreachable:
    description:
      - What to do when the machine does not answer, V(fail) as every task does, or V(go_on) without the lock and with a
        warning. C(ignore_unreachable) does not help together with C(run_once), with which Ansible ends the run all
        the same.
    type: str
    choices: [fail, go_on]
    default: fail
seealso:
  - plugin: bramble.kube.run_lock
    plugin_type: lookup
attributes:
  check_mode:
    description: A dry run changes nothing, so it needs no lock and takes none.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  action:
    description: The work is done on the laptop.
    support: full
  async:
    description: The lock would end with the task.
    support: none
"""

EXAMPLES = r"""
- name: Take the cluster's lock
  bramble.kube.run_lock:
  delegate_to: "{{ groups['master'] | first }}"
  become: true
  run_once: true
"""

RETURN = r"""
holder:
  description: How another run would describe this one. Empty in check mode, and without the lock.
  returned: always
  type: str
"""
