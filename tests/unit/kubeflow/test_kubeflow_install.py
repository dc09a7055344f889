# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which components go to the cluster, and what does not hold up the end of a run."""

from __future__ import annotations

import signal
import threading
import time
from types import SimpleNamespace

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.catalogue import load
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.choice import choose
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.install import Delivery, Row, Wishes
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow.prepare import Prepared
from ansible_collections.bramble.kube.plugins.module_utils.manifests import waiting

NEEDS = {"storage": [], "database": ["storage"], "page": ["database"], "metrics": []}


class Interrupted(BaseException):
    """What a task's timeout or Ctrl-C raises in the main thread."""


@pytest.fixture
def delivery() -> Delivery:
    """Four components, two of which wait for another one."""
    entries = [
        {
            "name": name,
            "line": "x",
            "engine": "manifests",
            "source": {"path": "x"},
            "needs": {"components": needs},
        }
        for name, needs in NEEDS.items()
    ]
    chosen = choose(load(entries), list(NEEDS), [])
    return Delivery(None, [Prepared(item) for item in chosen], Wishes(), lambda _components: None)


def test_what_others_need_comes_first_and_the_rest_at_the_same_time(delivery, monkeypatch):
    all_there = threading.Barrier(len(NEEDS), timeout=20)
    seen = {}

    def one(component, needs):
        all_there.wait()  # breaks unless every component has its thread
        seen[component.name] = [need.result(20).name for need in needs]
        return Row(component.name, "unchanged")

    monkeypatch.setattr(delivery, "_one", one)
    delivery._push_all()
    assert seen == NEEDS
    assert {name: row.name for name, row in delivery.rows.items()} == {name: name for name in NEEDS}


def test_an_error_of_our_own_ends_the_run_and_nobody_waits_for_the_one_that_had_it(delivery, monkeypatch):
    told = threading.Event()

    def one(component, needs):
        if component.name == "storage":
            raise KeyError("a mistake in this program")
        for need in needs:
            try:
                need.result(20)
            except KeyError:
                told.set()
                raise
        return Row(component.name, "unchanged")

    monkeypatch.setattr(delivery, "_one", one)
    with pytest.raises(KeyError):
        delivery._push_all()
    assert told.wait(20)


def test_a_timeout_of_the_task_does_not_wait_for_components_that_are_not_ready(delivery, monkeypatch):
    release = threading.Event()
    threads = []

    def one(component, needs):
        threads.append(threading.current_thread())
        release.wait(30)
        return Row(component.name, "not ready")

    def interrupt(*_arguments):
        raise Interrupted

    monkeypatch.setattr(delivery, "_one", one)
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    start = time.monotonic()
    try:
        with pytest.raises(Interrupted):
            delivery._push_all()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - start < 20
    assert threads and all(thread.daemon for thread in threads), "the process could not end before they do"
    release.set()


def test_a_line_for_each_component_that_was_waited_for_and_what_the_rest_is(delivery, monkeypatch):
    lines = []
    delivery.tell = lines.append
    delivery.looked.pending = {"storage", "database", "metrics"}
    turn = {name: threading.Event() for name in NEEDS}

    def one(component, needs):
        [need.result(20) for need in needs]
        if component.name == "metrics":
            turn["database"].wait(20)
        action = {"database": "not ready", "metrics": "failed"}.get(component.name, "installed")
        return Row(component.name, action, seconds=41.6)

    monkeypatch.setattr(delivery, "_one", one)
    said = delivery._tell_of
    monkeypatch.setattr(delivery, "_tell_of", lambda row, rest: (said(row, rest), turn[row.name].set()))
    delivery._push_all()
    assert lines[0].startswith("storage is ready after 42 s; still to come: ") and "metrics" in lines[0]
    assert lines[1].startswith("database is not ready after 42 s; still to come: ")
    assert lines[2].startswith("metrics has failed after 42 s; ") and len(lines) == 3, "page was not waited for"


def test_what_a_component_waits_for_is_told_when_it_changes(monkeypatch):
    lines = []
    tell = waiting.when_changed("hub", lines.append)
    for left in (["Deployment a/b: 0 of 1"], ["Deployment a/b: 0 of 1"], [], ["x", "y", "z"]):
        tell(left)
    assert lines == ["hub waits for Deployment a/b: 0 of 1", "hub waits for x, and 2 more"]


def test_waiting_tells_until_it_ends(monkeypatch):
    monkeypatch.setattr(waiting, "TELL_EVERY", 0.01)
    told = threading.Event()
    seen = []

    def follow(_client, group, _deadline, _ended):
        group.why["hub"] = "0 of 1 Pods are available"
        assert told.wait(20)
        group.why.clear()

    def tell(left):
        seen.append(left)
        told.set()

    monkeypatch.setattr(waiting, "_follow", follow)
    item = SimpleNamespace(namespace="jupyterhub", name="hub", label="Deployment jupyterhub/hub")
    resource = SimpleNamespace(api_version="apps/v1", kind="Deployment")
    assert waiting.wait(None, [(item, resource, None)], 20, tell) == {}
    assert seen[0][0].startswith("Deployment jupyterhub/hub: ")
    count = threading.active_count()
    time.sleep(0.1)
    assert threading.active_count() <= count and not [line for line in seen[-1:] if line == []]
