"""Deadlines and cancellations of calls that block in a socket: one thread shuts down the sockets of calls that are
over.

A socket's own timeout restarts with each byte that arrives, so it is no deadline; and nothing but its end wakes a
thread that waits in it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from workflow_platform.core.per_process import PerProcess

TICK_SECONDS = 0.1

Reason = Literal["deadline", "cancelled"]


class Watch:
    """One call: its deadline, and the socket that it waits for."""

    __slots__ = ("_handle", "_lock", "cancelled", "deadline", "fired", "seconds")

    def __init__(self, seconds: float, cancelled: threading.Event | None) -> None:
        self.seconds, self.cancelled = seconds, cancelled
        self.deadline = time.monotonic() + seconds
        self.fired: Reason | None = None
        """Why the call is over; None while it is not."""
        self._handle: socket.socket | None = None
        self._lock = threading.Lock()

    @property
    def remaining(self) -> float:
        """Return the remaining seconds; 0 when the call is over."""
        return 0.0 if self.check() else max(0.0, self.deadline - time.monotonic())

    def guard(self, handle: socket.socket | None) -> None:
        """Shut down this socket when the call is over, or now if it already is. None: the call has no socket any
        more."""
        with self._lock:
            self._handle = handle
            if self.fired:
                self._shut()

    def check(self) -> Reason | None:
        """Return why the call is over, None while it is not. Shuts down the socket of a call that is over."""
        with self._lock:
            if self.fired is None:
                if self.cancelled is not None and self.cancelled.is_set():
                    self.fired = "cancelled"
                elif time.monotonic() >= self.deadline:
                    self.fired = "deadline"
                if self.fired:
                    self._shut()
            return self.fired

    def _shut(self) -> None:
        if self._handle is not None:
            with suppress(OSError):  # closed or not yet connected: no call waits for it
                self._handle.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """Checks every call ten times a second; sleeps while there is none."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._lock = threading.Lock()
        self._some = threading.Event()
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    @contextmanager
    def watching(self, seconds: float, cancelled: threading.Event | None) -> Iterator[Watch]:
        """Watch the call in the block, which may take this many seconds."""
        watch = Watch(seconds, cancelled)
        with self._lock:
            self._watches.add(watch)
        self._some.set()
        try:
            yield watch
        finally:
            watch.guard(None)
            with self._lock:
                self._watches.discard(watch)

    def _run(self) -> None:
        while True:
            self._some.wait()
            with self._lock:
                watches = list(self._watches)
                if not watches:
                    self._some.clear()
                    continue
            for watch in watches:
                watch.check()
            time.sleep(TICK_SECONDS)


watchdog = PerProcess(Watchdog)
"""The watchdog of this process."""
