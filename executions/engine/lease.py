"""The leases that this process holds, and the requests to the executions that hold them.

A companion process (`heartbeat`) renews the leases. It needs only signs of life from this process, so code that holds
the interpreter lock for seconds loses no lease. A process that takes no turns at all loses its leases, and other
workers continue.
"""

from __future__ import annotations

import logging
import os
import socket
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
from workflow_platform.core.per_process import PerProcess

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.4
"""How often requests to cancel or pause are read: each takes effect within a second."""
SPARE_SLOTS = 64
"""Slots of the table besides those for WORKER_CONCURRENCY: an execution may end while the next has begun."""


def worker_name() -> str:
    """Return the name of this process in leases and events."""
    return f"{socket.gethostname()}:{os.getpid()}"


class LeaseHolder(Protocol):
    """Runs an execution under a lease. The methods are called from the heartbeats' thread and return at once."""

    lease: Lease

    def on_lease_lost(self) -> None: ...

    def on_control_request(
        self, cancel: dict[str, Any] | None, pause: dict[str, Any] | None, woken: bool, read_at: float
    ) -> None: ...


@dataclass(slots=True)
class HeldLease:
    """A lease that the companion renews, with its slot in the table."""

    holder: LeaseHolder
    lease: Lease
    slot: int
    table: Table
    released: bool = False

    def turn_begins(self) -> None:
        """Record the beginning of the execution's turn: a lease is not renewed for a turn that takes as long."""
        if not self.released:
            self.table.turn(self.slot, time.monotonic())

    def turn_ends(self) -> None:
        """Record the end of the turn."""
        if not self.released:
            self.table.turn(self.slot, 0.0)

    @property
    def lost(self) -> bool:
        """Return whether the companion found the lease lost."""
        return self.table.is_lost(self.slot, self.lease.execution_id, self.lease.fencing_token)


class Heartbeats:
    """Has the held leases renewed until they are released."""

    def __init__(self) -> None:
        self._table = Table.create(SPARE_SLOTS + 2 * settings.WORKER_CONCURRENCY)
        self._free_slots = list(range(self._table.slots))
        self._held: dict[Lease, HeldLease] = {}
        self._lock = threading.Lock()
        self._has_leases = threading.Event()
        self.companion = CompanionProcess(self._table)
        driver().turn_latency.listeners.append(self._table.tick)
        threading.Thread(target=self._run, name="heartbeats", daemon=True).start()

    def stop(self) -> None:
        """End the companion process."""
        self.companion.stop()

    def hold(self, holder: LeaseHolder) -> HeldLease:
        """Renew the holder's lease until `release`."""
        lease = holder.lease
        with self._lock:
            if not self._held:  # an idle worker takes no turns
                self._table.tick(time.monotonic())
            held = HeldLease(holder, lease, self._free_slots.pop(), self._table)
            self._held[lease] = held
            self._table.hold(held.slot, lease.execution_id, lease.fencing_token)
        self._has_leases.set()
        return held

    def release(self, lease: Lease) -> None:
        """Stop renewing the lease."""
        with self._lock:
            held = self._held.pop(lease, None)
            if held is not None:
                held.released = True
                self._table.let_go(held.slot)
                self._free_slots.append(held.slot)

    def _run(self) -> None:
        while True:
            self._has_leases.wait()
            with self._lock:
                leases = list(self._held.values())
                if not leases:
                    self._has_leases.clear()
            if not leases:
                connection.close()
                continue
            try:
                self.companion.keep()
                for held in leases:
                    if held.lost:
                        held.holder.on_lease_lost()
                self._poll_requests([held.holder for held in leases])
            except (DatabaseError, InterfaceError, OSError) as error:
                logger.warning(
                    "cancel and pause requests of %d executions cannot be read; retrying in %g s: %s",
                    len(leases),
                    min(POLL_SECONDS, settings.HEARTBEAT_SECONDS),
                    str(error).strip(),
                    extra={"worker": worker_name()},
                )
                connection.close()
            threading.Event().wait(min(POLL_SECONDS, settings.HEARTBEAT_SECONDS))

    def _poll_requests(self, holders: list[LeaseHolder]) -> None:
        """Read the requests to the executions and pass them on, with the time from which they are true."""
        read_at = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, CASE WHEN cancel_requested_at IS NOT NULL THEN COALESCE(cancel_request, '{}') END,"
                " pause_request, resume_at IS NOT NULL FROM executions_execution WHERE id = ANY(%s) AND"
                " (cancel_requested_at IS NOT NULL OR pause_request IS NOT NULL OR resume_at IS NOT NULL)",
                [[holder.lease.execution_id for holder in holders]],
            )
            requests = {row[0]: row[1:] for row in cursor.fetchall()}
        for holder in holders:
            cancel, pause, woken = requests.get(holder.lease.execution_id, (None, None, False))
            holder.on_control_request(_json(cancel), _json(pause), woken, read_at)


def _json(value: Any) -> dict[str, Any] | None:
    """Return the value of a jsonb column; Django's cursors return it as text."""
    parsed: dict[str, Any] | None = orjson.loads(value) if isinstance(value, str) else value
    return parsed


heartbeats = PerProcess(Heartbeats, close=Heartbeats.stop)
"""The heartbeats of this process."""
