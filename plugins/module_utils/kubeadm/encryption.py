# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""The API server's configuration by which Secrets are encrypted in etcd."""

from __future__ import annotations

import base64
import json

#: secretbox (XSalsa20 and Poly1305) takes a key of this length; a Pi's processor, which may lack AES, is quick at it.
KEY_BYTES = 32


def configuration(key: bytes) -> bytes:
    """An EncryptionConfiguration as JSON, which YAML readers read, too.

    Secrets that were written before are still read, by the provider identity.

    :param key: KEY_BYTES random bytes.
    """
    secretbox = {"keys": [{"name": "key1", "secret": base64.b64encode(key).decode("ascii")}]}
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": [{"secretbox": secretbox}, {"identity": {}}]}],
    }
    return (json.dumps(document, indent=2) + "\n").encode()
