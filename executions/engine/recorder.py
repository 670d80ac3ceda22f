"""Batches to the log: the changes of many executions, committed together.

One thread per process takes what the executions of the process have submitted, writes it in one transaction (a group
commit) and tells each submitter. While one batch is being committed the next one gathers, so that batches grow with
the load and nobody waits for a timer.
"""

from __future__ import annotations

import copy
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection, transaction

from events import log
from executions import lifecycle
from executions.engine import rows
from executions.lifecycle import Change, Claimed, Lease
from executions.models import Wait
from executions.statuses import ExecutionStatus

logger = logging.getLogger(__name__)

MAX_CHANGES_PER_COMMIT = 500

Submission = tuple[Change, "Future[None]"]
Claim = tuple[list[UUID], str, "Future[list[Claimed]]"]


class LeaseLost(Exception):
    """The execution is held by somebody else, has ended, or its lease has run out: nothing was written."""


class Recorder:
    """Writes changes in the order in which they are submitted."""

    def __init__(self) -> None:
        self._submissions: queue.SimpleQueue[Submission | Claim] = queue.SimpleQueue()
        # Leases of which a change was not written: what follows it must not be written either.
        self._broken: set[Lease] = set()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

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
        self._submissions.put((change, future))
        return future

    def claim(self, execution_ids: list[UUID], worker: str) -> Future[list[Claimed]]:
        """Claim executions in the next commit, as `lifecycle.claim` does."""
        future: Future[list[Claimed]] = Future()
        self._submissions.put((execution_ids, worker, future))
        return future

    def forget(self, lease: Lease) -> None:
        """Nothing more comes under this lease."""
        self._broken.discard(lease)

    def _run(self) -> None:
        while True:
            batch = [self._submissions.get()]
            while len(batch) < MAX_CHANGES_PER_COMMIT:
                try:
                    batch.append(self._submissions.get_nowait())
                except queue.Empty:
                    break
            # A change is told from a claim by its length: two and three.
            self._commit([s for s in batch if len(s) == 2], [s for s in batch if len(s) == 3])

    def _commit(self, batch: list[Submission], claims: list[Claim]) -> None:
        for change, future in batch:
            if change.lease in self._broken:
                future.set_exception(LeaseLost(LeaseLost.__doc__))
        batch = [(change, future) for change, future in batch if not future.done()]
        try:
            stale, claimed = _write_and_claim([change for change, _ in batch], claims)
        except Exception as error:
            # Submitters give up and their executions are recovered from what is committed: whether a commit that
            # broke off had happened is then no question.
            logger.exception("a batch of %d changes and %d claims was not committed", len(batch), len(claims))
            if isinstance(error, DatabaseError | InterfaceError):
                connection.close()
            for change, _ in batch:
                self._broken.add(change.lease)
            for _, future in batch:
                future.set_exception(error)
            for _, _, claiming in claims:
                claiming.set_exception(error)
            return
        for change, future in batch:
            if change.lease.execution_id in stale:
                future.set_exception(LeaseLost(LeaseLost.__doc__))
            else:
                future.set_result(None)
        for (_, _, claiming), found in zip(claims, claimed, strict=True):
            claiming.set_result(found)


@transaction.atomic
def _write_and_claim(changes: Sequence[Change], claims: Sequence[Claim]) -> tuple[set[UUID], list[list[Claimed]]]:
    """Write changes and take leases in one transaction: the streams that both touch are locked once."""
    claimed = [lifecycle.claim(execution_ids, worker) for execution_ids, worker, _ in claims]
    return write(changes) if changes else set(), claimed


@transaction.atomic
def write(changes: Sequence[Change]) -> set[UUID]:
    """Write changes of any number of executions. Returns those whose lease no longer holds."""
    held = _held([change.lease.execution_id for change in changes])
    stale = {c.lease.execution_id for c in changes if held.get(c.lease.execution_id) != c.lease.fencing_token}
    valid = [change for change in changes if change.lease.execution_id not in stale]
    node_runs = {(r.execution_id, r.node_id, r.run_index): r for change in valid for r in change.node_runs}
    rows.upsert_node_runs(list(node_runs.values()))
    Wait.objects.bulk_create([wait for change in valid for wait in change.waits], ignore_conflicts=True)
    fields: dict[UUID, dict[str, Any]] = {}
    for change in valid:
        if change.execution_fields:
            fields.setdefault(change.lease.execution_id, {}).update(change.execution_fields)
    rows.update_executions(fields)
    events = [event for change in valid for event in change.events]
    if events:
        log.append(events)
    return stale


def _held(execution_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Lock the executions, in id order, and return the fencing tokens of those whose lease still holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, fencing_token FROM executions_execution"
            " WHERE id = ANY(%s) AND status = %s AND lease_expires_at > clock_timestamp() ORDER BY id FOR UPDATE",
            [list(set(execution_ids)), ExecutionStatus.RUNNING.value],
        )
        return dict(cursor.fetchall())


_recorder: Recorder | None = None
_starting = threading.Lock()


def recorder() -> Recorder:
    """Return the recorder of this process, started on first use."""
    global _recorder
    with _starting:
        if _recorder is None:
            _recorder = Recorder()
        return _recorder
