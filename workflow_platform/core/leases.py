"""Exclusive work: by a lease in the database, which a job renews while it works, or by a lock for one process at a
time."""

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
    """Call `renew` repeatedly until the block ends. It returns whether the lease is still held.

    The event is set when the lease was lost, or could not be renewed before it expired.
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
                logger.warning(
                    "lease of %s not renewed: %s; retrying in %g s",
                    what,
                    error,
                    settings.HEARTBEAT_SECONDS,
                    extra={"task": what, "retry_seconds": settings.HEARTBEAT_SECONDS},
                )
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


class AlreadyRunning(Exception):
    """Another process is already doing this; only one can at a time."""


@contextmanager
def only_one(number: int) -> Iterator[None]:
    """Let one process at a time enter the block of this lock number. Raises AlreadyRunning."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        if not cursor.fetchone()[0]:
            raise AlreadyRunning(AlreadyRunning.__doc__)
    try:
        yield
    finally:
        # Unlock: the connection may return to a pool. A broken connection has lost the lock with its session.
        if connection.connection is not None and not connection.connection.broken:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
