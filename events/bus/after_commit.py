"""Calls after-commit subscribers in threads of this process, so that they delay neither the writer nor each other.

Order: each subscriber gets the events in the order in which this process's commits were handed over, one call at a
time. A failed call is retried before the next event. This is the order of each stream if only one thread writes to it.
If several threads or processes write to it, only durable subscriptions (`bus.durable`) guarantee the order.

At most once: queued events are lost when the process is killed. A process that exits normally waits END_SECONDS for
them.
"""

from __future__ import annotations

import heapq
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from django.db import connections

from events.log.recorded import RecordedEvent
from workflow_platform.core.backoff import exponential, shortened
from workflow_platform.core.per_process import PerProcess

logger = logging.getLogger(__name__)

ATTEMPTS = 5
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, BACKOFF = 0.1, 3.0, 3.0
MAX_WAITING = 10_000
"""The maximum number of queued events of one subscriber; more are dropped and reported."""
TURN = 100
"""The number of calls for one subscriber before it is the next one's turn."""
MAX_THREADS = 32
"""The number of subscribers that can be stuck at a time before others wait for them."""
STUCK_SECONDS = 0.05
IDLE_SECONDS = 30.0
REPORT_SECONDS = 10.0
"""Between two reports on one subscriber."""
END_SECONDS = 3.0

ReportLoss = Callable[[str, str, int], None]
"""Takes a subscriber's name, the reason of its last failure, and the number of lost events."""


def _no_report(name: str, why: str, lost: int) -> None:
    """Report nothing. Until `on_loss` is called, losses are only logged."""


_report_loss: ReportLoss = _no_report


def on_loss(report: ReportLoss) -> None:
    """Set the function that reports lost events. It is called in another thread, at most every 10 s for each
    subscriber."""
    global _report_loss
    _report_loss = report


Handle = Callable[[Sequence[RecordedEvent]], Iterator[int]]
"""Calls the subscriber for these events, one call after another; yields how many events each call has handled."""


class SubscriberQueue:
    """The events that wait for one subscriber, in order."""

    def __init__(self, name: str, handle: Handle, batches: bool) -> None:
        self.name, self._handle, self._batches = name, handle, batches
        self.closed = False
        self._items: deque[Sequence[RecordedEvent]] = deque()
        self._waiting = 0
        self._attempt = 1
        self._scheduled = self._reporting = False
        self._lock = threading.RLock()
        self._lost = 0
        self._why = ""
        self._reported_at = float("-inf")

    def close(self) -> None:
        """Drop all waiting events."""
        with self._lock:
            self.closed = True
            self._items.clear()
            self._waiting = 0

    def add(self, events: Sequence[RecordedEvent]) -> bool:
        """Append events. Returns whether `take_turn` has to be scheduled."""
        with self._lock:
            if self.closed:
                return False
            if self._waiting and self._waiting + len(events) > MAX_WAITING:
                self._lose(len(events), "it is too slow: the number of waiting events exceeds the limit")
            else:
                self._items.append(events)
                self._waiting += len(events)
            first, self._scheduled = not self._scheduled, True
        return first

    def take_turn(self) -> float | None:
        """Call the subscriber. Returns in how many seconds to continue; None when no events are left."""
        left = TURN
        while left > 0 and (events := self._first()):
            done = 0
            try:
                for count in self._handle(events):
                    done += count
                    self._attempt = 1
                    if done >= left:
                        break
            except Exception as error:
                if (delay := self._failed(events[done:], error)) is not None:
                    self._done(events, done)
                    return delay
                done = len(events) if self._batches else done + 1
            self._attempt = 1
            left -= max(1, done)
            self._done(events, done)
        with self._lock:
            self._scheduled = bool(self._items)
            return 0.0 if self._scheduled else None

    def _first(self) -> Sequence[RecordedEvent]:
        with self._lock:
            return self._items[0] if self._items else ()

    def _done(self, events: Sequence[RecordedEvent], count: int) -> None:
        """Remove the first `count` events."""
        with self._lock:
            if not self._items:  # closed meanwhile
                return
            self._waiting -= count
            if count < len(events):
                self._items[0] = events[count:]
            else:
                self._items.popleft()

    def _failed(self, events: Sequence[RecordedEvent], error: Exception) -> float | None:
        """Return in how many seconds to retry; None after the last attempt."""
        fields: dict[str, object] = {"subscriber": self.name, "attempt": self._attempt, "count": len(events)}
        if self._attempt < ATTEMPTS:
            delay = shortened(exponential(self._attempt, FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, BACKOFF))
            self._attempt += 1
            logger.warning(
                "event subscriber failed; retrying in %.2g s",
                delay,
                exc_info=True,
                extra=fields | {"retry_seconds": delay},
            )
            return delay
        logger.warning("event subscriber failed on its last attempt", exc_info=True, extra=fields)
        given_up = events if self._batches else events[:1]
        self._lose(len(given_up), f"{type(error).__name__}: {error}", reported=not _of_a_report(given_up))
        return None

    def _lose(self, count: int, why: str, reported: bool = True) -> None:
        with self._lock:
            if why != self._why or not self._lost:
                logger.error(
                    "event subscriber does not get %d events, and they are not tried again: %s",
                    count,
                    why,
                    extra={"subscriber": self.name, "count": count},
                )
            if reported:
                self._lost, self._why = self._lost + count, why

    def wants_to_report(self) -> float | None:
        """Return the monotonic time at which to call `report` for lost events; None if there is nothing to report."""
        with self._lock:
            if not self._lost or self._reporting:
                return None
            self._reporting = True
            return self._reported_at + REPORT_SECONDS

    def report(self) -> float | None:
        """Report lost events. Returns in how many seconds to retry; None when it is done."""
        with self._lock:
            lost, why = self._lost, self._why
            self._reported_at = time.monotonic()
        try:
            _report_loss(self.name, why, lost)
        except Exception as error:
            logger.warning(
                "system event about lost events not written: %s; retrying in %g s",
                error,
                REPORT_SECONDS,
                extra={"subscriber": self.name, "count": lost, "retry_seconds": REPORT_SECONDS},
            )
            return REPORT_SECONDS
        with self._lock:
            self._lost -= lost
            self._reporting = False
        return None


