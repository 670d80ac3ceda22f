"""The threads of a worker process, shared by all executions.

An execution holds no thread while its nodes run in other threads or while it is idle, so one process runs hundreds of
executions. Nodes that wait for the network or compute for long run in separate threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from django.conf import settings

from executions.engine.fair_share import FairThreadPool
from executions.engine.turn_latency import TurnLatency
from workflow_platform.core.per_process import PerProcess

TURN_THREADS = 4
RESERVED_TURN_THREADS = 1
"""The number of turn threads that one workspace cannot occupy."""
TICK_SECONDS = 0.02
"""The precision of timeouts, deadlines and short delays."""


class Actor(Protocol):
    """What the driver needs of an execution."""

    next_due: float | None
    """When to call `tick`, on the monotonic clock."""

    def tell(self, message: Callable[[], None]) -> None: ...

    def tick(self) -> None: ...

    def stop(self) -> None: ...


class Driver:
    """Gives actors their threads, and calls them when their time has come."""

    def __init__(self) -> None:
        self.turns = FairThreadPool(TURN_THREADS, "turn", RESERVED_TURN_THREADS)
        self.nodes = FairThreadPool(settings.NODE_THREADS, "node")
        self.turn_latency = TurnLatency(self.turns)
        self._actors: set[Actor] = set()
        self._lock = threading.Lock()
        self._has_actors = threading.Event()
        threading.Thread(target=self._tick, name="ticker", daemon=True).start()

    def add(self, actor: Actor) -> None:
        """Call the actor's `tick` whenever it is due, until `remove`."""
        with self._lock:
            self._actors.add(actor)
        self._has_actors.set()

    def remove(self, actor: Actor) -> None:
        """Forget an actor that has ended."""
        with self._lock:
            self._actors.discard(actor)

    def actors(self) -> list[Actor]:
        """Return the actors that have not ended."""
        with self._lock:
            return list(self._actors)

    def _tick(self) -> None:
        while True:
            self._has_actors.wait()
            actors = self.actors()
            if not actors:
                self._has_actors.clear()
                if self.actors():
                    self._has_actors.set()
                continue
            now = time.monotonic()
            for actor in actors:
                if actor.next_due is not None and actor.next_due <= now:
                    actor.next_due = None
                    actor.tell(actor.tick)
            self.turn_latency.request()
            time.sleep(TICK_SECONDS)
            self.turn_latency.record(time.monotonic() - now - TICK_SECONDS)


driver = PerProcess(Driver)
"""The driver of this process."""
