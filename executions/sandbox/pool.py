"""The sandbox processes of this process: at most CODE_PROCESSES, started on first need, warm afterwards."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.conf import settings

from executions.sandbox.process import TICK_SECONDS, Answer, Call, Cancelled, SandboxProcess, overdue


class _Overdue(Exception):
    """The wall clock of a call has run out."""


class Turns:
    """So many places, given out in turn: first come, first served, but one from each queue at a time.

    The queues take turns so that an execution with many code nodes does not hold up all others.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._queues: OrderedDict[str, deque[threading.Event]] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def place(self, queue: str, tick: Callable[[], None]) -> Iterator[None]:
        """Hold a place. While there is none, `tick` is called; what it raises ends the waiting."""
        mine = threading.Event()
        with self._lock:
            if self._free and not self._queues:
                self._free -= 1
                mine.set()
            else:
                self._queues.setdefault(queue, deque()).append(mine)
        try:
            while not mine.wait(TICK_SECONDS):
                tick()
        except BaseException:
            self._leave(queue, mine)
            raise
        try:
            yield
        finally:
            with self._lock:
                self._pass_on()

    def waiting(self) -> int:
        """Return how many wait for a place."""
        with self._lock:
            return sum(map(len, self._queues.values()))

    def _leave(self, queue: str, mine: threading.Event) -> None:
        with self._lock:
            if mine.is_set():  # given at the very moment that it was given up
                self._pass_on()
                return
            self._queues[queue].remove(mine)
            if not self._queues[queue]:
                del self._queues[queue]

    def _pass_on(self) -> None:
        if not self._queues:
            self._free += 1
            return
        queue, waiting = self._queues.popitem(last=False)
        waiting.popleft().set()
        if waiting:
            self._queues[queue] = waiting  # at the end: now it is the others' turn


class Pool:
    """Sandbox processes for the threads of this process."""

    def __init__(self, size: int) -> None:
        self._turns = Turns(size)
        self._idle: list[SandboxProcess] = []
        self._all: set[SandboxProcess] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(self, call: Call, cancelled: threading.Event, queue: str = "") -> Answer:
        """Run the call as soon as it is the turn of `queue`. Raises Cancelled within 0.1 s of `cancelled`.

        Waiting for a turn is not counted against the call's limits.
        """

        def tick() -> None:
            if cancelled.is_set():
                raise Cancelled(Cancelled.__doc__)

        tick()
        with self._turns.place(queue, tick):
            try:
                process = self._take()
            except OSError as error:
                return Answer(error=f"No process for the code could be started: {error}.", retryable=True)
            try:
                return self._ask(process, call, tick)
            finally:
                self._give_back(process)

    def _ask(self, process: SandboxProcess, call: Call, tick: Callable[[], None]) -> Answer:
        deadline = time.monotonic() + call.wall_limit

        def tick_within_time() -> None:
            tick()
            if time.monotonic() > deadline:
                raise _Overdue

        try:
            return process.ask(call, tick_within_time)
        except _Overdue:
            answer = overdue(call)
            answer.cpu_ms, answer.memory_bytes = process.cost()
            return answer

    def processes(self) -> list[int]:
        """Return the process numbers of the sandbox processes."""
        with self._lock:
            return [process.pid for process in self._all]

    def close(self) -> None:
        """End all sandbox processes; calls under way have errors for answers."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = self._all.difference(idle)
            self._all = set(busy)
        for process in idle:
            process.kill()
        for process in busy:
            process.stop()

    def _take(self) -> SandboxProcess:
        """Return an idle process, or a new one: the places are as many as there may be."""
        while True:
            with self._lock:
                if not self._idle:
                    return self._start()
                process = self._idle.pop()
            if process.alive:
                return process
            self._discard(process)

    def _start(self) -> SandboxProcess:
        process = SandboxProcess()
        self._all.add(process)
        return process

    def _give_back(self, process: SandboxProcess) -> None:
        if process.reusable and not self._closed:
            with self._lock:
                self._idle.append(process)
            return
        self._discard(process)
        with self._lock, suppress(OSError):
            if not self._closed:
                # At once and in the background: the next call finds it warm.
                self._idle.append(self._start())

    def _discard(self, process: SandboxProcess) -> None:
        process.kill()
        with self._lock:
            self._all.discard(process)


def _close(owner: int, pool: Pool) -> None:
    if os.getpid() == owner:
        pool.close()


_pools: dict[int, Pool] = {}
_starting = threading.Lock()


def sandbox() -> Pool:
    """Return the pool of this process, made on first use. A process that was forked makes its own."""
    with _starting:
        pool = _pools.get(os.getpid())
        if pool is None:
            _pools.clear()
            pool = _pools[os.getpid()] = Pool(settings.CODE_PROCESSES)
            atexit.register(_close, os.getpid(), pool)
        return pool
