"""Batches to the log: the changes of many executions, committed together.

One thread per process takes what the executions of the process have submitted, writes it in one transaction (a group
commit) and tells each submitter; another writes what is large (`bulk`). While one batch is being committed the next one
gathers, so that batches grow with the load; nobody waits for a timer but behind a busy batch (decision 4).
"""

from __future__ import annotations

import copy
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
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
from executions.engine import rows
from executions.engine.bulk import BulkQueue, Submission
from executions.lifecycle import Change, ClaimedExecution, Lease
from executions.lifecycle.deliveries import withdraw
from executions.models import Wait

logger = logging.getLogger(__name__)

MAX_CHANGES_PER_COMMIT = 500
RETRY_SECONDS = 0.2
IDLE_SECONDS = 1.0
BUSY = 4
GATHER_SECONDS = 0.004
"""After a batch of BUSY or more, the next one gathers for so long: what a batch costs is shared by more."""

Claim = tuple[list[UUID], str, "Future[list[ClaimedExecution]]"]


class LeaseLost(Exception):
    """The execution is held by somebody else, has ended, or its lease has run out: nothing was written."""


class Recorder:
    """Writes changes in the order in which they are submitted."""

    def __init__(self) -> None:
        self._submissions: queue.SimpleQueue[Submission | Claim] = queue.SimpleQueue()
        self._busy = False
        # Leases of which a change was not written: what follows it must not be written either.
        self._broken: set[Lease] = set()
        self._bulk = BulkQueue()
        for name, target in (("recorder", self._run), ("bulk recorder", self._run_bulk)):
            threading.Thread(target=target, name=name, daemon=True).start()

    def submit(self, change: Change, then: Callable[[BaseException | None], None] | None = None) -> Future[None]:
        """Take a change for the next commit.

        The future is done when the change is committed, or fails with LeaseLost, or with the database's error; in both
        cases nothing of the change was written. `then` is called with the error, or None, in the recorder's thread.
        The rows are copied: the caller may go on changing them.
        """
        change.node_runs = [copy.copy(run) for run in change.node_runs]
        future: Future[None] = Future()
        if then is not None:
            future.add_done_callback(lambda done: then(done.exception()))
        if not self._bulk.take_in((change, future)):
            future.add_done_callback(lambda done: self._bulk.ordinary_done(change.lease))
            self._submissions.put((change, future))
        return future

    def claim(self, execution_ids: list[UUID], worker: str) -> Future[list[ClaimedExecution]]:
        """Claim executions in the next commit, as `lifecycle.claim` does."""
        future: Future[list[ClaimedExecution]] = Future()
        self._submissions.put((execution_ids, worker, future))
        return future

    def forget(self, lease: Lease) -> None:
        """Nothing more comes under this lease."""
        self._broken.discard(lease)

    def _run(self) -> None:
        while True:
            batch = [self._next()]
            if self._busy:
                time.sleep(GATHER_SECONDS)
            while len(batch) < MAX_CHANGES_PER_COMMIT:
                try:
                    batch.append(self._submissions.get_nowait())
                except queue.Empty:
                    break
            self._busy = len(batch) >= BUSY
            # A change is told from a claim by its length: two and three.
            self._commit([s for s in batch if len(s) == 2], [s for s in batch if len(s) == 3])

    def _run_bulk(self) -> None:
        while True:
            taken = self._bulk.take()
            try:
                self._commit(taken, [])
            finally:
                connection.close()
                self._bulk.done(taken[0][0].lease)

    def _next(self) -> Submission | Claim:
        try:
            return self._submissions.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            connection.close()  # back to the pool: an idle worker holds no connection
            return self._submissions.get()

    def _commit(self, batch: list[Submission], claims: list[Claim]) -> None:
        for change, future in batch:
            if change.lease in self._broken:
                future.set_exception(LeaseLost(LeaseLost.__doc__))
        batch = [(change, future) for change, future in batch if not future.done()]
        try:
            done = self._surely_written([change for change, _ in batch], claims)
        except Exception as error:
            if len({change.lease for change, _ in batch}) + len(claims) > 1:
                self._commit_apart(batch, claims)  # so that one cannot break the others
            else:
                self._give_up(batch, claims, error)
            return
        for change, future in batch:
            if change.lease.execution_id in done.stale:
                future.set_exception(LeaseLost(LeaseLost.__doc__))
            else:
                future.set_result(None)
        for (_, _, claiming), found in zip(claims, done.claimed, strict=True):
            claiming.set_result(found)

    def _commit_apart(self, batch: list[Submission], claims: list[Claim]) -> None:
        by_lease: dict[Lease, list[Submission]] = {}
        for submission in batch:
            by_lease.setdefault(submission[0].lease, []).append(submission)
        for theirs in by_lease.values():
            self._commit(theirs, [])
        for claim in claims:
            self._commit([], [claim])

    def _give_up(self, batch: list[Submission], claims: list[Claim], error: Exception) -> None:
        """Tell the submitters: their executions are recovered from what is committed."""
        logger.error("%d changes and %d claims were not committed", len(batch), len(claims), exc_info=error)
        for change, _ in batch:
            self._broken.add(change.lease)
        for _, future in batch:
            future.set_exception(error)
        for _, _, claiming in claims:
            claiming.set_exception(error)

    def _surely_written(self, changes: list[Change], claims: list[Claim]) -> _Written:
        """Write, and find out whether that was committed if the connection broke off; if not, write again.

        Raises whatever else goes wrong, and the database's error if it stays away for long.
        """
        patience = time.monotonic() + settings.LEASE_SECONDS
        fate = _Fate()
        while True:
            try:
                return _write_and_claim(changes, claims, fate)
            except (OperationalError, InterfaceError) as error:
                logger.warning("%d changes and %d claims: %s", len(changes), len(claims), str(error).strip())
                connection.close()
                if (found := fate.find_out(patience)) is not None:
                    return found
                if time.monotonic() > patience:
                    raise
                time.sleep(RETRY_SECONDS)


