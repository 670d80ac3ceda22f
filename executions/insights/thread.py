"""The scheduler's thread that looks for insights. Several schedulers may run it: one looks at a time."""

from __future__ import annotations

from django.db import connection

from executions.insights.looking import EVERY_SECONDS, look_if_due
from workflow_platform.core.backoff import around
from workflow_platform.core.periodic_thread import PeriodicThread


class InsightThread(PeriodicThread):
    """Looks about once a minute."""

    name = "insights"

    def run(self) -> None:
        """Look until stopped."""
        while not self._stop.wait(around(EVERY_SECONDS, 0.1)):
            self._guarded(look_if_due)
            connection.close()
