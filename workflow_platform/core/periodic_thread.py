"""A thread of the scheduler for work that can take long."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

logger = logging.getLogger(__name__)

CLEANUP_SECONDS = 3600.0
SPREAD_SECONDS = 600.0
"""Within so long after the start comes the first cleanup: not at the busy instant of a deploy."""


class PeriodicThread:
    """Call `start` once. Several at a time, in several schedulers, do no harm."""

    name: str
    passing: tuple[type[Exception], ...] = (DatabaseError, InterfaceError)
    """What is over with another try."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.run, name=self.name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done. Need not be called: whatever is cut off is completed by the next one."""
        self._stop.set()
        self._thread.join()

    def run(self) -> None:
        """Do it all, until `_stop` is set."""

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except self.passing as error:
            logger.warning("%s failed, trying again: %s", self.name, error)
            connection.close()
        except Exception:
            logger.exception("%s failed", self.name)
