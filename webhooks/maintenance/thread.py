"""What the scheduler does for webhooks in a thread of its own, since it can take long: reconciliation and cleanups."""

from __future__ import annotations

import logging

from django.db import connection

from webhooks.maintenance import cleanup
from webhooks.maintenance.reconciliation import Sweeper
from workflow_platform.core.leases import AlreadyRunning
from workflow_platform.core.periodic_thread import PeriodicThread

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


class Upkeep(PeriodicThread):
    """Keeps webhooks in order."""

    name = "webhook upkeep"

    def run(self) -> None:
        """Reconcile all the time, clean up every hour."""
        sweeper = Sweeper()
        while not self._stop.wait(LOOK_SECONDS):
            self._guarded(sweeper.sweep)
            if self._is_cleanup_due():
                self._guarded(_clean_up)
            connection.close()


def _clean_up() -> None:
    try:
        removed = cleanup.clean_up()
    except AlreadyRunning:
        return
    if not removed.is_empty:
        logger.info("old deliveries removed: %s", removed)
