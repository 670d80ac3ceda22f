"""Leases held by this process: a companion process renews them, a thread here looks what their executions are asked.

The companion (`executions.heartbeat`) needs nothing of this process but signs of life: code that holds the lock of the
interpreter for seconds costs no lease. A loop that no longer proceeds costs all of them, so that other workers go on.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from executions.engine.driver import driver
from executions.engine.heartbeat.process import CompanionProcess
from executions.engine.heartbeat.table import Table
from executions.lifecycle import Lease

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.4
"""How often requests to cancel or pause are looked for: each takes effect within a second."""
SPARE_SLOTS = 64
"""Places in the table besides those for WORKER_CONCURRENCY: an execution may end while the next has begun."""


class Holder(Protocol):
    """Who runs an execution under a lease. Every method may be called from the heartbeats' thread, and returns at
    once."""

    lease: Lease

    def lease_is_lost(self) -> None: ...

    def is_asked(self, cancel: dict[str, Any] | None, pause: dict[str, Any] | None, woken: bool) -> None: ...


@dataclass(slots=True)
class Held:
    """A lease that is renewed, with its place in the table."""

    holder: Holder
    lease: Lease
    slot: int
    table: Table
    over: bool = False

    def turn_begins(self) -> None:
        """The execution's turn begins: it must not last as long as a lease."""
        if not self.over:
            self.table.turn(self.slot, time.monotonic())

    def turn_is_over(self) -> None:
        """The turn is over."""
        if not self.over:
            self.table.turn(self.slot, 0.0)

    @property
    def lost(self) -> bool:
        """Tell whether the companion found the lease lost."""
        return self.table.is_lost(self.slot, self.lease.execution_id, self.lease.fencing_token)


class Heartbeats:
    """Has what is held renewed until it is let go."""

    def __init__(self) -> None:
        self._table = Table.create(SPARE_SLOTS + 2 * settings.WORKER_CONCURRENCY)
        self._free = list(range(self._table.slots))
        self._held: dict[Lease, Held] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self.companion = CompanionProcess(self._table)
        atexit.register(self._stop, os.getpid())
        driver().pulse.listeners.append(self._table.tick)
        threading.Thread(target=self._run, name="heartbeats", daemon=True).start()

    def _stop(self, owner: int) -> None:
        if os.getpid() == owner:  # not in a fork
            self.companion.stop()

    def hold(self, holder: Holder) -> Held:
        """Renew the holder's lease until `let_go`."""
        lease = holder.lease
        with self._lock:
            if not self._held:  # no turn was taken while there was nothing to do
                self._table.tick(time.monotonic())
            held = Held(holder, lease, self._free.pop(), self._table)
            self._held[lease] = held
            self._table.hold(held.slot, lease.execution_id, lease.fencing_token)
        self._wake.set()
        return held

    def let_go(self, lease: Lease) -> None:
        """Renew it no more."""
        with self._lock:
            held = self._held.pop(lease, None)
            if held is not None:
                held.over = True
                self._table.let_go(held.slot)
                self._free.append(held.slot)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            with self._lock:
                held = list(self._held.values())
                if not held:
                    self._wake.clear()
            if not held:
                connection.close()
                continue
            try:
                self.companion.keep()
                for each in held:
                    if each.lost:
                        each.holder.lease_is_lost()
                self._look([each.holder for each in held])
            except (DatabaseError, InterfaceError, OSError) as error:
                logger.warning("what %d executions are asked is not known: %s", len(held), error)
                connection.close()
            threading.Event().wait(min(LOOK_SECONDS, settings.HEARTBEAT_SECONDS))

    def _look(self, held: list[Holder]) -> None:
        """Tell the holders what they are asked."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, CASE WHEN cancel_requested_at IS NOT NULL THEN COALESCE(cancel_request, '{}') END,"
                " pause_request, resume_at IS NOT NULL FROM executions_execution WHERE id = ANY(%s) AND"
                " (cancel_requested_at IS NOT NULL OR pause_request IS NOT NULL OR resume_at IS NOT NULL)",
                [[h.lease.execution_id for h in held]],
            )
            asked = {row[0]: row[1:] for row in cursor.fetchall()}
        for holder in held:
            cancel, pause, woken = asked.get(holder.lease.execution_id, (None, None, False))
            holder.is_asked(_json(cancel), _json(pause), woken)


def _json(value: Any) -> dict[str, Any] | None:
    """Return what a jsonb column holds; Django's cursors hand it out as text."""
    found: dict[str, Any] | None = orjson.loads(value) if isinstance(value, str) else value
    return found


_heartbeats: Heartbeats | None = None
_starting = threading.Lock()


def heartbeats() -> Heartbeats:
    """Return the heartbeats of this process, started on first use."""
    global _heartbeats
    with _starting:
        if _heartbeats is None:
            _heartbeats = Heartbeats()
        return _heartbeats


def _forget() -> None:
    global _heartbeats, _starting
    _heartbeats, _starting = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)  # a fork has none of its parent's threads, and holds no lease
