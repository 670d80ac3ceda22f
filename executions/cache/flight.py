"""Single flight: of several concurrent requests for a key, in any process, one computes and the others wait for it.

The computing process holds a lock and renews it. If the process dies, the lock expires and a waiter takes over. A
message wakes the waiters; they also poll, since a message may be lost. They wait in the calling thread, at most
LONGEST_WAIT_SECONDS, and never in more than half of the node threads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from django.conf import settings
from redis.exceptions import RedisError

from executions.cache.store import RESOLVED, Away, Store, lock_ms, store
from workflow_platform.core import spending
from workflow_platform.core.backoff import around, exponential
from workflow_platform.core.per_process import PerProcess
from workflow_platform.core.redis_server import server

logger = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 120.0
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.05, 1.0
LISTENER_PAUSE_SECONDS = 1.0

Kind = Literal["node", "execution"]


@dataclass(frozen=True, slots=True)
class Hit:
    """The result was in the cache, or another request has computed it meanwhile."""

    value: Any


class Flight:
    """The caller computes the result and then calls `resolve` once, also after an error."""

    def __init__(self, key: str, ttl: int, token: str | None = None) -> None:
        """`token` is the token of the lock; without one no other request waits for this flight."""
        self.key, self.token, self._ttl = key, token, ttl
        self._resolved = False
        if token is not None:
            _renewals().hold(self)

    def resolve(self, value: Any = None, *, keep: bool) -> None:
        """Store the result if it should be kept, and release the waiters. Never raises."""
        if self._resolved:
            return
        self._resolved = True
        kept = False
        try:
            kept = keep and store().put(self.key, value, self._ttl)
        except Away:
            pass
        finally:
            if self.token is not None:
                _renewals().release(self)
                self._release(self.token, kept)

    def _release(self, token: str, kept: bool) -> None:
        try:
            store().release(self.key, token, kept)
        except Away:
            logger.info("lock of cached result %s not released: Redis does not respond; it expires by itself", self.key)


def ask(kind: Kind, key: str, ttl: int, cancelled: threading.Event) -> Hit | Flight:
    """Return the cached result or the one that another request is computing; otherwise a flight for the caller.

    Blocks while another request computes. Returns a flight if Redis is unavailable, the wait is too long, the other
    request fails, or `cancelled` is set.
    """
    results, token = store(), uuid4().hex
    try:
        look = results.look(kind, key, token, ttl)
        if look.hit:
            return Hit(look.value)
        if look.leads:
            return Flight(key, ttl, token)
        if _may_wait().acquire(blocking=False):
            try:
                with spending.waiting("cache"):
                    waited = _wait(results, kind, key, ttl, token, cancelled)
            finally:
                _may_wait().release()
            if waited is not None:
                return waited
        results.miss(kind)
    except Away:
        pass
    return Flight(key, ttl)


def peek(key: str, ttl: int) -> Hit | None:
    """Return the cached result, if there is one, without an effect on the cache or its counters. Does not wait."""
    try:
        look = store().peek(key, ttl)
    except Away:
        return None
    return Hit(look.value) if look.hit else None


def _wait(
    results: Store, kind: Kind, key: str, ttl: int, token: str, cancelled: threading.Event
) -> Hit | Flight | None:
    """Wait for the result of another request. Returns None if the caller should compute as well."""
    deadline, looks = time.monotonic() + LONGEST_WAIT_SECONDS, 1
    with _listener().waiter(key) as waiter:
        while not cancelled.is_set() and time.monotonic() < deadline:
            look = results.look(kind, key, token, ttl)
            if look.hit:
                return Hit(look.value)
            if look.leads:
                return Flight(key, ttl, token)
            if waiter.answered is False:
                return None  # it failed; computing one after another would take too long
            waiter.woken.wait(around(exponential(looks, FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS), 0.25))
            waiter.woken.clear()
            looks += 1
    return None


class _Waiter:
    """A waiter for a key. `answered` is the value of the last message."""

    def __init__(self, listener: _Listener, key: str) -> None:
        self._listener, self._key = listener, key
        self.woken = threading.Event()
        self.answered: bool | None = None

    def __enter__(self) -> _Waiter:
        self._listener.add(self._key, self)
        return self

    def __exit__(self, *raised: object) -> None:
        self._listener.remove(self._key, self)


class _Listener:
    """One thread per process listens for resolved flights."""

    def __init__(self) -> None:
        self._waiters: defaultdict[str, set[_Waiter]] = defaultdict(set)
        self._lock = threading.Lock()
        self._subscribed = threading.Event()
        threading.Thread(target=self._run, name="cache listener", daemon=True).start()

    def waiter(self, key: str) -> _Waiter:
        return _Waiter(self, key)

    def add(self, key: str, waiter: _Waiter) -> None:
        with self._lock:
            self._waiters[key].add(waiter)
        self._subscribed.wait(LISTENER_PAUSE_SECONDS)  # while it starts; waiters poll without it

    def remove(self, key: str, waiter: _Waiter) -> None:
        with self._lock:
            self._waiters[key].discard(waiter)
            if not self._waiters[key]:
                del self._waiters[key]

    def waiting(self, key: str) -> int:
        """Return the number of waiters for the key in this process."""
        with self._lock:
            return len(self._waiters.get(key, ()))

    def _run(self) -> None:
        warned = False
        while True:
            try:
                client: Any = server().client()
                with client.pubsub() as channel:
                    channel.subscribe(RESOLVED)
                    for message in channel.listen():
                        if message["type"] == "subscribe":
                            self._subscribed.set()
                            warned = False
                        else:
                            self._wake(message["data"].decode())
            except (RedisError, OSError) as error:
                if not warned:  # once while Redis is unavailable
                    logger.warning(
                        "notifications of cached results not received: %s; polling until they are back", error
                    )
                warned = True
            self._subscribed.clear()
            threading.Event().wait(LISTENER_PAUSE_SECONDS)

    def _wake(self, message: str) -> None:
        key, _, answered = message.rpartition(" ")
        with self._lock:
            waiters = list(self._waiters.get(key, ()))
        for waiter in waiters:
            waiter.answered = answered == "1"
            waiter.woken.set()


class _Renewals:
    """One thread per process renews the locks of its flights. They expire only if the process dies or freezes."""

    def __init__(self) -> None:
        self._held: set[Flight] = set()
        self._lock = threading.Lock()
        self._any_held = threading.Event()
        threading.Thread(target=self._run, name="cache locks", daemon=True).start()

    def hold(self, flight: Flight) -> None:
        with self._lock:
            self._held.add(flight)
        self._any_held.set()

    def release(self, flight: Flight) -> None:
        with self._lock:
            self._held.discard(flight)

    def _run(self) -> None:
        while True:
            self._any_held.wait()
            threading.Event().wait(lock_ms() / 4_000)
            with self._lock:
                held = list(self._held)
                if not held:
                    self._any_held.clear()
            for flight in held:
                self._renew(flight)

    def _renew(self, flight: Flight) -> None:
        assert flight.token is not None
        try:
            store().renew(flight.key, flight.token)
        except Away:
            return
        with self._lock:
            resolved = flight not in self._held
        if resolved:  # meanwhile: the renewed lock has no holder
            flight._release(flight.token, False)


_listener = PerProcess(_Listener)
_renewals = PerProcess(_Renewals)
_may_wait = PerProcess(lambda: threading.BoundedSemaphore(max(1, settings.NODE_THREADS // 2)))
