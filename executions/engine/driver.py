"""The threads of a worker process: every execution is an actor that takes one message at a time on a few of them.

An execution holds no thread while its nodes work elsewhere or while nothing happens, so that one process carries
hundreds. Nodes that wait for the world or compute for long have threads of their own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable

from django.conf import settings

from executions.engine.fair_share import FairThreads

logger = logging.getLogger(__name__)

TURN_THREADS = 4
TURNS_KEPT = 1
"""Of the threads for turns, what one workspace cannot have: it stays free for another."""
PULSE_SECONDS = 0.25
"""How often the driver proves that it takes turns."""
TURN_SECONDS = 0.01
MESSAGES_A_TURN = 20
"""After either of both the others have their turns, if more messages wait."""
TICK_SECONDS = 0.02
"""How exactly timeouts, deadlines and short delays are kept."""


class Actor:
    """Takes messages (callables) in order, never two at once, on the driver's threads. Workspaces take turns there, and
    the actors of a workspace do."""

    next_due: float | None = None
    """When `tick` is to be told, on the monotonic clock."""

    def __init__(self, driver: Driver, workspace: Hashable = None) -> None:
        self._driver = driver
        self.workspace = workspace
        self._mailbox: deque[Callable[[], None]] = deque()
        self._taking_turns = False
        self._guard = threading.Lock()

    def tell(self, message: Callable[[], None]) -> None:
        """Have `message` called after what was told before. Returns at once, from any thread."""
        with self._guard:
            self._mailbox.append(message)
            if self._taking_turns:
                return
            self._taking_turns = True
        self._driver.turns.submit(self._take_turn, self.workspace)

    def _take_turn(self) -> None:
        """Handle messages until none is left, or until it is the others' turn."""
        until, handled = time.monotonic() + TURN_SECONDS, 0
        self.turn_begins()
        while True:
            with self._guard:
                if not self._mailbox:
                    self.turn_is_over()  # before the next one may begin
                    self._taking_turns = False
                    return
                if handled == MESSAGES_A_TURN or (handled and time.monotonic() > until):
                    self.turn_is_over()
                    break
                message = self._mailbox.popleft()
            handled += 1
            try:
                message()
            except Exception as error:
                self.broke(error)
        self._driver.turns.submit(self._take_turn, self.workspace)

    def turn_begins(self) -> None:
        """A turn begins."""

    def turn_is_over(self) -> None:
        """A turn ends."""

    def broke(self, error: Exception) -> None:
        """A message raised what no one expected."""
        logger.exception("a message of %r failed", self)

    def tick(self) -> None:
        """The time `next_due` has come."""


class Pulse:
    """A turn that is asked for again and again, in line with those of executions: how late it comes is how late those
    of a workspace with little to do come. Each of `listeners` is called with its time."""

    def __init__(self, turns: FairThreads) -> None:
        self._turns = turns
        self._asked_at: float | None = None
        self._came_at = 0.0
        self._worst = 0.0
        self.listeners: list[Callable[[float], None]] = []

    def ask(self) -> None:
        """Ask for the next one, if it is time to and none is under way. Called by the ticker."""
        now = time.monotonic()
        if self._asked_at is None and now - self._came_at >= PULSE_SECONDS:
            self._asked_at = now
            self._turns.submit(self._comes, Pulse)

    def late(self, seconds: float) -> None:
        """Something else that has a time came so late."""
        self._worst = max(self._worst, seconds)

    def _comes(self) -> None:
        asked_at, self._came_at = self._asked_at, time.monotonic()
        self._asked_at = None
        if asked_at is not None:
            self.late(self._came_at - asked_at)
        for listener in self.listeners:
            listener(self._came_at)

    @property
    def awaited_for(self) -> float:
        """Return for how many seconds the one that is under way has been awaited."""
        asked_at = self._asked_at
        return 0.0 if asked_at is None else time.monotonic() - asked_at

    def take_worst(self) -> float:
        """Return how many seconds late the latest one was since the last call."""
        worst, self._worst = max(self._worst, self.awaited_for), 0.0
        return worst


class Driver:
    """Shared by all executions of a process."""

    def __init__(self) -> None:
        self.turns = FairThreads(TURN_THREADS, "turn", TURNS_KEPT)
        self.nodes = FairThreads(settings.NODE_THREADS, "node")
        self.pulse = Pulse(self.turns)
        self._actors: set[Actor] = set()
        self._lock = threading.Lock()
        self._some = threading.Event()
        threading.Thread(target=self._tick, name="ticker", daemon=True).start()

    def add(self, actor: Actor) -> None:
        """Keep an eye on the actor's time until `remove`."""
        with self._lock:
            self._actors.add(actor)
        self._some.set()

    def remove(self, actor: Actor) -> None:
        """The actor has come to its end."""
        with self._lock:
            self._actors.discard(actor)

    def actors(self) -> list[Actor]:
        """Return those that have not come to their end."""
        with self._lock:
            return list(self._actors)

    def _tick(self) -> None:
        while True:
            self._some.wait()
            actors = self.actors()
            if not actors:
                self._some.clear()
                if self.actors():
                    self._some.set()
                continue
            now = time.monotonic()
            for actor in actors:
                if actor.next_due is not None and actor.next_due <= now:
                    actor.next_due = None
                    actor.tell(actor.tick)
            self.pulse.ask()
            time.sleep(TICK_SECONDS)
            self.pulse.late(time.monotonic() - now - TICK_SECONDS)


_driver: Driver | None = None
_starting = threading.Lock()


def driver() -> Driver:
    """Return the driver of this process, started on first use."""
    global _driver
    with _starting:
        if _driver is None:
            _driver = Driver()
        return _driver
