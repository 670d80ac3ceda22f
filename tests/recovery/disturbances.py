"""What befalls an installation: processes that die or freeze, a Redis that forgets, a PostgreSQL that restarts."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping

import psutil
import redis

from tests.installation import Installation, kill, stop

FROZEN_LEASES = 1.3
"""How long a worker is frozen, in leases: it must have been given up when it wakes."""


class Disturbances:
    """Disturbs in an order that the seed decides: every kind once, then every kind once again, and so on.

    `further` kinds come with ours; of all of them only those that `only` names, if it names any.
    """

    def __init__(
        self,
        platform: Installation,
        seed: int,
        lease_seconds: float,
        *,
        only: Collection[str] = (),
        further: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        self.platform = platform
        self.chance = random.Random(seed)
        self.lease_seconds = lease_seconds
        self.done: list[str] = []
        self._kinds: dict[str, Callable[[], None]] = {
            "a worker is killed": lambda: self._kill("worker"),
            "a worker is killed, and another": self._kill_workers,
            "a worker freezes and goes on": self._freeze_worker,
            "Redis forgets everything": self._flush,
            "Redis is killed": lambda: self._kill("redis"),
            "PostgreSQL is shut down fast": lambda: self._kill("postgres", signal.SIGINT),
            "PostgreSQL is shut down at once": lambda: self._kill("postgres", signal.SIGQUIT),
            "the scheduler is killed": lambda: self._kill("scheduler"),
            "the web process is killed": lambda: self._kill("web"),
        }
        self._kinds |= further or {}
        self._kinds = {kind: do for kind, do in self._kinds.items() if not only or kind in only}
        self._deck: list[str] = []
        self._thawing: list[threading.Thread] = []

    def run(self, seconds: float, pause: tuple[float, float]) -> None:
        """Disturb for so long, and until every kind has come, with pauses of a length between the two."""
        began = time.monotonic()
        while time.monotonic() - began < seconds or len(self.done) < len(self._kinds):
            time.sleep(self.chance.uniform(*pause))
            if not self._deck:
                self._deck = list(self._kinds)
                self.chance.shuffle(self._deck)
            kind = self._deck.pop()
            print(f"{time.strftime('%H:%M:%S')} {kind}", flush=True)
            self._kinds[kind]()
            self.done.append(kind)
        for thread in self._thawing:
            thread.join()

    def _kill(self, kind: str, number: signal.Signals = signal.SIGKILL) -> None:
        found = self.platform.processes(kind)
        if found:  # else it is on its way back from the last time
            kill(self.chance.choice(found), number)

    def _kill_workers(self) -> None:
        for worker in self.platform.processes("worker"):
            kill(worker)

    def _freeze_worker(self) -> None:
        found = self.platform.processes("worker")
        if not found:
            return
        worker = self.chance.choice(found)
        stop(worker)
        thread = threading.Thread(target=self._thaw, args=(worker,))
        thread.start()
        self._thawing.append(thread)

    def _thaw(self, worker: psutil.Process) -> None:
        time.sleep(self.lease_seconds * FROZEN_LEASES)
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.send_signal(signal.SIGCONT)

    def _flush(self) -> None:
        # One that is down has forgotten already.
        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(self.platform.redis_url) as client:
            client.flushall()
