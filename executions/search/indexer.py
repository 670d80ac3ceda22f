"""Fills the search index from the ends of executions, as a durable consumer of the event log.

It works beside the engine and not in it: the end of an execution costs nothing more. While executions are queued it
takes a small part of one core, else up to a half.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.db import connection

from events import bus
from events.bus import RecordedEvent
from executions.domain.statuses import ExecutionStatus
from executions.models import Execution
from executions.search.documents import write_documents

logger = logging.getLogger(__name__)

NAME = "executions.search"
TYPES = tuple(f"execution.{status.value}" for status in ExecutionStatus if status.ended)
BATCH = 25
REST, REST_WHILE_BUSY = 1.0, 19.0
"""Pauses after a batch, as a multiple of the time that it took."""
MAX_REST_SECONDS = 10.0
EVERY_SECONDS = 5.0
"""Between two looks for ended executions, when none are left."""
RETRY_SECONDS = 10.0


class Indexer:
    """A thread that indexes ended executions, beginning with the oldest whose events are stored."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._rest_seconds = 0.0

    def start(self, stop: threading.Event) -> None:
        """Start the thread, unless SEARCH_MAX_WORDS is 0. It ends when `stop` is set."""
        self._stop = stop
        if settings.SEARCH_MAX_WORDS:
            threading.Thread(target=self._run, name="search index", daemon=True).start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                bus.consume(NAME, self._index, TYPES, batch=BATCH, begin="start", every=EVERY_SECONDS, stop=self._stop)
            except Exception:
                logger.exception("search index stopped; starting again in %g s", RETRY_SECONDS)
                self._stop.wait(RETRY_SECONDS)

    def _index(self, events: Sequence[RecordedEvent]) -> None:
        self._stop.wait(self._rest_seconds)  # before the first statement: no transaction is open
        began = time.monotonic()
        write_documents([UUID(event.execution_id) for event in events if event.execution_id])
        busy = Execution.objects.filter(status=ExecutionStatus.QUEUED.value, ended_at__isnull=True).exists()
        took = time.monotonic() - began
        self._rest_seconds = min(MAX_REST_SECONDS, took * (REST_WHILE_BUSY if busy else REST))


def index_now() -> None:
    """Index all executions that have ended, and return."""
    bus.consume(NAME, Indexer()._index, TYPES, batch=BATCH, begin="start", once=True)
    connection.close()
