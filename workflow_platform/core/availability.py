"""Whether a server that this process depends on (PostgreSQL, Redis) still answers.

A server that is stopped refuses connections, and a client notices at once. One that is frozen, or cut off by the
network, accepts what is sent and never answers, and a client waits until some timeout. But a slow answer does not mean
a lost server: a statement may take minutes, and may wait for a lock. So the time of one response is not the criterion.
A call that has waited for a while makes its process ask the server something trivial (a probe). If the probe is
answered, the call keeps waiting. If not, the server is lost: all calls that wait for it end with an error, and new
calls fail immediately, until a probe is answered again.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

logger = logging.getLogger(__name__)

SUSPECT_AFTER = 0.25
"""Fraction of the timeout after which a waiting call is reason for a probe; the rest is what the probe may take."""
MOST_GROWTH = 4
"""A call that waits by design, as for the next job, is reason for a probe less and less often, up to this factor."""
TICKS = 20
"""How often waiting calls are checked in one timeout."""
AGAIN_SECONDS = 0.25
"""Pause between the probes of a lost server."""

_serving = False


def serve_requests() -> None:
    """Mark this process as one that serves requests: it gives up lost servers sooner than a worker does."""
    global _serving
    _serving = True


def serves_requests() -> bool:
    """Return whether this process serves requests."""
    return _serving


class ServerUnavailable(Exception):
    """The server does not answer."""


class GuardedCall:
    """A call that waits for the server. With a socket, the socket is shut down when the server is lost."""

    __slots__ = ("given_up", "growth", "handle", "since")

    def __init__(self, handle: socket.socket | None) -> None:
        self.handle, self.since, self.given_up = handle, time.monotonic(), False
        self.growth = 1
        """Doubles with each probe that was answered while the call waits."""


class Availability:
    """The availability of one server in this process. Thread-safe; its threads start with the first call."""

    def __init__(
        self,
        name: str,
        probe: Callable[[], None],
        timeout: Callable[[], float],
        reset: Callable[[], None] = lambda: None,
    ) -> None:
        """`probe` asks the server something and raises if there is no answer; `timeout` returns the seconds after
        which a server without any sign of life is lost; `reset` is called then, and when the server is back."""
        self.name = name
        self._probe, self._timeout, self._reset = probe, timeout, reset
        self._start_over()
        os.register_at_fork(after_in_child=self._start_over)  # a fork has none of its parent's threads

    def _start_over(self) -> None:
        self.lost = False
        self._calls: set[GuardedCall] = set()
        self._lock = threading.Lock()
        self._watched, self._probe_requested, self._answers = threading.Event(), threading.Event(), threading.Event()
        self._probe_begins = threading.Event()
        self._answers.set()
        self._probing = False
        self._waited = 0.0
        self._answered_at = 0.0
        self._running = False

    # --- what calls do ---------------------------------------------------------------------------------------------

    def begin(self, handle: socket.socket | None = None) -> GuardedCall:
        """Register a call that is about to wait for the server. Raises ServerUnavailable if the server is lost."""
        call = GuardedCall(handle)
        with self._lock:
            if self.lost:
                raise ServerUnavailable(f"{self.name} does not answer.")
            if not self._running:
                self._running = True
                for target in (self._watch, self._keep_probing):
                    threading.Thread(target=target, name=f"availability of {self.name}", daemon=True).start()
            self._calls.add(call)
        if not self._watched.is_set():
            self._watched.set()
        return call

    def end(self, call: GuardedCall) -> None:
        """Unregister a call that has its answer or an error."""
        with self._lock:
            self._calls.discard(call)

    def wait(self, seconds: float) -> bool:
        """Wait at most this long for a lost server to answer again. Returns whether it does."""
        return self._answers.wait(seconds)

    def answers(self) -> bool:
        """Ask the server now. Returns False without asking if it is lost already."""
        try:
            call = self.begin()
        except ServerUnavailable:
            return False
        try:
            answered_at = self._answered_at
            self._request_probe()
            while not call.given_up and self._answered_at == answered_at:
                time.sleep(self._timeout() / TICKS / 5)
            return not call.given_up
        finally:
            self.end(call)

    # --- what finds out --------------------------------------------------------------------------------------------

    def _request_probe(self) -> None:
        with self._lock:
            if not self._probing:
                self._probing, self._waited = True, 0.0
                self._probe_requested.set()
                self._probe_begins.set()

    def _watch(self) -> None:
        while True:
            self._watched.wait()
            timeout, looked_at = self._timeout(), time.monotonic()
            with self._lock:
                if not self._calls and not self._probing:
                    self._watched.clear()
                    continue
                self._probe_begins.clear()
                suspect_in = min((self._suspect_at(call, timeout) for call in self._calls), default=looked_at)
                suspect_in -= looked_at
            pause = timeout / TICKS
            if self._probing:
                if not self.lost and self._waited > timeout * (1 - SUSPECT_AFTER):
                    self._lose("no answer")
            elif self._calls and suspect_in <= 0:
                self._request_probe()
            else:  # a call that begins meanwhile is not suspect before
                pause = max(pause, min(suspect_in, timeout * SUSPECT_AFTER))
            self._probe_begins.wait(pause)
            # A process that was itself stopped for a while has not waited for an answer meanwhile.
            self._waited += min(time.monotonic() - looked_at, 2 * timeout / TICKS)

    def _suspect_at(self, call: GuardedCall, timeout: float) -> float:
        return max(call.since, self._answered_at) + timeout * SUSPECT_AFTER * call.growth

    def _keep_probing(self) -> None:
        while True:
            self._probe_requested.wait()
            began = time.monotonic()
            try:
                self._probe()
            except Exception as error:  # whatever it is, this process cannot use the server
                self._lose(str(error).strip() or type(error).__name__)
                time.sleep(AGAIN_SECONDS)
                continue
            if self.lost:
                self._reset()
                logger.info("%s responds again", self.name, extra={"server": self.name})
            with self._lock:
                self._probe_requested.clear()
                self._probing, self._answered_at = False, began
                self.lost = False
                self._answers.set()
                for call in self._calls:
                    if call.since <= began:
                        call.growth = min(2 * call.growth, MOST_GROWTH)

    def _lose(self, reason: str) -> None:
        with self._lock:
            if self.lost or not self._probing:  # answered in this instant
                return
            self.lost = True
            self._answers.clear()
            calls, self._calls = self._calls, set()
            for call in calls:
                call.given_up = True
        logger.error(
            "%s does not respond: %s; %d calls fail now, trying again every %g s",
            self.name,
            reason,
            len(calls),
            AGAIN_SECONDS,
            extra={"server": self.name, "count": len(calls), "retry_seconds": AGAIN_SECONDS},
        )
        for call in calls:
            if call.handle is not None:
                with suppress(OSError):  # closed meanwhile
                    call.handle.shutdown(socket.SHUT_RDWR)
        self._reset()
