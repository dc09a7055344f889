"""What is tried again, how long is waited, and how a wave goes on around what fails."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.common.together import together
from ansible_collections.bramble.kube.plugins.module_utils.manifests import retry
from ansible_collections.bramble.kube.plugins.module_utils.manifests.client import Fault
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ApiError
from ansible_collections.bramble.kube.plugins.module_utils.manifests.retry import Wave


def answer(status: int, retry_after: float | None = None, *causes: str) -> ApiError:
    return ApiError(status, {"details": {"causes": [{"reason": cause} for cause in causes]}}, retry_after)


@pytest.mark.parametrize(
    "error", [Fault("reset"), answer(429), answer(500), answer(502), answer(503), answer(504), answer(409)]
)
def test_passing_failures(error):
    assert retry.is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        answer(400),
        answer(401),
        answer(403),
        answer(404),
        answer(422),
        answer(501),
        answer(409, None, "FieldManagerConflict"),
        ApiError(500, {"message": "failed to create typed patch object: .spec.x: field not declared in schema"}),
    ],
)
def test_lasting_failures(error):
    assert not retry.is_transient(error)


def test_a_namespace_that_goes_away_is_waited_for():
    assert retry.is_transient(answer(403, None, "NamespaceTerminating"))


def test_delays_double_with_jitter_up_to_a_limit_and_obey_the_server():
    delays = [retry.delay_before(attempt, Fault("x"), rng=lambda: 1.0) for attempt in range(8)]
    assert delays[:4] == [0.1, 0.2, 0.4, 0.8] and delays[-1] == retry.LONGEST_DELAY
    assert retry.delay_before(2, Fault("x"), rng=lambda: 0.0) == 0.2
    assert retry.delay_before(0, answer(429, 7.0), rng=lambda: 0.0) == 7.0


def test_call_gives_up_after_the_timeout_and_raises_the_last_error():
    tries = []

    def ask():
        tries.append(1)
        raise answer(503)

    start = time.monotonic()
    with pytest.raises(ApiError):
        retry.call(ask, 0.5)
    assert len(tries) > 2 and time.monotonic() - start < 2


def test_call_does_not_repeat_what_never_changes():
    tries = []

    def ask():
        tries.append(1)
        raise answer(422)

    with pytest.raises(ApiError):
        retry.call(ask, 5)
    assert len(tries) == 1


class Starting:
    """An API server that forbids everything until it has been asked so often, and is ready then."""

    def __init__(self, refusals: int, ready_after: int) -> None:
        self.refusals, self.ready_after, self.asked = refusals, ready_after, 0

    def get(self, path, query, accept):
        self.asked += 1
        if self.asked <= self.refusals:
            raise answer(403)
        return {"path": path}

    def text(self, path):
        assert path == "/readyz"
        if self.asked < self.ready_after:
            raise answer(500)
        return "ok"


@pytest.mark.parametrize("refusals", [1, 3])
def test_an_api_server_that_has_just_started_forbids_nothing_in_the_end(refusals):
    assert retry.get(Starting(refusals, ready_after=refusals), "/api/v1", timeout=5) == {"path": "/api/v1"}


def test_what_is_forbidden_by_a_ready_api_server_stays_so():
    server = Starting(refusals=100, ready_after=0)
    with pytest.raises(ApiError):
        retry.get(server, "/api/v1", timeout=5)
    assert server.asked == 2


def test_a_wave_tries_once_what_never_changes():
    tries = []

    def attempt(task: int) -> None:
        tries.append(task)
        raise answer(422)

    outcomes = retry.Wave(attempt, workers=2, timeout=10).run([1, 2])
    assert sorted(tries) == [1, 2] and [outcome.tries for outcome in outcomes] == [1, 1]


def test_a_wave_does_everything_and_goes_on_around_what_fails_for_now():
    order: list[int] = []
    failures = {3: 2}
    lock = threading.Lock()

    def attempt(task: int) -> int:
        with lock:
            order.append(task)
            if failures.get(task, 0) > 0:
                failures[task] -= 1
                raise answer(503)
        return task * 10

    outcomes = retry.Wave(attempt, workers=3, timeout=10).run(range(20))
    assert sorted(outcome.value for outcome in outcomes) == [task * 10 for task in range(20)]
    assert order.count(3) == 3 and order[-1] == 3
    assert next(outcome.tries for outcome in outcomes if outcome.task == 3) == 3


def test_a_lasting_failure_is_an_outcome_like_others():
    def attempt(task: int) -> int:
        if task == 1:
            raise answer(422)
        return task

    outcomes = {outcome.task: outcome for outcome in retry.Wave(attempt, 2, 10).run([0, 1, 2])}
    assert outcomes[1].error is not None and outcomes[1].error.status == 422
    assert outcomes[0].error is None and outcomes[2].value == 2


def test_while_nothing_answers_one_thread_asks_and_all_ends_at_the_timeout():
    at_once = []
    most = []
    lock = threading.Lock()

    def attempt(_task: int) -> None:
        with lock:
            at_once.append(1)
            most.append(len(at_once))
        time.sleep(0.02)
        with lock:
            at_once.pop()
        raise Fault("connection refused")

    start = time.monotonic()
    outcomes = retry.Wave(attempt, workers=8, timeout=1).run(range(500))
    assert time.monotonic() - start < 4
    assert len(outcomes) == 500 and all(isinstance(outcome.error, Fault) for outcome in outcomes)
    assert max(most[16:]) == 1


def test_a_server_that_comes_back_gets_the_rest():
    start = time.monotonic()

    def attempt(task: int) -> int:
        if time.monotonic() - start < 0.5:
            raise Fault("connection refused")
        return task

    outcomes = retry.Wave(attempt, workers=4, timeout=10).run(range(50))
    assert all(outcome.error is None for outcome in outcomes) and len(outcomes) == 50


def test_a_bug_in_a_task_ends_the_wave_with_its_error():
    def attempt(task: int) -> None:
        raise KeyError(task)

    with pytest.raises(KeyError):
        retry.Wave(attempt, 4, 10).run(range(10))


class Interrupted(BaseException):
    """What a task's timeout or Ctrl-C raises in the main thread."""


