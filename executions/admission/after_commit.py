"""What commits leave to be done at once, by one thread of each process: admissions, what follows an end, waits for
deliveries.

Nothing depends on it: whatever a process leaves undone when it dies, the sweep of the scheduler finds. It knows no one:
those who have such work register it when the app is ready.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

from workflow_platform.core.per_process import PerProcess

logger = logging.getLogger(__name__)

FOLLOW_UP, ADMIT, DELIVERIES = "follow up", "admit", "deliveries"
_work: dict[str, Callable[[], object]] = {}


def register(name: str, work: Callable[[], object]) -> None:
    """Register work by its name. Work that is registered first runs first."""
    _work[name] = work


class _Background:
    def __init__(self) -> None:
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
            logger.warning(
                "background task failed: %s; the next sweep of the scheduler does its work", error, extra={"task": name}
            )
            connection.close()
        except Exception:
            logger.exception(
                "background task failed; the next sweep of the scheduler does its work", extra={"task": name}
            )


_background = PerProcess(_Background)


def is_idle() -> bool:
    """Return whether this process has no such work left."""
    return _background.current is None or _background.current.idle


def admit() -> None:
    """Run an admission pass soon."""
    _background().ask(ADMIT)


def deliveries_have_ended() -> None:
    """Resume node runs whose deliveries have ended, soon."""
    _background().ask(DELIVERIES)


def follow_up() -> None:
    """Follow up ended executions, and run an admission pass, soon."""
    _background().ask(FOLLOW_UP, ADMIT)
