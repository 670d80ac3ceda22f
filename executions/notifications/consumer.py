"""The scheduler's thread that derives notifications. Of several schedulers, one holds the lease of the consumer."""

from __future__ import annotations

import logging
import threading

from django.db import connection

from events import bus
from executions.notifications import facts
from executions.notifications.deriving import derive
from workflow_platform.core.backoff import HALF, around

logger = logging.getLogger(__name__)

CONSUMER = "executions.notifications"
BATCH = 200
EVERY_SECONDS = 1.0
"""Between two looks for events. At once, under load, it would look as often as it could, each time for one or two."""
RETRY_SECONDS = 5.0
STOP_SECONDS = 5.0


class NotificationThread:
    """Derives notifications until it is stopped; what it missed meanwhile is derived later."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current batch and give the lease back, so that another scheduler continues at once."""
        self._stop.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                bus.consume(
                    CONSUMER, derive, facts.TYPES, batch=BATCH, begin="now", every=EVERY_SECONDS, stop=self._stop
                )
            except Exception:  # such as a subscription that was deleted in the admin site
                logger.exception("notifications stopped; starting again in %g s", RETRY_SECONDS)
                connection.close()
                self._stop.wait(around(RETRY_SECONDS, HALF))
