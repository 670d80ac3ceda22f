"""A thread that handles items in batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from workflow_platform.core import batching
from workflow_platform.core.batching import BatchThread
from workflow_platform.installation.embedded import wait_until


class Batches:
    """Records the batches of a thread. While `hold` is cleared, the thread waits inside `flush`."""

    def __init__(self, **options: Any) -> None:
        self.flushed: list[list[Any]] = []
        self.failed: list[tuple[list[Any], str]] = []
        self.hold, self.inside = threading.Event(), threading.Event()
        self.hold.set()
        self.fails: Callable[[Sequence[Any]], Exception | None] = lambda batch: None
        self.thread: BatchThread[Any] = BatchThread("tests", self._flush, self._failed, **options)

    def _flush(self, batch: Sequence[Any]) -> None:
        self.inside.set()
        assert self.hold.wait(60)
        if (error := self.fails(batch)) is not None:
            raise error
        self.flushed.append(list(batch))

    def _failed(self, batch: Sequence[Any], error: Exception) -> None:
        self.failed.append((list(batch), str(error)))

    def occupy(self, item: Any = "first") -> None:
        """Put an item, and return once the thread is inside `flush` with it."""
        self.hold.clear()
        self.inside.clear()
        assert self.thread.put(item)
        assert self.inside.wait(60)

    def release(self) -> None:
        """Let the thread go on, and return once it has flushed or failed everything."""
        self.hold.set()
        self.thread.stop(60)


def test_items_that_arrive_while_a_batch_is_flushed_form_the_next_one_in_order() -> None:
    batches = Batches()
    batches.occupy()
    for number in range(5):
        batches.thread.put(number)
    batches.release()
    assert batches.flushed == [["first"], [0, 1, 2, 3, 4]]


def test_a_batch_holds_no_more_than_max_items() -> None:
    batches = Batches(max_items=2)
    batches.occupy()
    batches.thread.put(*range(5))
    batches.release()
    assert batches.flushed == [["first"], [0, 1], [2, 3], [4]]


def test_after_a_busy_batch_the_next_one_gathers_first(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = Batches(busy_items=2, gather_seconds=0.01)
    gathering: list[float] = []

    def sleep(seconds: float) -> None:
        gathering.append(seconds)
        batches.thread.put("gathered")

    monkeypatch.setattr(batching, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    batches.thread.put("alone")
    wait_until(lambda: batches.flushed == [["alone"]], "The item that arrived alone")
    batches.occupy("alone too")
    batches.thread.put("one", "two")
    batches.hold.set()
    wait_until(lambda: len(batches.flushed) == 3, "The busy batch")
    assert gathering == []
    batches.thread.put("next")
    wait_until(lambda: len(batches.flushed) == 4, "The batch after it")
    assert batches.flushed[2:] == [["one", "two"], ["next", "gathered"]]
    assert gathering == [0.01]


def test_a_full_queue_refuses_items_until_there_is_room_again() -> None:
    batches = Batches(max_queued=3)
    batches.occupy()
    assert batches.thread.put(1, 2)
    assert batches.thread.put(3, 4)  # all or none
    assert not batches.thread.put(5)
    assert not batches.thread.put(6, 7)
    batches.thread.put_back("back")
    batches.hold.set()
    wait_until(lambda: len(batches.flushed) == 2, "Room")
    assert batches.thread.put(8)
    batches.release()
    assert batches.flushed == [["first"], [1, 2, 3, 4, "back"], [8]]


def test_a_batch_that_fails_is_reported_with_its_error_and_the_thread_goes_on() -> None:
    batches = Batches()
    batches.fails = lambda batch: ValueError("broken") if 1 in batch else None
    batches.occupy()
    batches.thread.put(1, 2)
    batches.hold.set()
    wait_until(lambda: batches.failed == [([1, 2], "broken")], "The failure")
    batches.thread.put(3)
    batches.release()
    assert batches.flushed == [["first"], [3]]


def test_one_bad_item_does_not_fail_the_others_of_its_batch() -> None:
    batches = Batches(isolate=lambda error: isinstance(error, ValueError))
    batches.fails = lambda batch: ValueError("bad item") if "bad" in batch else None
    batches.occupy()
    batches.thread.put(1, "bad", 2)
    batches.release()
    assert batches.flushed == [["first"], [1], [2]]
    assert batches.failed == [(["bad"], "bad item")]


def test_an_error_that_no_item_caused_fails_the_whole_batch_once() -> None:
    batches = Batches(isolate=lambda error: isinstance(error, ValueError))
    calls: list[list[Any]] = []

    def fails(batch: Sequence[Any]) -> Exception | None:
        calls.append(list(batch))
        return ConnectionError("unavailable") if 1 in batch else None

    batches.fails = fails
    batches.occupy()
    batches.thread.put(1, 2)
    batches.release()
    assert calls == [["first"], [1, 2]]
    assert batches.failed == [([1, 2], "unavailable")]


def test_each_waiter_gets_the_result_or_the_error_of_its_item() -> None:
    def flush(batch: Sequence[tuple[int, Future[float]]]) -> None:
        results = [(1 / number, future) for number, future in batch]
        for result, future in results:
            future.set_result(result)

    def failed(batch: Sequence[tuple[int, Future[float]]], error: Exception) -> None:
        for _, future in batch:
            future.set_exception(error)

    thread = BatchThread("tests", flush, failed, isolate=lambda error: True)
    waiters: list[tuple[int, Future[float]]] = [(number, Future()) for number in (1, 0, 2)]
    thread.put(*waiters)
    assert waiters[0][1].result(60) == 1
    assert isinstance(waiters[1][1].exception(60), ZeroDivisionError)
    assert waiters[2][1].result(60) == 0.5


def test_a_stopped_thread_flushes_what_is_queued_and_takes_nothing_more() -> None:
    batches = Batches(max_items=2)
    batches.occupy()
    batches.thread.put(1, 2, 3)
    batches.release()
    assert batches.flushed == [["first"], [1, 2], [3]]
    assert not batches.thread.put(4)
    assert batches.flushed[-1] == [3]


def test_what_is_due_is_flushed_without_an_item() -> None:
    due: list[float] = []

    def next_due() -> float | None:
        return due.pop() if due else None

    batches = Batches(due=next_due)
    batches.thread.put("first")
    wait_until(lambda: batches.flushed == [["first"]], "The item")
    due.append(0.0)
    batches.thread.wake()
    wait_until(lambda: batches.flushed == [["first"], []], "The flush that was due")


def test_idle_is_called_once_when_nothing_is_queued() -> None:
    idle: list[int] = []
    flushed: list[list[Any]] = []
    batches = Batches(idle=lambda: idle.append(len(flushed)))
    batches.flushed = flushed
    wait_until(lambda: idle == [0], "Idle at the start")
    batches.occupy()
    batches.thread.put(1)
    assert idle == [0]
    batches.hold.set()
    wait_until(lambda: idle == [0, 2], "Idle after both batches")


def test_the_thread_goes_on_after_an_error_when_it_is_idle() -> None:
    errors = [OSError("the connection cannot be closed")]

    def idle() -> None:
        if errors:
            raise errors.pop()

    batches = Batches(idle=idle)
    wait_until(lambda: not errors, "The error")
    batches.thread.put(1)
    batches.release()
    assert batches.flushed == [[1]]
