"""The companion process of a worker (`python -m` this module): renews the leases that the worker holds.

It runs as long as the worker, and renews while the worker's loop proceeds: not if the worker has taken no turn for
LEASE_SECONDS or is stopped, nor for an execution whose turn takes that long. It uses no Django, so it is small and
starts quickly. It receives the database settings over its standard input, a socket that closes with the worker.
"""

from __future__ import annotations

import json
import logging
import logging.config
import os
import select
import signal
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from executions.engine.heartbeat.table import Entry, Table
from workflow_platform.core import logs

logger = logging.getLogger("executions.heartbeat")

RETRY_SECONDS = 0.5
_HELD = (
    "SELECT e.id FROM executions_execution e"
    " JOIN unnest(%(ids)s::uuid[], %(tokens)s::int[]) AS held(id, fencing_token) USING (id, fencing_token)"
    " WHERE e.status = 'running' AND e.lease_expires_at > clock_timestamp()"
)
RENEW = (
    # A row that is locked is being written under the same lease, which the recorder then renews: to wait for that
    # would let all others run out.
    f"WITH ours AS ({_HELD} ORDER BY e.id FOR UPDATE OF e SKIP LOCKED),"  # noqa: S608 - text of our own
    " renewed AS (UPDATE executions_execution e"
    " SET lease_expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)"
    " FROM ours WHERE e.id = ours.id)"
    f" {_HELD}"
)
"""Extends leases. Returns the executions whose leases hold."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the worker sends to its companion at the start."""

    worker: int
    """Its process number."""
    descriptor: int
    slots: int
    """Of the table."""
    lease_seconds: float
    heartbeat_seconds: float
    database: dict[str, Any]
    """Arguments of `psycopg.connect`."""
    worker_name: str = ""
    """As leases and log lines name the worker."""
    log_format: str = "text"
    log_level: str = "INFO"


class Companion:
    """Renews leases as the table says."""

    def __init__(self, order: Order, table: Table) -> None:
        self._order, self._table = order, table
        self._connection: psycopg.Connection[Any] | None = None
        self._stopped = False

    def run(self) -> None:
        """Renew repeatedly, without end."""
        while True:
            pause = self._order.heartbeat_seconds
            try:
                self.beat()
            except psycopg.Error as error:
                pause = min(pause, RETRY_SECONDS)
                logger.warning("leases not renewed: %s; retrying in %g s", error, pause, extra={"retry_seconds": pause})
                self.disconnect()
            time.sleep(pause)

    def beat(self) -> None:
        """Renew the held leases, and mark the lost ones. Raises psycopg.Error."""
        held = list(self._table.held())
        if not held:
            self.disconnect()
            return
        if self._stands_still():
            return
        now = time.monotonic()
        held = [entry for entry in held if not entry.turn_since or now - entry.turn_since <= self._order.lease_seconds]
        renewed = self._renew(held)
        for entry in held:
            if entry.execution_id not in renewed:
                self._table.lost(entry)

    def _stands_still(self) -> bool:
        """Return whether the worker's loop does not proceed; log when that changes."""
        age = time.monotonic() - self._table.ticked_at()
        still = age > self._order.lease_seconds or is_stopped(self._order.worker)
        if still is not self._stopped:
            self._stopped = still
            what = (
                "its leases expire and other workers take its executions" if still else "its leases are renewed again"
            )
            logger.warning("worker did its last turn %.1f s ago: %s", age, what)
        return still

    def _renew(self, held: list[Entry]) -> set[Any]:
        """Extend every lease that is still the worker's and has not expired. Returns their executions."""
        if not held:
            return set()
        if self._connection is None:
            self._connection = psycopg.connect(**self._order.database, autocommit=True)
        values = {
            "ids": [entry.execution_id for entry in held],
            "tokens": [entry.fencing_token for entry in held],
            "seconds": self._order.lease_seconds,
        }
        return {row[0] for row in self._connection.execute(RENEW, values).fetchall()}

    def disconnect(self) -> None:
        """Close the connection while no lease is held."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def is_stopped(pid: int) -> bool:
    """Return whether a process was stopped by a signal. False where the system has no such information."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in {"T", "t"}


def main() -> None:
    """Serve the worker on the standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker handles Ctrl-C
    connection = socket.socket(fileno=0)
    with connection.makefile("r") as orders:
        line = orders.readline()
    if not line:
        return
    order = Order(**json.loads(line))
    logging.config.dictConfig(logs.configuration(order.log_format, order.log_level))
    logs.set_process_fields("lease_keeper", worker=order.worker_name)
    logs.log_uncaught_exceptions()
    threading.Thread(target=_leave_with_worker, args=(connection,), daemon=True).start()
    Companion(order, Table(order.descriptor, order.slots)).run()


def _leave_with_worker(connection: socket.socket) -> None:
    """End this process when the worker's end of the socket is closed, whatever the database does meanwhile."""
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    while True:
        waiting.poll()
        if not connection.recv(1024):
            os._exit(0)


if __name__ == "__main__":
    main()
