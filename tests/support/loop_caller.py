# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who asks a model's lasting address all the time, and counts what fails."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from typing import Any


class Caller:
    """Two threads that ask, each twenty times a second at most.

    :ivar calls: how many there were.
    :ivar failed: what went wrong, as (seconds since 1970, words).
    :ivar by: release → answers.
    :ivar slowest: seconds of the slowest answer.
    """

    def __init__(self, url: str, question: Any) -> None:
        self._url, self._content = url, json.dumps(question).encode()
        self.calls = 0
        self.failed: list[tuple[float, str]] = []
        self.by: dict[str, int] = {}
        self.slowest = 0.0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _number in range(2)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        while not self._over.wait(0.05):
            begin = time.monotonic()
            try:
                request = urllib.request.Request(self._url, self._content, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=15) as response:
                    json.loads(response.read())["outputs"]
                    release = response.headers["x-loop-release"]
                    self.by[release] = self.by.get(release, 0) + 1
            except (OSError, ValueError, KeyError) as error:
                words = error.read() if isinstance(error, urllib.error.HTTPError) else error
                self.failed.append((time.time(), str(words)))
            self.calls += 1
            self.slowest = max(self.slowest, time.monotonic() - begin)

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
        for thread in self._threads:
            thread.join(20)
