# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the desk knows at any moment: the cluster as it mirrors it, its own store, and who looks on."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import board as rules
import record
from board import Board
from cases import Cases, CasesError, CasesFolder
from kube import Kube, Mirror
from live import Change, Hub, difference
from logins import Logins, Patience
from pages_release import Known
from store import Store
from words import read as read_words

LOG = logging.getLogger("desk")
HERE = Path(__file__).resolve().parent
SHIPPED = {  # file of the page → its type
    "desk.css": "text/css; charset=utf-8",
    "desk.js": "text/javascript; charset=utf-8",
    "desk.svg": "image/svg+xml",
}


class Desk:
    """All that the pages need."""

    def __init__(self, kube: Kube, data: Path, logins: Path, title: str = "bramble") -> None:
        self.kube, self.data, self.title = kube, data, title
        self.logins, self.patience = Logins(logins), Patience()
        if record.put_in_place(data):
            LOG.info("the record of a backup is in its place; what was there is in %s", data / record.ASIDE)
        self.store = Store(data / record.DATABASE)
        self.cases, self.hub = CasesFolder(data), Hub()
        self.words = read_words()
        self.content = {name: (HERE / name).read_bytes() for name in SHIPPED}
        self.files = {
            name: f"/files/{hashlib.sha256(content).hexdigest()[:16]}/{name}" for name, content in self.content.items()
        }
        self._lock = threading.Lock()
        self._written: dict[str, rules.Object] = {}  # what the desk wrote and the mirror may not have seen
        self._shown: dict[str, rules.Object] | None = None
        self._releases = Mirror(kube, "Release", trim=trimmed, changed=self._changed)
        self._gates = Mirror(kube, "Gate", trim=trimmed)

    def start(self) -> Desk:
        """Begin to follow the cluster."""
        self._releases.start()
        self._gates.start()
        return self

    # What is known ---------------------------------------------------------------------------------------------------

    @property
    def fresh(self) -> bool:
        """Whether the cluster has been read once."""
        return self._releases.fresh and self._gates.fresh

    @property
    def since(self) -> str:
        """Since when the API server does not answer; "" while it does."""
        if self._releases.since is None:
            return ""
        return datetime.fromtimestamp(self._releases.since, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def board(self) -> Board:
        """What is known of the cluster now."""
        releases = self._releases.objects()
        with self._lock:
            for name, written in list(self._written.items()):
                if _version(written) > _version(releases.get(name) or {}):
                    releases[name] = written
                else:
                    del self._written[name]
        return Board(releases, self._gates.objects().get("gate") or {})

    def _changed(self) -> None:
        """The mirror has news: tell those who look on."""
        releases = self._releases.objects()
        with self._lock:
            before, self._shown = self._shown, releases
        if before is None:  # nothing has happened: this is how the cluster was found
            return
        for name in {*before, *releases}:
            old, new = before.get(name), releases.get(name)
            try:
                if new is None:
                    self.hub.publish(Change(name, rules.spec(old or {}).get("model", "")))
                elif _version(old or {}) != _version(new):
                    self.hub.publish(difference(old, new))
            except Exception:  # the mirror's own thread: it must go on, whatever a release holds
                LOG.exception("the change of %s", name)

    def wrote(self, release: rules.Object) -> None:
        """Remember what the API server answered to a change, until the mirror has it."""
        with self._lock:
            self._written[rules.name_of(release)] = trimmed(release)

    def patch(self, person: str, name: str, change: Mapping[str, Any]) -> None:
        """Change a release in a person's own name.

        :raises KubeError: what the API server says to it.
        """
        self.wrote(self.kube.acting(person).patch("Release", name, {"spec": change}))

    def known(self, person: str, release: rules.Object) -> Known:
        """What the desk itself knows of a release."""
        name = rules.name_of(release)
        named = rules.evidence(release).get("cases")
        found: Cases | CasesError | None = None
        if named:
            try:
                found = self.cases.of(named)
            except CasesError as error:
                found = error
        handed = person in (rules.spec(release).get("reviews") or {})
        return Known(
            cases=found,
            comments=self.store.comments(name),
            judged=len(self.store.judgements(name, person)),
            finished=handed or self.store.finished(name, person) is not None,
            everybody=self.store.finished_judgements(name),
        )

    def person(self, token: str) -> str:
        """Whose session this is; "" when it has ended, the password is another, or the person has no role any more."""
        found = self.store.session(token) if token else None
        if found is None:
            return ""
        person, mark = found
        return person if self.logins.mark(person) == mark and self.board().roles(person) else ""


def trimmed(item: rules.Object) -> rules.Object:
    """An object without what nobody reads."""
    kept = {key: item["metadata"][key] for key in ("name", "resourceVersion") if key in item["metadata"]}
    return {"metadata": kept, "spec": item.get("spec") or {}, "status": item.get("status") or {}}


def _version(item: rules.Object) -> int:
    text = (item.get("metadata") or {}).get("resourceVersion") or "0"
    return int(text) if text.isdigit() else 0
