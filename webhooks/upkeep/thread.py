"""What the scheduler does for webhooks in a thread of its own, since it can take long: reconciliation and cleanups."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

from webhooks.upkeep import cleanup
from webhooks.upkeep.reconciliation import Sweeper

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
CLEANUP_SECONDS = 3600.0
SPREAD_SECONDS = 600.0
"""Within so long after the start comes the first cleanup: not at the busy instant of a deploy."""


class Upkeep:
    """Call `start` once. Several at a time, in several schedulers, do no harm."""

    def __init__(self) -> None:
        self._sweeper = Sweeper()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook upkeep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done. Need not be called: whatever is cut off is completed by the next one."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        clean_at = time.monotonic() + random.uniform(0, SPREAD_SECONDS)  # noqa: S311 - no secret
        while not self._stop.wait(LOOK_SECONDS):
            self._guarded(self._sweeper.sweep)
            if time.monotonic() >= clean_at:
                clean_at = time.monotonic() + CLEANUP_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311
                self._guarded(_clean_up)
            connection.close()

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("webhooks are not kept in order, trying again: %s", error)
            connection.close()
        except Exception:
            logger.exception("webhooks are not kept in order")


def _clean_up() -> None:
    try:
        removed = cleanup.clean_up()
    except cleanup.AlreadyRunning:
        return
    if not removed.is_empty:
        logger.info("deliveries cleaned up: %s", removed)
