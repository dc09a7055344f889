# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: download
short_description: Downloads a text whose checksum is known
version_added: "0.1.0"
author:
  - bramble.kube contributors (@bramble-kube)
description:
  - Downloads within limits of time (10 minutes, and 30 seconds without a single byte) and size, and returns the text
    only if it has the expected checksum. Nothing is written to a disk. If the server does not answer or reports an
    error of its own, it is asked two more times.
options:
  _terms:
    description: Addresses, C(http://) or C(https://).
    required: true
  sha256:
    description: The checksum, 64 hexadecimal digits.
    type: str
    required: true
  most:
    description: The most bytes that it may have.
    type: int
    default: 67108864
"""

EXAMPLES = r"""
- name: Read manifests
  ansible.builtin.set_fact:
    manifests: "{{ lookup('bramble.kube.download', 'https://example.org/app.yaml', sha256='0f34…') | from_yaml_all }}"
"""

RETURN = r"""
_raw:
  description: The text of each address.
  type: list
  elements: str
"""

import hashlib
import time
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.bramble.kube.plugins.module_utils.common.http import TransportError, fetch

PAUSES = (5, 5)  # seconds before each further try


class LookupModule(LookupBase):
    """Reads addresses by the collection's own downloader."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """See DOCUMENTATION."""
        self.set_options(var_options=variables, direct=kwargs)
        return [self._text(str(url), self.get_option("sha256"), self.get_option("most")) for url in terms]

    @staticmethod
    def _text(url: str, sha256: str, most: int) -> str:
        for pause in (*PAUSES, None):
            try:
                content = fetch(url, most)
                break
            except TransportError as error:
                if pause is None or 0 < error.status < 500:
                    raise AnsibleLookupError(f"{url} cannot be fetched: {error}.") from None
                time.sleep(pause)
        found = hashlib.sha256(content).hexdigest()
        if found != sha256.lower():
            raise AnsibleLookupError(f"{url} has the SHA-256 checksum {found}, not {sha256}, which was expected.")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise AnsibleLookupError(f"{url} is not UTF-8 text.") from None
