"""A thread that handles items in batches: items that arrive during one batch share the cost of the next one."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final, Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class _Signal(Enum):
    WAKE = auto()
    STOP = auto()


class BatchThread(Generic[T]):
    """Pass queued items to `flush`, in the order of `put`, from one daemon thread.

    A batch holds what was queued while the previous one was flushed, at most `max_items`: batches grow with the load,
    and an item that arrives alone does not wait. After a batch of `busy_items` or more, the next one gathers for
    `gather_seconds` first.

    If `flush` raises, `failed` gets the batch and the error, which it reports to those who wait for the items. Where
    `isolate` returns true for the error, one item may have caused it: `flush` is called again for each item alone, and
    only those that fail again reach `failed`. The thread continues in both cases.
    """

    def __init__(
        self,
        name: str,
        flush: Callable[[Sequence[T]], object],
        failed: Callable[[Sequence[T], Exception], object],
        *,
        max_items: int | None = None,
        max_queued: int | None = None,
        busy_items: int | None = None,
        gather_seconds: float = 0.0,
        isolate: Callable[[Exception], bool] = lambda error: False,
        due: Callable[[], float | None] = lambda: None,
        idle: Callable[[], object] | None = None,
        idle_seconds: float = 0.0,
    ) -> None:
        """Start the thread.

        `max_queued` limits the items that wait; a put of several threads at once may exceed it by a few. `due` returns
        the time (`time.monotonic`) at which `flush` is called even if nothing is queued, with an empty batch; None:
        never. `idle` is called once nothing has been queued for `idle_seconds`, for instance to close a connection.
        """
        self._flush, self._failed, self._isolate = flush, failed, isolate
        self._max_items, self._max_queued = max_items, max_queued
        self._busy_items, self._gather_seconds = busy_items, gather_seconds
        self._due, self._idle, self._idle_seconds = due, idle, idle_seconds
        self._queue: queue.SimpleQueue[T | _Signal] = queue.SimpleQueue()
        self._stopped = False
        self._thread: Final = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, *items: T) -> bool:
        """Queue items, all or none. Returns False if the queue is full or the thread has been stopped."""
        if self._stopped or (self._max_queued is not None and self._queue.qsize() >= self._max_queued):
            return False
        for item in items:
            self._queue.put(item)
        return True

    def put_back(self, item: T) -> None:
        """Queue an item that was taken out of a batch to be handled later; the queue's limit does not apply to it."""
        self._queue.put(item)

    def wake(self) -> None:
        """Make the thread ask `due` again."""
        self._queue.put(_Signal.WAKE)

    def stop(self, seconds: float) -> None:
        """Take no more items, flush those that are queued, and wait at most `seconds` for that."""
        self._stopped = True
        self._queue.put(_Signal.STOP)
        self._thread.join(seconds)

    def _run(self) -> None:
        size = 0
        while True:
            first = self._first()
            if self._busy_items is not None and size >= self._busy_items:
                time.sleep(self._gather_seconds)
            batch, over = self._batch(first)
            if batch or not over:
                self._flush_batch(batch)
            if over:
                return
            size = len(batch)

    def _first(self) -> T | _Signal:
        """Wait for an item. Returns WAKE when a flush is due without one."""
        idle_at = time.monotonic() + self._idle_seconds if self._idle is not None else None
        while True:
            due = self._due()
            times = [at for at in (idle_at, due) if at is not None]
            try:
                item = self._queue.get(timeout=max(0.0, min(times) - time.monotonic()) if times else None)
            except queue.Empty:
                now = time.monotonic()
                if idle_at is not None and self._idle is not None and now >= idle_at:
                    idle_at = None
                    self._rest(self._idle)
                if due is not None and now >= due:
                    return _Signal.WAKE
                continue
            if item is not _Signal.WAKE:
                return item

    def _rest(self, idle: Callable[[], object]) -> None:
        try:
            idle()
        except Exception:
            logger.exception("%s: an error while idle; going on", self._thread.name)

    def _batch(self, first: T | _Signal) -> tuple[list[T], bool]:
        """Return the first item with those that are queued, and whether the thread is to stop after them."""
        batch: list[T] = []
        item = first
        while True:
            if item is _Signal.STOP:
                return batch, True
            if not isinstance(item, _Signal):
                batch.append(item)
            if len(batch) == self._max_items:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batch, False

    def _flush_batch(self, batch: Sequence[T]) -> None:
        try:
            self._flush(batch)
        except Exception as error:
            if len(batch) > 1 and self._isolate(error):
                logger.exception("%s: a batch of %d failed; handling each item alone", self._thread.name, len(batch))
                for item in batch:
                    self._flush_batch([item])
            else:
                self._failed(batch, error)
