#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_status
short_description: The state of a Pi right now, with or without an API server
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Reads from a Pi what the playbook C(bramble.kube.status) needs to know about it - services, the kubelet's last
    errors, the Pod network, certificates, its containers' last messages, whether it reaches the API server.
  - Changes nothing. For what a machine does not have, the answer is empty; it is never a failure.
  - Certificates are returned, keys and tokens never. Run it as root, or much of the result stays empty.
options:
  laptop_time:
    description: Seconds since 1970 by the laptop's clock when it asks, C({{ now().timestamp() }}); to compare clocks.
    type: float
  audit:
    description: Whether to also read what affects security - modes of files, settings of the components, open ports.
    type: bool
    default: false
attributes:
  check_mode:
    description: Reads the same.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Look at the Pi
  bramble.kube.pi_status:
    laptop_time: "{{ now().timestamp() }}"
  become: true
  register: status_pi
"""

RETURN = r"""
facts:
  description: The facts of M(bramble.kube.pi_facts), with their prefix.
  returned: always
  type: dict
state:
  description:
    - Memory, disks, temperature, load, services, kubelet, image_failures, pod_network, containers, control_plane,
      certificates, membership, api, etcd, as read by C(plugins/module_utils/status/gather_pi.py).
  returned: always
  type: dict
audit:
  description: What affects security, as read by C(plugins/module_utils/status/security.py).
  returned: with O(audit=true)
  type: dict
"""

from ansible_collections.bramble.kube.plugins.module_utils.common.step import perform
from ansible_collections.bramble.kube.plugins.module_utils.status import read_pi


def main() -> None:
    """Do what is left to do."""
    perform(read_pi)


if __name__ == "__main__":
    main()
