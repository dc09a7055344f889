# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Several tasks done by several threads at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def together(function: Callable[[Task], Result], tasks: Iterable[Task], workers: int = 8) -> list[Result]:
    """The results for several tasks, done by several threads at a time, in the tasks' order.

    Unlike a pool's of concurrent.futures, its threads are not waited for when the first of them fails, or when the
    caller is interrupted: a task's timeout, or Ctrl-C, would otherwise last as long as their retries.
    """
    tasks = list(tasks)
    if len(tasks) < 2:
        return [function(task) for task in tasks]
    numbers = iter(range(len(tasks)))
    lock = threading.Lock()
    answers: queue.SimpleQueue[tuple[int, Any, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                answers.put((number, function(tasks[number]), None))
            except BaseException as error:
                answers.put((number, None, error))
                return

    for _thread in range(min(workers, len(tasks))):
        threading.Thread(target=work, daemon=True).start()
    results: list[Any] = [None] * len(tasks)
    for _task in tasks:
        number, result, error = answers.get()
        if error is not None:
            raise error
        results[number] = result
    return results
