"""Leases held by this process: one thread renews them all with one statement, and hears of cancellations by it."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Protocol
from uuid import UUID

import orjson
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from executions.lifecycle import Lease

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.4
"""How often requests to cancel or pause are looked for: each takes effect within a second."""


class Holder(Protocol):
    """Who runs an execution under a lease. Every method may be called from the heartbeats' thread, and returns at
    once."""

    lease: Lease

    def lease_is_lost(self) -> None: ...

    def is_asked(self, cancel: dict[str, Any] | None, pause: dict[str, Any] | None, woken: bool) -> None: ...


class Heartbeats:
    """Renews what is held until it is let go."""

    def __init__(self) -> None:
        self._held: dict[UUID, Holder] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._renewed_at = 0.0
        threading.Thread(target=self._run, name="heartbeats", daemon=True).start()

    def hold(self, holder: Holder) -> None:
        """Renew the holder's lease until `let_go`."""
        with self._lock:
            self._held[holder.lease.execution_id] = holder
        self._wake.set()

    def let_go(self, lease: Lease) -> None:
        """Renew it no more."""
        with self._lock:
            holder = self._held.get(lease.execution_id)
            if holder is not None and holder.lease == lease:
                del self._held[lease.execution_id]

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
                self._look(held)
                if time.monotonic() - self._renewed_at >= settings.HEARTBEAT_SECONDS:
                    self._renewed_at = time.monotonic()
                    self._renew(held)
            except (DatabaseError, InterfaceError) as error:
                logger.warning("heartbeat of %d leases failed: %s", len(held), error)
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

    def _renew(self, held: list[Holder]) -> None:
        """Extend every lease that is still ours and has not run out; tell the holders of the others."""
        with connection.cursor() as cursor:
            cursor.execute(
                # Locked in id order, as the recorder does.
                "WITH ours AS (SELECT e.id FROM executions_execution e"
                " JOIN unnest(%s::uuid[], %s::int[]) AS held(id, fencing_token) USING (id, fencing_token)"
                " WHERE e.status = 'running' AND e.lease_expires_at > clock_timestamp() ORDER BY e.id FOR UPDATE OF e)"
                " UPDATE executions_execution e"
                " SET lease_expires_at = clock_timestamp() + make_interval(secs => %s)"
                " FROM ours WHERE e.id = ours.id RETURNING e.id",
                [
                    [h.lease.execution_id for h in held],
                    [h.lease.fencing_token for h in held],
                    settings.LEASE_SECONDS,
                ],
            )
            renewed = {row[0] for row in cursor.fetchall()}
        for holder in held:
            if holder.lease.execution_id not in renewed:
                holder.lease_is_lost()


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
