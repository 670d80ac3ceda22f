"""Leases held by this process: one thread renews them all with one statement, and hears of cancellations by it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from executions.lifecycle import Lease

logger = logging.getLogger(__name__)

CANCEL_POLL_SECONDS = 0.4
"""How often cancellations are looked for: a cancel takes effect within a second."""


@dataclass(slots=True)
class Held:
    """A lease as its holder sees it."""

    lease: Lease
    lost: threading.Event = field(default_factory=threading.Event)
    cancel_requested: threading.Event = field(default_factory=threading.Event)


class Heartbeats:
    """Renews what is held until it is let go."""

    def __init__(self) -> None:
        self._held: dict[UUID, Held] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        threading.Thread(target=self._run, name="heartbeats", daemon=True).start()

    @contextmanager
    def holding(self, lease: Lease) -> Iterator[Held]:
        """Renew `lease` while the block runs."""
        held = Held(lease)
        with self._lock:
            self._held[lease.execution_id] = held
        self._wake.set()
        try:
            yield held
        finally:
            with self._lock:
                if self._held.get(lease.execution_id) is held:
                    del self._held[lease.execution_id]

    def _run(self) -> None:
        while True:
            self._wake.wait()
            with self._lock:
                held = list(self._held.values())
                if not held:
                    self._wake.clear()
                    continue
            try:
                self._renew(held)
            except (DatabaseError, InterfaceError) as error:
                logger.warning("heartbeat of %d leases failed: %s", len(held), error)
                connection.close()
            threading.Event().wait(min(CANCEL_POLL_SECONDS, settings.HEARTBEAT_SECONDS))

    def _renew(self, held: list[Held]) -> None:
        """Extend every lease that is still ours and has not run out; tell the holders of the others."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE executions_execution e"
                " SET lease_expires_at = clock_timestamp() + make_interval(secs => %s)"
                " FROM unnest(%s::uuid[], %s::int[]) AS held(id, fencing_token)"
                " WHERE e.id = held.id AND e.fencing_token = held.fencing_token AND e.status = 'running'"
                " AND e.lease_expires_at > clock_timestamp()"
                " RETURNING e.id, e.cancel_requested_at IS NOT NULL",
                [
                    settings.LEASE_SECONDS,
                    [h.lease.execution_id for h in held],
                    [h.lease.fencing_token for h in held],
                ],
            )
            renewed = dict(cursor.fetchall())
        for h in held:
            if h.lease.execution_id not in renewed:
                h.lost.set()
            elif renewed[h.lease.execution_id]:
                h.cancel_requested.set()


_heartbeats: Heartbeats | None = None
_starting = threading.Lock()


def heartbeats() -> Heartbeats:
    """Return the heartbeats of this process, started on first use."""
    global _heartbeats
    with _starting:
        if _heartbeats is None:
            _heartbeats = Heartbeats()
        return _heartbeats
