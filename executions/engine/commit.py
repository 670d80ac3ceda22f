"""One transaction of the recorder: changes of executions, claims, and events, written once even if the connection
breaks around the commit."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DataError, InterfaceError, OperationalError, connection, transaction

from events import log
from events.log import NewEvent
from events.log.models import Event
from executions import lifecycle
from executions.domain.statuses import ExecutionStatus
from executions.engine import kept_outcomes, rows, static_data
from executions.engine.lease import worker_name
from executions.lifecycle import Change, ClaimedExecution, Lease
from executions.lifecycle.attribute_rows import write_attributes
from executions.lifecycle.deliveries import withdraw
from executions.models import Wait
from workflow_platform.core.postgresql import prepared

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.2

Claim = tuple[list[UUID], str, "Future[list[ClaimedExecution]]"]


class StaleLease(Exception):
    """Another worker holds the execution, it has ended, or its lease has expired: nothing was written."""


@dataclass(slots=True)
class Written:
    """What a transaction wrote."""

    stale: set[UUID]
    """Executions whose lease no longer holds: none of their changes was written."""
    claimed: list[list[ClaimedExecution]]


@dataclass(slots=True)
class TransactionTrace:
    """Determines whether a transaction was committed if the connection broke before the response.

    The transaction id only shows that the transaction is over: after a crash PostgreSQL may reuse the id of a rolled
    back transaction. Its events show that it was committed. A transaction without events cannot be found and is written
    again. Its changes are idempotent; a lease that it took is no longer free, expires, and the execution is recovered.
    """

    transaction_id: str = ""
    event_id: str = ""
    """Of one of its events; empty if it has none."""
    written: Written | None = None

    def find_committed(self, deadline: float) -> Written | None:
        """Return what was committed; None if nothing was, or if that cannot be determined in time."""
        written, event_id = self.written, self.event_id
        self.written, self.event_id = None, ""
        while written is not None and event_id and time.monotonic() < deadline:
            try:
                if self._is_over():
                    return written if Event.objects.filter(pk=event_id).exists() else None
            except (OperationalError, InterfaceError):
                connection.close()
            time.sleep(RETRY_SECONDS)
        return None

    def _is_over(self) -> bool:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_xact_status(%s::text::xid8)", [self.transaction_id])
                (status,) = cursor.fetchone()
        except DataError:  # the number was never issued: a crash rolled back the transaction
            return True
        return bool(status != "in progress")


def write_once(changes: list[Change], claims: list[Claim]) -> Written:
    """Write. If the connection breaks, find out whether the transaction was committed; if not, write again.

    Raises any other error, and the database's error once it has been unreachable for LEASE_SECONDS.
    """
    deadline = time.monotonic() + settings.LEASE_SECONDS
    trace = TransactionTrace()
    while True:
        try:
            return write_and_claim(changes, claims, trace)
        except (OperationalError, InterfaceError) as error:
            logger.warning(
                "the connection broke while %d changes and %d claims were written; checking, then writing again: %s",
                len(changes),
                len(claims),
                str(error).strip(),
                extra={"worker": worker_name()},
            )
            connection.close()
            if (written := trace.find_committed(deadline)) is not None:
                return written
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)


@transaction.atomic
def write_and_claim(changes: Sequence[Change], claims: Sequence[Claim], trace: TransactionTrace) -> Written:
    """Write changes and take leases in one transaction.

    Locks are always taken in the same order: executions by id, static data by workflow and node, then, in one append,
    streams by id, and the feed.
    """
    execution_ids = {execution_id for claimed_ids, _, _ in claims for execution_id in claimed_ids}
    execution_ids.update(change.lease.execution_id for change in changes)
    began = time.monotonic()
    held, trace.transaction_id = _lock(execution_ids, {c.lease for c in changes if c.begins})
    claims_taken = [lifecycle.take_leases(claimed_ids, worker) for claimed_ids, worker, _ in claims]
    stale, events = write_rows(changes, held) if changes else (set(), [])
    if time.monotonic() - began > settings.HEARTBEAT_SECONDS:
        _renew({lease.execution_id for lease in held} - stale)
    events = [event for _, claim_events in claims_taken for event in claim_events] + events
    if events:
        recorded = log.append(events)
        trace.event_id = recorded[0].id
    trace.written = Written(stale, [claimed for claimed, _ in claims_taken])
    return trace.written


def write_rows(changes: Sequence[Change], held: Set[Lease]) -> tuple[set[UUID], list[NewEvent]]:
    """Write the rows of the changes of executions that are locked; `held` are the valid leases.

    Returns the executions whose lease no longer holds, and the events of the others.
    """
    stale = {change.lease.execution_id for change in changes if change.lease not in held}
    valid = [change for change in changes if change.lease.execution_id not in stale]
    for change in valid:
        withdraw(change)
    if outcomes := [outcome for change in valid for outcome in change.item_outcomes]:
        kept_outcomes.insert(outcomes)
    node_runs = {(r.execution_id, r.node_id, r.run_index): r for change in valid for r in change.node_runs}
    rows.upsert_node_runs(list(node_runs.values()))
    if taken_over := [node_run for change in valid for node_run in change.outcomes_taken_over]:
        kept_outcomes.delete(taken_over)
    if static_changes := [each for change in valid for each in change.static_changes]:
        static_data.write(static_changes)
    if waits := [wait for change in valid for wait in change.waits]:
        Wait.objects.bulk_create(waits, ignore_conflicts=True)
    fields: dict[UUID, dict[str, Any]] = {}
    for change in valid:
        if change.execution_fields:
            fields.setdefault(change.lease.execution_id, {}).update(change.execution_fields)
    rows.update_executions(fields)
    write_attributes({pk: values["attributes"] for pk, values in fields.items() if "attributes" in values})
    return stale, [event for change in valid for event in change.events]


_LOCK = f"""
WITH locked AS MATERIALIZED (
  SELECT id, fencing_token, worker,
    status = '{ExecutionStatus.RUNNING.value}' AND lease_expires_at > clock_timestamp() AS holds,
    status = '{ExecutionStatus.QUEUED.value}' AND admitted_at IS NOT NULL AND started_at IS NULL
      AND cancel_requested_at IS NULL AS is_new
  FROM executions_execution WHERE id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE
) SELECT pg_current_xact_id()::text, locked.* FROM (VALUES (1)) AS this LEFT JOIN locked ON true
"""  # noqa: S608


def _lock(execution_ids: set[UUID], beginning: Set[Lease]) -> tuple[set[Lease], str]:
    """Lock the executions, in id order. Returns the leases that hold, with those of `beginning` that can be taken, and
    the id of the transaction."""
    held: set[Lease] = set()
    new: dict[UUID, int] = {}
    rows = prepared.fetch(_LOCK, [list(execution_ids)])
    for _, id_, token, worker, holds, is_new in rows:
        if is_new:
            new[id_] = token
        elif holds and (lease := Lease(id_, token, worker)) not in beginning:  # a lease is not taken twice
            held.add(lease)
    held |= {lease for lease in beginning if new.get(lease.execution_id) == lease.fencing_token - 1}
    return held, rows[0][0]


def _renew(execution_ids: Set[UUID]) -> None:
    """Extend the leases of executions that are locked: heartbeats skip locked rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE executions_execution SET lease_expires_at = clock_timestamp() + make_interval(secs => %s)"
            " WHERE id = ANY(%s)",
            [settings.LEASE_SECONDS, list(execution_ids)],
        )
