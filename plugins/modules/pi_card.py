#!/usr/bin/python
# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pi_card
short_description: What a Pi's card needs to be found and trusted at its first boot
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Writes C(user-data), C(network-config) and C(meta-data) for the task's host, which cloud-init of Raspberry Pi OS
    (trixie, from November 2025 on) reads on the boot partition; for bookworm C(firstrun.sh), with what makes its first
    boot run it. The host itself is not asked.
  - The host gets an SSH host key that is made here, so that this computer can know it before the Pi is switched on. Its
    private half is kept in O(folder), encrypted by ansible-vault with the vault password that C(ansible-playbook) was
    given. Without one, a password is made for O(folder), in its file C(vault-password), mode 0600.
  - The files hold that key unencrypted, and the Wi-Fi's key in place of its password. In a folder they have mode 0600.
    On the Pi, C(user-data) is emptied and C(firstrun.sh) removed at the end of the first boot.
options:
  folder:
    description:
      - Where host keys are kept (C(HOST.key), encrypted, and C(HOST.pub)). Without O(boot) the files are written to its
        folder C(HOST).
    type: path
    required: true
  boot:
    description: Where the boot partition of the host's card is mounted. Another folder is refused.
    type: path
  hostname:
    description: The Pi's name.
    type: str
    required: true
  user:
    description: The user that the Pi is to have.
    type: str
    required: true
  password:
    description: The user's password, for sudo; a hash of it is written. Empty for a user who needs none for sudo.
    type: str
    default: ""
  public_key:
    description:
      - File with the public keys that may log in. By default the first in C(~/.ssh) of C(id_ed25519.pub),
        C(id_ed25519_sk.pub), C(id_ecdsa.pub), C(id_ecdsa_sk.pub) and C(id_rsa.pub).
    type: path
  release:
    description: The release of Raspberry Pi OS on the card.
    type: str
    choices: [trixie, bookworm]
    default: trixie
  timezone:
    description: Time zone, such as V(Europe/London). Empty leaves that of the OS.
    type: str
    default: ""
  locale:
    description: Language and region of messages, such as V(en_GB.UTF-8). Empty leaves that of the OS.
    type: str
    default: ""
  wifi_country:
    description: Code of the country whose rules the radio follows, such as V(GB). Needed with O(wifi_ssid).
    type: str
    default: ""
  wifi_ssid:
    description: The Wi-Fi network. Empty for a Pi with a cable.
    type: str
    default: ""
  wifi_password:
    description: Its password, of which the network's key is written.
    type: str
    default: ""
  address:
    description: A fixed address with the length of its network, such as V(192.168.13.7/24). Empty leaves it to DHCP.
    type: str
    default: ""
  gateway:
    description: The router's address. Needed with O(address).
    type: str
    default: ""
  nameservers:
    description: Addresses of name servers. Needed with O(address).
    type: list
    elements: str
    default: []
  interface:
    description: The network interface for O(address). By default C(wlan0) with O(wifi_ssid), else C(eth0).
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Says what would be written, and writes nothing.
  diff_mode:
    support: full
    description: Shows the files without secrets.
  action:
    support: full
    description: The work is done on the laptop.
requirements:
  - on macOS passlib, for O(password)
"""

EXAMPLES = r"""
- name: Write what the card needs
  bramble.kube.pi_card:
    folder: "{{ inventory_dir | bramble.kube.beside('cards') }}"
    hostname: "{{ inventory_hostname }}"
    user: pi
    timezone: Europe/London
  register: card

- name: Know the Pi before it is switched on
  bramble.kube.known_host:
    learn: ["{{ card.host_key }}"]
  throttle: 1
"""

RETURN = r"""
files:
  description: The files that were written.
  returned: success
  type: list
  elements: str
folder:
  description: Where the files are.
  returned: success
  type: str
host_key:
  description: The host's public key, as "type key".
  returned: success
  type: str
vault_password:
  description: The file of the vault password, when it was made now; else empty.
  returned: success
  type: str
command:
  description: The command of Raspberry Pi Imager 2 that writes the card; empty with O(boot).
  returned: success
  type: str
"""
