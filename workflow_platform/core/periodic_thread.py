"""A thread of the scheduler for long periodic work."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

from workflow_platform.core.backoff import around, shortened

logger = logging.getLogger(__name__)

CLEANUP_SECONDS = 3600.0
SPREAD_SECONDS = 600.0
"""The first cleanup starts within this time after the start of the process, to spread the load after a deployment."""


class PeriodicThread:
    """Call `start` once. Several schedulers may run the same thread at the same time."""

    name: str
    passing: tuple[type[Exception], ...] = (DatabaseError, InterfaceError)
    """Errors after which the work is retried."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._cleanup_at = time.monotonic() + shortened(SPREAD_SECONDS, 1)
        self._thread = threading.Thread(target=self.run, name=self.name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current work. Optional: the next run completes interrupted work."""
        self._stop.set()
        self._thread.join()

    def run(self) -> None:
        """Do the work until `_stop` is set."""

    def _is_cleanup_due(self) -> bool:
        """Return True about once every CLEANUP_SECONDS, for the first time within SPREAD_SECONDS."""
        if time.monotonic() < self._cleanup_at:
            return False
        self._cleanup_at = time.monotonic() + around(CLEANUP_SECONDS, 0.1)
        return True

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except self.passing as error:
            logger.warning("background task failed: %s; retrying later", error, extra={"task": self.name})
            connection.close()
        except Exception:
            logger.exception("background task failed; retrying later", extra={"task": self.name})
