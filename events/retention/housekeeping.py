"""The scheduler's work on history, in a dedicated thread: it creates partitions, cleans up and closes streams."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import connection

from events.log import partitions
from events.retention import cleanup
from workflow_platform.core.leases import AlreadyRunning
from workflow_platform.core.periodic_thread import PeriodicThread

logger = logging.getLogger(__name__)

CLOSING_SECONDS = 5.0
"""How often streams are closed if EVENT_HISTORY_ENABLED is false."""


class Housekeeping(PeriodicThread):
    """The thread of the scheduler for history. If there are several schedulers, one of them cleans up."""

    name = "housekeeping"
    passing = (*PeriodicThread.passing, partitions.TableBusy)

    def run(self) -> None:
        """Create partitions and clean up every hour; close streams if no history is kept."""
        self._guarded(_make_partitions)
        while True:
            hourly = self._is_cleanup_due()
            if hourly:
                self._guarded(_make_partitions)
            if hourly or not settings.EVENT_HISTORY_ENABLED:
                self._guarded(_clean_up)
            connection.close()
            if self._stop.wait(CLOSING_SECONDS):
                return


def _make_partitions() -> None:
    if made := partitions.ensure():
        logger.info("event partitions created: %s", ", ".join(partition.name for partition in made))


def _clean_up() -> None:
    try:
        report = cleanup.clean_up()
    except AlreadyRunning:
        return
    if not report.is_empty:
        done, events = report.collected, sum(report.removed.events.values())
        logger.info(
            "%d events removed; partitions dropped: %s; rewritten: %s; skipped because they were in use: %s",
            events,
            done.dropped,
            done.thinned,
            done.busy,
            extra={"count": events},
        )
