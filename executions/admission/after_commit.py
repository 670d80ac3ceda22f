"""Work that follows commits, in one thread of each process: admissions, completions, waits for deliveries.

It may be lost when a process dies: the scheduler's sweep then does it. Packages register their work when the app is
ready (`executions.wiring`).
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
    """Register work under a name. Work runs in the order of registration."""
    _work[name] = work


class _Background:
    def __init__(self) -> None:
        self._requested: set[str] = set()
        self._wake = threading.Event()
        self._busy = False
        threading.Thread(target=self._run, name="background", daemon=True).start()

    def request(self, *names: str) -> None:
        self._requested.update(names)
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
                if name in self._requested:
                    self._requested.discard(name)
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
    """Return whether this process has no pending work."""
    return _background.current is None or _background.current.idle


def admit() -> None:
    """Request an admission pass."""
    _background().request(ADMIT)


def deliveries_have_ended() -> None:
    """Request that node runs whose deliveries have ended are resumed."""
    _background().request(DELIVERIES)


def follow_up() -> None:
    """Request the completion of ended executions and an admission pass."""
    _background().request(FOLLOW_UP, ADMIT)
