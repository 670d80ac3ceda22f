"""The sandbox processes of this process: at most CODE_PROCESSES, started on first need, warm afterwards."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings

from workflow_platform.core import spending
from workflow_platform.core.instruments import Counter, Gauge, Histogram
from workflow_platform.core.per_process import PerProcess
from workflow_platform.core.sandbox.process import SandboxProcess
from workflow_platform.core.sandbox.task import Reply, Task, TaskCancelled
from workflow_platform.core.sandbox.turns import Turns

FAILURES = ("time", "memory", "output", "overdue", "lost")
WAIT_SECONDS = Histogram("sandbox_wait_seconds", "How long tasks waited for a sandbox process.")
FAILED = Counter("sandbox_failures_total", "Tasks without a result, by the limit that they hit.", {"failure": FAILURES})
PROCESSES = Gauge("sandbox_processes", "Sandbox processes, idle and busy.")
SPARE_PROCESSES = 1
"""The number of idle reserve processes that are kept."""


class _Overdue(Exception):
    """A task has exceeded its wall-clock limit."""


class Pool:
    """The sandbox processes for the threads of this process.

    As many more are started for groups that hold none as the pool has places: the tasks of one workspace never keep
    another's waiting.
    """

    def __init__(self, size: int) -> None:
        self._turns = Turns(size, reserve=size)
        self._size = size
        self._idle: list[SandboxProcess] = []
        self._all: set[SandboxProcess] = set()
        self._lock = threading.Lock()
        self._closed = False
        PROCESSES.read_from(lambda: float(len(self._all)))

    def run(
        self,
        task: Task,
        *,
        group: str,
        queue: str = "",
        cancelled: threading.Event | None = None,
        most_waiting: int | None = None,
        within_seconds: float = math.inf,
    ) -> Reply:
        """Run the task as soon as it is its turn: `group`s (workspaces) take turns, and within one its `queue`s.

        Waiting for a turn is not counted against the task's limits, but against `within_seconds`, after which the
        reply is `overdue`. Raises TaskCancelled within 0.1 s of `cancelled`, and TooManyWaiting if `most_waiting` tasks
        of the group wait already.
        """
        began = time.monotonic()
        last = began + within_seconds

        def tick() -> None:
            if cancelled is not None and cancelled.is_set():
                raise TaskCancelled(TaskCancelled.__doc__)
            if time.monotonic() > last:
                raise _Overdue

        tick()
        began = time.monotonic()
        try:
            with self._turns.place(group, queue, tick, most_waiting):
                waited = time.monotonic() - began
                WAIT_SECONDS.observe(waited)
                spending.waited("sandbox", waited)
                reply = self._run(task, tick)
                spending.computed(reply.cpu_ms, reply.memory_bytes)
        except _Overdue:  # before its turn
            spending.waited("sandbox", time.monotonic() - began)
            reply = Reply(failure="overdue")
        if reply.failure:
            FAILED.add(1, reply.failure)
        return reply

    def _run(self, task: Task, tick: Callable[[], None]) -> Reply:
        try:
            process = self._take()
        except OSError as error:
            return Reply(failure="lost", detail=f"could not be started ({error})")
        try:
            return self._ask(process, task, tick)
        finally:
            self._give_back(process)

    def _ask(self, process: SandboxProcess, task: Task, tick: Callable[[], None]) -> Reply:
        deadline = time.monotonic() + task.wall_seconds

        def tick_within_time() -> None:
            tick()
            if time.monotonic() > deadline:
                raise _Overdue

        try:
            return process.ask(task, tick_within_time)
        except _Overdue:
            cpu_ms, memory = process.cost()
            return Reply(failure="overdue", cpu_ms=cpu_ms, memory_bytes=memory)

    def processes(self) -> list[int]:
        """Return the process numbers of the sandbox processes."""
        with self._lock:
            return [process.pid for process in self._all]

    def close(self) -> None:
        """End all sandbox processes; running calls get errors."""
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
        """Return an idle process, or a new one: the turns limit their number."""
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
        with self._lock:
            if process.reusable and not self._closed and len(self._idle) < self._size + SPARE_PROCESSES:
                self._idle.append(process)
                return
        self._discard(process)
        with self._lock, suppress(OSError):
            if not self._closed and len(self._all) < self._size:
                # Start its replacement in the background, so that it is warm for the next call.
                self._idle.append(self._start())

    def _discard(self, process: SandboxProcess) -> None:
        process.kill()
        with self._lock:
            self._all.discard(process)


sandbox = PerProcess(lambda: Pool(settings.CODE_PROCESSES), close=Pool.close)
"""The sandbox processes of this process."""
