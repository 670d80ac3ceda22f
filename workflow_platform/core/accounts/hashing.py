"""Password hashing with a limit of concurrent hashes per process. A hash uses a core for some hundred milliseconds, so
many at once would slow down everything else. A caller that waits for one must not keep a database connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connections
from rest_framework.exceptions import APIException

from workflow_platform.core.per_process import PerProcess

LONGEST_WAIT_SECONDS = 15.0
RETRY_AFTER_SECONDS = 2

_preferred: ContextVar[bool] = ContextVar("preferred", default=False)


class HashingBusy(APIException):
    """Too many logins are waiting. The password was not checked; try the request again in a moment."""

    status_code = 503
    default_detail = f"Too many logins are in progress. Try again in {RETRY_AFTER_SECONDS} seconds."
    default_code = "busy"
    wait = RETRY_AFTER_SECONDS
    """Seconds; the REST framework sends it as Retry-After."""


class Gate:
    """Lets `at_once` callers through at a time, and lets `queued` more wait; twice as many if they are preferred."""

    def __init__(self, at_once: int, queued: int) -> None:
        self._free = threading.Semaphore(at_once)
        self._queued = queued
        self._waiting = 0
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and hold it in the block. Raises HashingBusy, immediately if the queue is full."""
        if not self._free.acquire(blocking=False):
            self._wait()
        try:
            yield
        finally:
            self._free.release()

    def _wait(self) -> None:
        most = self._queued * (2 if _preferred.get() else 1)
        with self._lock:
            if self._waiting >= most:
                raise HashingBusy
            self._waiting += 1
        try:
            if not self._free.acquire(timeout=LONGEST_WAIT_SECONDS):
                raise HashingBusy
        finally:
            with self._lock:
                self._waiting -= 1


gate = PerProcess(lambda: Gate(settings.PASSWORD_HASHES_AT_ONCE, settings.PASSWORD_HASHES_QUEUED))
"""The gate of this process."""


@contextmanager
def preferred(yes: bool = True) -> Iterator[None]:
    """Let the hashes in the block, those of known devices, wait in the second half of the queue."""
    token = _preferred.set(yes)
    try:
        yield
    finally:
        _preferred.reset(token)


class QueuedPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """Django's default hasher, with the same hashes, behind the gate."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Return the hash. Outside of a transaction, releases this thread's database connections first. Raises
        HashingBusy."""
        _release_connections()
        with gate().turn():
            return super().encode(password, salt, iterations)


def _release_connections() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return  # a thread with an event loop holds no connection, and Django raises on access
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()  # returns it to the pool; the next query takes one again
