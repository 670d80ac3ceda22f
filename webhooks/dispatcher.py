"""Notifies the workers of committed deliveries: one RQ job for all that are committed within a moment.

The job carries no data: what is due is in the database (`webhooks.sending.claiming`). A lost one is made up
for by the sweep.
"""

from __future__ import annotations

import logging
import threading
import time
from uuid import UUID

from django.db import transaction

from workflow_platform.core import jobs
from workflow_platform.core.per_process import PerProcess

logger = logging.getLogger(__name__)

KIND = "deliver"
ALL = UUID(int=0)
APART_SECONDS = 0.005
"""Commits that come closer than this share a job."""
MOST_APART_SECONDS = 0.04
"""While one job follows the other, they come further apart, up to this: each costs the workers some CPU."""


class _Dispatcher:
    def __init__(self) -> None:
        self._woken = threading.Event()
        threading.Thread(target=self._run, name="webhook dispatch", daemon=True).start()

    def wake(self) -> None:
        self._woken.set()

    def _run(self) -> None:
        apart = APART_SECONDS
        while True:
            apart = min(2 * apart, MOST_APART_SECONDS) if self._woken.is_set() else APART_SECONDS
            self._woken.wait()
            self._woken.clear()
            try:
                jobs.enqueue(KIND, [ALL])
            except Exception:  # the sweep replaces a lost job, but nothing restarts this thread
                logger.exception(
                    "workers not notified of new deliveries; the next sweep of the scheduler notifies them"
                )
            time.sleep(apart)


_dispatcher = PerProcess(_Dispatcher)


def wake() -> None:
    """Make the workers send the deliveries that are due, soon."""
    _dispatcher().wake()


def wake_on_commit() -> None:
    """Have what this transaction makes due sent, once it is committed."""
    transaction.on_commit(wake)
