"""The scheduler's thread that counts events into the rollups. Several schedulers may run it: one counts at a time."""

from __future__ import annotations

from django.db import connection

from executions.rollups.advancing import advance
from executions.rollups.folding import fold_if_due
from workflow_platform.core.backoff import around
from workflow_platform.core.periodic_thread import PeriodicThread

EVERY_SECONDS = 10.0


class RollupThread(PeriodicThread):
    """Advances the rollups every few seconds, and folds them now and then."""

    name = "rollups"

    def run(self) -> None:
        """Count until stopped; at once while there is a backlog."""
        pause = 0.0
        while not self._stop.wait(pause):
            self._counted = True
            self._guarded(self._work)
            connection.close()
            pause = around(EVERY_SECONDS, 0.1) if self._counted else 0.0

    def _work(self) -> None:
        self._counted = advance()
        fold_if_due()