@dataclass(slots=True)
class _Written:
    stale: set[UUID]
    """Those whose lease no longer holds."""
    claimed: list[list[ClaimedExecution]]


@dataclass(slots=True)
class _Fate:
    """What became of a transaction whose end was not heard.

    Its number tells only whether it is over: one that a crash of PostgreSQL undid may leave its number to another,
    which commits. That it was committed shows in what it wrote. Without events nothing shows: it is written again,
    and changes come to the same; a lease that was taken is not found free then, runs out, and is recovered from.
    """

    transaction_id: str = ""
    event_id: str = ""
    """Of one of its events; empty if it has none."""
    written: _Written | None = None

    def find_out(self, patience: float) -> _Written | None:
        """Return what was written if it was committed; None if it was not, or cannot be known in time."""
        written, event_id = self.written, self.event_id
        self.written, self.event_id = None, ""
        while written is not None and event_id and time.monotonic() < patience:
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
        except DataError:  # a number that is still to come: a crash has taken it back
            return True
        return bool(status != "in progress")


@transaction.atomic
def _write_and_claim(changes: Sequence[Change], claims: Sequence[Claim], fate: _Fate) -> _Written:
    """Write changes and take leases in one transaction.

    Locks come in one order everywhere: executions by id, then, in one append, streams by id, and the feed.
    """
    wanted = {execution_id for execution_ids, _, _ in claims for execution_id in execution_ids}
    wanted.update(change.lease.execution_id for change in changes)
    began = time.monotonic()
    with connection.cursor() as cursor:
        held = _held(wanted)
        cursor.execute("SELECT pg_current_xact_id()::text")
        (fate.transaction_id,) = cursor.fetchone()
    taken = [lifecycle.take_leases(execution_ids, worker) for execution_ids, worker, _ in claims]
    stale, events = write_rows(changes, held) if changes else (set(), [])
    if time.monotonic() - began > settings.HEARTBEAT_SECONDS:
        _renew(held.keys() - stale)
    events = [event for _, found in taken for event in found] + events
    if events:
        recorded = log.append(events)
        fate.event_id = recorded[0].id
    fate.written = _Written(stale, [claimed for claimed, _ in taken])
    return fate.written


@transaction.atomic
def write(changes: Sequence[Change]) -> set[UUID]:
    """Write changes of any number of executions. Returns those whose lease no longer holds."""
    stale, events = write_rows(changes, _held({change.lease.execution_id for change in changes}))
    if events:
        log.append(events)
    return stale


def write_rows(changes: Sequence[Change], held: Mapping[UUID, int]) -> tuple[set[UUID], list[NewEvent]]:
    """Write the rows of the changes of executions that are locked; `held` are the fencing tokens of valid leases.

    Returns the executions whose lease no longer holds, and the others' events.
    """
    stale = {c.lease.execution_id for c in changes if held.get(c.lease.execution_id) != c.lease.fencing_token}
    valid = [change for change in changes if change.lease.execution_id not in stale]
    for change in valid:
        withdraw(change)
    node_runs = {(r.execution_id, r.node_id, r.run_index): r for change in valid for r in change.node_runs}
    rows.upsert_node_runs(list(node_runs.values()))
    if waits := [wait for change in valid for wait in change.waits]:
        Wait.objects.bulk_create(waits, ignore_conflicts=True)
    fields: dict[UUID, dict[str, Any]] = {}
    for change in valid:
        if change.execution_fields:
            fields.setdefault(change.lease.execution_id, {}).update(change.execution_fields)
    rows.update_executions(fields)
    return stale, [event for change in valid for event in change.events]


def _held(execution_ids: set[UUID]) -> dict[UUID, int]:
    """Lock the executions, in id order, and return the fencing tokens of those whose lease still holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, fencing_token, status = %s AND lease_expires_at > clock_timestamp()"
            " FROM executions_execution WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
            [ExecutionStatus.RUNNING.value, list(execution_ids)],
        )
        return {id_: token for id_, token, holds in cursor.fetchall() if holds}


def _renew(execution_ids: Set[UUID]) -> None:
    """Extend the leases of executions that are locked: while they are, the heartbeats pass over them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE executions_execution SET lease_expires_at = clock_timestamp() + make_interval(secs => %s)"
            " WHERE id = ANY(%s)",
            [settings.LEASE_SECONDS, list(execution_ids)],
        )


_recorder: Recorder | None = None
_starting = threading.Lock()


def recorder() -> Recorder:
    """Return the recorder of this process, started on first use."""
    global _recorder
    with _starting:
        if _recorder is None:
            _recorder = Recorder()
        return _recorder
