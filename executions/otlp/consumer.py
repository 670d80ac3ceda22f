"""The scheduler's threads that export traces. Of several schedulers, one holds the lease of the consumer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import connection

from events import bus
from executions.otlp.building import TYPES
from executions.otlp.exporting import MOST_ATTEMPTS, export_attempts, export_events
from webhooks.maintenance import sent_spans
from workflow_platform.core.backoff import HALF, around
from workflow_platform.core.telemetry import exporting

logger = logging.getLogger(__name__)

CONSUMER = "executions.otlp"
BATCH = 500
EVERY_SECONDS = 1.0
"""Between two looks for events and attempts. At once, under load, it would look as often as it could."""
CLEAR_EVERY = 600
"""Looks between two removals of old deliveries of spans."""
RETRY_SECONDS = 5.0
STOP_SECONDS = 5.0


class TraceThreads:
    """Export traces until they are stopped, if OTEL_EXPORTER_OTLP_ENDPOINT is set; what was missed comes later."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
            for name, work in (("traces", self._consume), ("traces of deliveries", self._look_for_attempts))
        ]

    def start(self) -> None:
        """Start the threads; without a collector there are none."""
        if exporting.is_on():
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        """Stop after the current batch and give the lease back, so that another scheduler continues at once."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(STOP_SECONDS)

    def _run(self, work: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                work()
            except Exception:  # such as a subscription that was deleted in the admin site
                logger.exception("export of traces stopped; starting again in %g s", RETRY_SECONDS)
                connection.close()
                self._stop.wait(around(RETRY_SECONDS, HALF))

    def _consume(self) -> None:
        bus.consume(CONSUMER, export_events, TYPES, batch=BATCH, begin="now", every=EVERY_SECONDS, stop=self._stop)

    def _look_for_attempts(self) -> None:
        looks = 0
        while not self._stop.is_set():
            if looks % CLEAR_EVERY == 0:
                sent_spans.remove_old()
            looks += 1
            if export_attempts() < MOST_ATTEMPTS:
                connection.close()
                self._stop.wait(EVERY_SECONDS)
