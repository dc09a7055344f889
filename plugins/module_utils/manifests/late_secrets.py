# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Brings a Secret that its own controller fills to that controller's Pods at once.

A controller that makes its certificate itself comes with an empty Secret as a volume of its Pod, and starts to work
when the certificate appears there. The kubelet brings it with its next look at the Pod, a minute or more later; any
change of an annotation makes it look now (kubernetes.io, "Configure a Pod to use a ConfigMap", on mounted ones).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator

from .client import Client, Fault
from .errors import ApiError, ClusterError
from .load import Item
from .waiting import pod as pod_is_ready

ANNOTATION = "bramble.kube/secret-came"
LOOK_EVERY = 1.0  # seconds
TOUCH_EVERY = 5.0  # seconds; the kubelet may hear of the Pod before it hears of the Secret


@contextlib.contextmanager
def brought(client: Client, items: Iterable[Item]) -> Iterator[None]:
    """Care for the Secrets among the items that come empty, as long as the body runs."""
    ended = threading.Event()
    for item in items:
        if item.kind == "Secret" and not item.object.get("data") and not item.object.get("stringData"):
            threading.Thread(target=_care, args=(client, item, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _care(client: Client, secret: Item, ended: threading.Event) -> None:
    pause = LOOK_EVERY  # what is ready already is not waited for, and nothing is asked
    while not ended.wait(pause):
        try:
            pause = TOUCH_EVERY if _touch(client, secret) else LOOK_EVERY
        except (Fault, ApiError, ClusterError):  # the wait itself says what is wrong
            pause = TOUCH_EVERY


def _touch(client: Client, secret: Item) -> bool:
    """Change the Pods that have the Secret as a volume and are not ready, if it has been filled."""
    space = f"/api/v1/namespaces/{secret.namespace}"
    if not client.get(f"{space}/secrets/{secret.name}").get("data"):
        return False
    for document in client.get(f"{space}/pods").get("items") or []:
        volumes = (document.get("spec") or {}).get("volumes") or []
        names = [(volume.get("secret") or {}).get("secretName") for volume in volumes]
        if secret.name in names and pod_is_ready(document)[0] is False:
            change = {"metadata": {"annotations": {ANNOTATION: str(int(time.time()))}}}
            path = f"{space}/pods/{document['metadata']['name']}"
            client.request("PATCH", path, None, change, "application/merge-patch+json")
    return True
