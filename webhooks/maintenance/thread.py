"""The maintenance thread of the scheduler: reconciliation and retention, which can take long."""

from __future__ import annotations

import logging

from django.db import connection

from webhooks.maintenance import cleanup, totals
from webhooks.maintenance.reconciliation import Sweeper
from workflow_platform.core.leases import AlreadyRunning
from workflow_platform.core.periodic_thread import PeriodicThread

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


class Upkeep(PeriodicThread):
    """The thread that reconciles and cleans up."""

    name = "webhook maintenance"

    def run(self) -> None:
        """Reconcile continuously, clean up hourly."""
        sweeper = Sweeper()
        while not self._stop.wait(LOOK_SECONDS):
            self._guarded(sweeper.sweep)
            if self._is_cleanup_due():
                self._guarded(_clean_up)
                self._guarded(totals.add_up_ended)
            connection.close()


def _clean_up() -> None:
    try:
        removed = cleanup.clean_up()
    except AlreadyRunning:
        return
    if not removed.is_empty:
        logger.info("old deliveries removed: %s", removed)
