# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Which failures are worth another try, how long to wait, and how a wave of tasks is worked through."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from .client import JSON, Client, Fault
from .errors import ApiError, ClusterError
from .refusal import is_denied, is_typed

Result = TypeVar("Result")
Task = TypeVar("Task")
BEING_DELETED = "BeingDeleted"  # our own reason of an ApiError, with status 409
FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
PATIENCE = 30.0  # seconds for which a small module waits for an API server that is just being started
SHORT = 10.0  # seconds that are left for what waits for something else, once something has failed for good
STARTING = 60.0  # seconds for which an API server may say that it is not ready, while it forbids everything


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed later.

    Faults of the connection, 429, and answers 5xx (etcd changing its leader, a webhook whose Pod is not up yet) pass.
    409 passes unless it is a conflict between field managers; a namespace that is being deleted goes away in the end.
    501 and 505 never change, and neither does a 500 for a manifest that is not of its kind's form.
    """
    if isinstance(error, Fault):
        return True
    if not isinstance(error, ApiError):
        return False
    if error.status == 409:
        return not any(cause.get("reason") == "FieldManagerConflict" for cause in error.causes)
    if error.status == 403:
        return namespace_goes(error)
    if is_typed(error):
        return False
    return error.status == 429 or (error.status >= 500 and error.status not in (501, 505))


def namespace_goes(error: ApiError) -> bool:
    """Whether the server refuses because the object's namespace is being deleted."""
    return any(cause.get("reason") == "NamespaceTerminating" for cause in error.causes)


def waits_for_others(error: Exception) -> bool:
    """Whether it passes only once something else has happened: what is being deleted is gone, a webhook answers."""
    if not isinstance(error, ApiError):
        return False
    return (
        error.reason == BEING_DELETED
        or namespace_goes(error)
        or (error.status >= 500 and "failed calling webhook" in str(error.body.get("message")))
    )


def delay_before(attempt: int, error: Exception, rng: Callable[[], float] = random.random) -> float:
    """Seconds to wait after try `attempt` (from 0): doubled each time, with jitter, at least what the server asks."""
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(attempt, 10))
    wait = ceiling * (0.5 + rng() / 2)
    asked = getattr(error, "retry_after", None)
    if asked is not None:
        wait = max(wait, asked + rng() * FIRST_DELAY)
    return wait


def call(
    ask: Callable[[], Result],
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    passes: Callable[[Exception], bool] = is_transient,
) -> Result:
    """Ask until there is an answer, for at most `timeout` seconds; the last error is raised.

    :param passes: whether it may be another one the next time.
    """
    start = clock()
    attempt = 0
    while True:
        try:
            return ask()
        except (Fault, ApiError) as error:
            wait = delay_before(attempt, error)
            if not passes(error) or clock() + wait - start > timeout:
                raise
        time.sleep(wait)
        attempt += 1


def passing(client: Client) -> Callable[[Exception], bool]:
    """Whether the same request may succeed later, also one to an API server that has just started.

    Until it has read the cluster's roles, an API server forbids everything to everybody. That it is not ready it says
    by /readyz; what it still forbids after that stays forbidden.
    """
    start = time.monotonic()
    was_ready = False

    def passes(error: Exception) -> bool:
        nonlocal was_ready
        if is_transient(error) or not isinstance(error, ApiError) or error.status != 403:
            return is_transient(error)
        if was_ready or time.monotonic() - start > STARTING:
            return False
        was_ready = _is_ready(client)
        return True

    return passes


def get(
    client: Client, path: str, query: dict[str, Any] | None = None, accept: str = JSON, timeout: float = PATIENCE
) -> Any:
    """The decoded body of a GET, asked for until there is an answer, for at most `timeout` seconds."""
    return call(lambda: client.get(path, query, accept), timeout, passes=passing(client))


def _is_ready(client: Client) -> bool:
    try:
        client.text("/readyz")
    except (ApiError, Fault, ClusterError):
        return False
    return True