@pytest.fixture
def interrupted():
    """The main thread is interrupted after 0.2 s."""

    def handler(*_arguments):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_together_keeps_the_order_and_uses_so_many_threads():
    used = set()

    def work(number: int) -> int:
        used.add(threading.get_ident())
        time.sleep(0.01 * (5 - number))
        return number * 2

    assert together(work, range(5), 3) == [0, 2, 4, 6, 8]
    assert len(used) <= 3 and threading.get_ident() not in used
    assert together(work, [1]) == [2] and together(work, []) == []


def test_together_does_not_wait_for_others_when_one_fails():
    release = threading.Event()

    def work(number: int) -> None:
        if number == 0:
            raise Fault("gone")
        release.wait(30)

    start = time.monotonic()
    with pytest.raises(Fault):
        together(work, range(4))
    assert time.monotonic() - start < 20
    release.set()


@pytest.mark.parametrize(
    "run",
    [lambda work: together(work, range(4)), lambda work: Wave(work, 4, 60).run(range(4))],
    ids=["together", "wave"],
)
def test_an_interruption_is_not_held_up_by_answers_that_do_not_come(run, interrupted):
    release = threading.Event()
    start = time.monotonic()
    with pytest.raises(Interrupted):
        run(lambda _number: release.wait(30))
    assert time.monotonic() - start < 20
    release.set()


@pytest.mark.parametrize("known", [True, False])
def test_once_something_has_failed_what_waits_for_something_else_ends_soon(monkeypatch, known):
    monkeypatch.setattr(retry, "SHORT", 0.3)
    waits = [
        ApiError(409, {"reason": "BeingDeleted"}),
        answer(403, None, "NamespaceTerminating"),
        ApiError(500, {"message": 'Internal error occurred: failed calling webhook "a": refused'}),
    ]

    def attempt(error: Exception) -> None:
        raise error

    start = time.monotonic()
    wave = retry.Wave(attempt, workers=2, timeout=60, failed=known)
    assert len(wave.run([*waits] if known else [*waits, answer(422)])) == len(waits) + (not known)
    assert time.monotonic() - start < 10


def test_what_passes_by_itself_or_may_still_be_allowed_ends_nothing(monkeypatch):
    monkeypatch.setattr(retry, "SHORT", 0.0)
    denied = ApiError(403, {"message": 'admission webhook "a" denied the request: not yet'})
    tries = {"busy": 0, "held": 0}

    def attempt(task: str) -> None:
        if task == "denied":
            raise denied
        tries[task] += 1
        if tries[task] < 4:
            raise answer(503) if task == "busy" else ApiError(409, {"reason": "BeingDeleted"})

    outcomes = retry.Wave(attempt, workers=2, timeout=60).run(["busy", "held", "denied"])
    assert {outcome.task for outcome in outcomes if outcome.error is None} == {"busy", "held"}
    tries["busy"] = 0
    outcomes = retry.Wave(attempt, workers=2, timeout=60, failed=True).run(["busy"])
    assert outcomes[0].error is None