def _of_a_report(events: Sequence[RecordedEvent]) -> bool:
    """Return whether the events contain a report: a subscriber that fails on reports must not cause more of them."""
    return any(event.type == "system.error" for event in events)


Addressed = Callable[[], list[tuple[SubscriberQueue, Sequence[RecordedEvent]]]]


Job = Callable[[], float | None]
"""Returns in how many seconds to run again; None when it is done."""


class _Dispatcher:
    """One thread distributes events to the queues and schedules retries; other threads call the subscribers."""

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[Addressed | tuple[float, SubscriberQueue, Job]] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[tuple[SubscriberQueue, Job]] = queue.SimpleQueue()
        self._later: list[tuple[float, int, SubscriberQueue, Job]] = []
        self._counted = 0
        self._taken_at = 0.0
        self._threads = 0
        self._open = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._distribute, name="subscribers", daemon=True).start()

    def hand_over(self, addressed: Addressed) -> None:
        self._count(1)
        self._inbox.put(addressed)

    @property
    def idle(self) -> bool:
        return self._open == 0

    def finish(self) -> None:
        """Wait for the queued calls, at most END_SECONDS: the process exits."""
        deadline = time.monotonic() + END_SECONDS
        while not self.idle and time.monotonic() < deadline:
            time.sleep(0.01)

    def _count(self, change: int) -> None:
        with self._lock:
            self._open += change

    def _distribute(self) -> None:
        while True:
            self._take(self._timeout())
            now = time.monotonic()
            while self._later and self._later[0][0] <= now:
                self._ready.put(heapq.heappop(self._later)[2:])
            # Start another thread only when the others are stuck: they share one interpreter.
            stuck = self._threads == 0 or now - self._taken_at > STUCK_SECONDS
            if stuck and not self._ready.empty() and self._threads < MAX_THREADS:
                with self._lock:
                    self._threads += 1
                self._taken_at = now
                threading.Thread(target=self._call, name="subscriber", daemon=True).start()

    def _timeout(self) -> float | None:
        """Return how long to wait for new events, in seconds."""
        if not self._ready.empty():
            return STUCK_SECONDS
        return max(0.0, self._later[0][0] - time.monotonic()) if self._later else None

    def _take(self, timeout: float | None) -> None:
        try:
            news = self._inbox.get(timeout=timeout)
        except queue.Empty:
            return
        if isinstance(news, tuple):
            self._counted += 1
            heapq.heappush(self._later, (news[0], self._counted, *news[1:]))
            return
        for subscriber_queue, events in news():
            if subscriber_queue.add(events):
                self._count(1)
                self._ready.put((subscriber_queue, subscriber_queue.take_turn))
        self._count(-1)

    def _call(self) -> None:
        while True:
            try:
                subscriber_queue, job = self._ready.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    self._threads -= 1
                return
            self._taken_at = time.monotonic()
            again = job()
            if again or self._ready.empty():
                connections.close_all()
            if (at := subscriber_queue.wants_to_report()) is not None:
                self._count(1)
                self._inbox.put((at, subscriber_queue, subscriber_queue.report))
            if again is None:
                self._count(-1)
            elif again:
                self._inbox.put((time.monotonic() + again, subscriber_queue, job))
            else:
                self._ready.put((subscriber_queue, job))


_dispatcher = PerProcess(_Dispatcher, close=_Dispatcher.finish)


def hand_over(addressed: Addressed) -> None:
    """Queue events for their subscribers. `addressed` is called in another thread."""
    _dispatcher().hand_over(addressed)


def is_idle() -> bool:
    """Return whether no events are queued for any subscriber of this process."""
    return _dispatcher.current is None or _dispatcher.current.idle
