"""A lease in the database that a job holds, renewed by a thread while it works."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

logger = logging.getLogger(__name__)


@contextmanager
def kept(what: str, renew: Callable[[], bool]) -> Iterator[threading.Event]:
    """Call `renew` again and again until the block ends. It returns whether the lease is still ours.

    The event is set when the lease was lost, or could not be renewed for as long as it lasts.
    """
    over, lost = threading.Event(), threading.Event()
    renewed_at = time.monotonic()

    def run() -> None:
        nonlocal renewed_at
        while not over.wait(settings.HEARTBEAT_SECONDS):
            try:
                if renew():
                    renewed_at = time.monotonic()
                else:
                    lost.set()
            except (DatabaseError, InterfaceError) as error:
                logger.warning("%s: lease not renewed: %s", what, error)
            if time.monotonic() - renewed_at > settings.LEASE_SECONDS:
                lost.set()
        connection.close()

    thread = threading.Thread(target=run, name="lease", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        over.set()
        thread.join()
