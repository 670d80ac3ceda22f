"""Slots for tasks, assigned in turns: by workspace, and within a workspace by execution."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TICK_SECONDS = 0.05
"""How often a waiting caller checks whether it is cancelled or out of time."""


class TooManyWaiting(Exception):
    """The group has reached the limit of waiting tasks."""


class _Group:
    """The waiting tasks of one group, by queue; the queues take turns."""

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[threading.Event]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def add(self, queue: str, waiter: threading.Event) -> None:
        self._queues.setdefault(queue, deque()).append(waiter)

    def remove(self, queue: str, waiter: threading.Event) -> None:
        self._queues[queue].remove(waiter)
        if not self._queues[queue]:
            del self._queues[queue]

    def pop(self) -> threading.Event:
        queue, waiters = self._queues.popitem(last=False)
        waiter = waiters.popleft()
        if waiters:
            self._queues[queue] = waiters  # at the end: it is the others' turn
        return waiter


class Turns:
    """A number of slots (`places`). Waiting groups get one slot at a time, in turns.

    `reserve` additional slots are for groups without one: however long the tasks of one group run, another group's task
    starts immediately.
    """

    def __init__(self, places: int, reserve: int = 0) -> None:
        self._places, self._reserve = places, reserve
        self._held: Counter[str] = Counter()
        self._groups: OrderedDict[str, _Group] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def place(
        self, group: str, queue: str, tick: Callable[[], None], most_waiting: int | None = None
    ) -> Iterator[None]:
        """Hold a slot in the block. While waiting, `tick` is called; an exception of it ends the wait.

        Raises TooManyWaiting if `most_waiting` tasks of the group are waiting.
        """
        waiter = threading.Event()
        with self._lock:
            waiting = self._groups.get(group) or _Group()
            if most_waiting is not None and len(waiting) >= most_waiting:
                raise TooManyWaiting(TooManyWaiting.__doc__)
            waiting.add(queue, waiter)
            self._groups.setdefault(group, waiting)
            self._hand_out()
        try:
            while not waiter.wait(TICK_SECONDS):
                tick()
        except BaseException:
            self._leave(group, queue, waiter)
            raise
        try:
            yield
        finally:
            with self._lock:
                self._give_back(group)

    def waiting(self) -> int:
        """Return the number of waiting tasks."""
        with self._lock:
            return sum(map(len, self._groups.values()))

    def _leave(self, group: str, queue: str, waiter: threading.Event) -> None:
        with self._lock:
            if waiter.is_set():  # the slot was assigned at the moment of the exception
                self._give_back(group)
                return
            self._groups[group].remove(queue, waiter)
            if not self._groups[group]:
                del self._groups[group]

    def _give_back(self, group: str) -> None:
        self._held[group] -= 1
        if not self._held[group]:
            del self._held[group]
        self._hand_out()

    def _hand_out(self) -> None:
        """Assign all free slots to the waiting groups, in their order."""
        while (group := self._next()) is not None:
            waiting = self._groups.pop(group)
            self._held[group] += 1
            waiting.pop().set()
            if waiting:
                self._groups[group] = waiting  # at the end

    def _next(self) -> str | None:
        used = self._held.total()
        if used < self._places:
            return next(iter(self._groups), None)
        if used < self._places + self._reserve:
            return next((group for group in self._groups if not self._held[group]), None)
        return None
