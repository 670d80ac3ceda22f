"""What commits leave to be done at once, by one thread of each process: admissions, what follows an end, waits for
deliveries.

Nothing depends on it: whatever a process leaves undone when it dies, the sweep of the scheduler finds. It knows no one:
those who have such work register it when the app is ready.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

logger = logging.getLogger(__name__)

FOLLOW_UP, ADMIT, DELIVERIES = "follow up", "admit", "deliveries"
_work: dict[str, Callable[[], object]] = {}


def register(name: str, work: Callable[[], object]) -> None:
    """Have `work` done when `name` is asked for; what is registered first is done first."""
    _work[name] = work


class _Background:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self._asked: set[str] = set()
        self._wake = threading.Event()
        self._busy = False
        threading.Thread(target=self._run, name="background", daemon=True).start()

    def ask(self, *names: str) -> None:
        self._asked.update(names)
        self._wake.set()

    @property
    def idle(self) -> bool:
        return not (self._busy or self._wake.is_set())

    def _run(self) -> None:
        while True:
            self._busy = False
            self._wake.wait()
            self._busy = True
            self._wake.clear()
            for name, work in _work.items():
                if name in self._asked:
                    self._asked.discard(name)
                    self._do(name, work)
            if not self._wake.is_set():
                connection.close()

    def _do(self, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("%s: left to the sweep: %s", name, error)
            connection.close()
        except Exception:
            logger.exception("%s: left to the sweep", name)


_background: _Background | None = None
_starting = threading.Lock()


def _get() -> _Background:
    global _background
    with _starting:
        if _background is None or _background.pid != os.getpid():
            _background = _Background()
        return _background


def is_idle() -> bool:
    """Tell whether this process has nothing left to do."""
    return _background is None or _background.idle


def admit() -> None:
    """Have the line looked at soon."""
    _get().ask(ADMIT)


def deliveries_have_ended() -> None:
    """Have what waited for deliveries go on soon."""
    _get().ask(DELIVERIES)


def follow_up() -> None:
    """Have ends followed up, and the line looked at, soon."""
    _get().ask(FOLLOW_UP, ADMIT)