class Outcome(NamedTuple):
    """What became of one task: a value, or the error of its last try."""

    task: Any
    value: Any = None
    error: Exception | None = None
    tries: int = 1


class Wave:
    """Works through tasks with several threads; one that fails for now goes back into the queue, the others go on.

    While the server does not answer at all, only one thread tries at a time, and when that has lasted `timeout`
    seconds, what is left fails with the last fault, without a wait for each. Once something has failed for good, what
    waits for something else gets no more than `SHORT` seconds.
    """

    def __init__(self, attempt: Callable[[Any], Any], workers: int, timeout: float, failed: bool = False) -> None:
        """:param failed: whether something has failed for good before."""
        self._attempt = attempt
        self._workers = workers
        self._timeout = timeout
        self._failed = failed
        self._changed = threading.Condition()
        self._queue: list[tuple[float, int, int, float, Any]] = []
        self._order = itertools.count()
        self._open = 0
        self._down_since: float | None = None
        self._probing = False
        self._last_fault: Exception | None = None
        self._outcomes: list[Outcome] = []
        self._broken: BaseException | None = None

    def run(self, tasks: Iterable[Any]) -> list[Outcome]:
        """Do all tasks; the outcomes come in the order in which they ended."""
        for task in tasks:
            heapq.heappush(self._queue, (0.0, next(self._order), 0, 0.0, task))
        self._open = len(self._queue)
        if not self._open:
            return []
        count = min(self._workers, self._open)
        threads = [threading.Thread(target=self._work, daemon=True) for _thread in range(count - 1)]
        for thread in threads:
            thread.start()
        self._work()
        if self._broken is None or isinstance(self._broken, Exception):
            for thread in threads:
                thread.join()
        # Else it was an interruption, which does not wait for answers.
        if self._broken is not None:
            raise self._broken
        return self._outcomes

    def _work(self) -> None:
        try:
            while True:
                entry = self._next()
                if entry is None:
                    return
                self._try(*entry)
        except BaseException as error:
            with self._changed:
                self._broken = self._broken or error
                self._changed.notify_all()

    def _next(self) -> tuple[int, float, Any, bool] | None:
        """The next task that may be tried now: number of earlier tries, time of the first, task, is it the probe."""
        with self._changed:
            while True:
                if self._broken is not None or self._open == 0:
                    return None
                now = time.monotonic()
                if self._down_since is not None and now - self._down_since > self._timeout:
                    self._give_up()
                    return None
                held = self._down_since is not None and self._probing
                if self._queue and not held and self._queue[0][0] <= now:
                    _due, _order, tries, first, task = heapq.heappop(self._queue)
                    probe = self._down_since is not None
                    self._probing = self._probing or probe
                    return tries, first or now, task, probe
                wait = self._queue[0][0] - now if self._queue and not held else None
                self._changed.wait(wait)

    def _try(self, tries: int, first: float, task: Any, probe: bool) -> None:
        value = error = None
        try:
            value = self._attempt(task)
        except (Fault, ApiError, ClusterError) as caught:
            error = caught
        with self._changed:
            if probe:
                self._probing = False
            if isinstance(error, Fault):
                self._last_fault = error
                self._down_since = self._down_since or time.monotonic()
            else:
                self._down_since = None
            if error is not None and is_transient(error):
                due = time.monotonic() + delay_before(tries, error)
                short = self._failed and waits_for_others(error)
                if due - first <= (min(SHORT, self._timeout) if short else self._timeout):
                    heapq.heappush(self._queue, (due, next(self._order), tries + 1, first, task))
                    self._changed.notify_all()
                    return
            self._outcomes.append(Outcome(task, value, error, tries + 1))
            self._failed = self._failed or (error is not None and not is_denied(error))
            self._open -= 1
            if self._open == 0 or probe or error is not None:
                self._changed.notify_all()

    def _give_up(self) -> None:
        for _due, _order, tries, _first, task in self._queue:
            self._outcomes.append(Outcome(task, None, self._last_fault, tries))
        self._open -= len(self._queue)
        self._queue.clear()
        self._changed.notify_all()
