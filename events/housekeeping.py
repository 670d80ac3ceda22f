"""What the scheduler does for history, in a thread of its own: partitions ahead, cleanups, closed streams."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from events import cleanup, partitions
from events.retention import AlreadyRunning

logger = logging.getLogger(__name__)

CLEANUP_SECONDS = 3600.0
SPREAD_SECONDS = 600.0
"""Within so long after the start comes the first cleanup: not at the busy instant of a deploy."""
CLOSING_SECONDS = 5.0
"""How often streams are closed where no history is kept."""


class Housekeeping:
    """Call `start` once. Several at a time, in several schedulers, do no harm: one of them cleans up."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being done. Need not be called: whatever is cut off is completed by the next one."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        self._guarded(_make_partitions)
        next_at = time.monotonic() + random.uniform(0, SPREAD_SECONDS)  # noqa: S311 - no secret
        while True:
            hourly = time.monotonic() >= next_at
            if hourly:
                next_at = time.monotonic() + CLEANUP_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311
                self._guarded(_make_partitions)
            if hourly or not settings.EVENT_HISTORY_ENABLED:
                self._guarded(_clean_up)
            connection.close()
            if self._stop.wait(CLOSING_SECONDS):
                return

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (DatabaseError, InterfaceError, partitions.TableBusy) as error:
            logger.warning("history is not kept in order, trying again: %s", error)
            connection.close()
        except Exception:
            logger.exception("history is not kept in order")


def _make_partitions() -> None:
    if made := partitions.ensure():
        logger.info("partitions made: %s", ", ".join(partition.name for partition in made))


def _clean_up() -> None:
    try:
        report = cleanup.clean_up()
    except AlreadyRunning:
        return
    if not report.is_empty:
        done, events = report.collected, sum(report.removed.events.values())
        logger.info(
            "%d events removed; dropped: %s; made thin: %s; in use: %s", events, done.dropped, done.thinned, done.busy
        )
