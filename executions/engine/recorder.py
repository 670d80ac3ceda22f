"""The group commit: the changes of many executions, written to the log in one transaction.

One thread of each process takes the changes that its executions have submitted, commits them together and notifies the
submitters; another writes large changes (`bulk`). While one batch is being committed the next one gathers, so batches
grow with the load. Only behind a busy batch does the next one wait a moment for more (decision 4).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from uuid import UUID

from django.db import connection

from executions import instruments
from executions.engine.bulk import BulkQueue, Submission
from executions.engine.commit import Claim, StaleLease, write_once
from executions.engine.lease import worker_name
from executions.lifecycle import Change, ClaimedExecution, Lease
from executions.models import NodeRun
from workflow_platform.core.per_process import PerProcess

logger = logging.getLogger(__name__)

MAX_CHANGES_PER_COMMIT = 500
IDLE_SECONDS = 1.0
BUSY_BATCH = 4
GATHER_SECONDS = 0.004
"""After a batch of BUSY_BATCH or more, the next one gathers for so long, to share the cost of a commit among more."""


def copied(run: NodeRun) -> NodeRun:
    """Return a copy of the row as it is now. `copy.copy` would take Django's way of pickling, ten times as long."""
    row = NodeRun.__new__(NodeRun)
    row.__dict__.update(run.__dict__)
    return row


class Recorder:
    """Writes changes in the order in which they are submitted."""

    def __init__(self) -> None:
        self._submissions: queue.SimpleQueue[Submission | Claim] = queue.SimpleQueue()
        self._busy = False
        self._broken: set[Lease] = set()
        """Leases with a change that failed: later changes must not be written either."""
        self._bulk = BulkQueue()
        for name, target in (("recorder", self._run), ("bulk recorder", self._run_bulk)):
            threading.Thread(target=target, name=name, daemon=True).start()

    def submit(self, change: Change, on_done: Callable[[BaseException | None], None] | None = None) -> Future[None]:
        """Submit a change for the next commit.

        The future is done when the change is committed. It fails with StaleLease or the database's error, and then
        the change was not written. `on_done` is called with the error, or None, in the recorder's thread. The
        caller does not alter the change afterwards, nor its rows (`copied`).
        """
        future: Future[None] = Future()
        if on_done is not None:
            future.add_done_callback(lambda done: on_done(done.exception()))
        if not self._bulk.accept((change, future)):
            future.add_done_callback(lambda done: self._bulk.ordinary_done(change.lease))
            self._submissions.put((change, future))
        return future

    def claim(self, execution_ids: list[UUID], worker: str) -> Future[list[ClaimedExecution]]:
        """Claim executions in the next commit, as `lifecycle.take_leases` does."""
        future: Future[list[ClaimedExecution]] = Future()
        self._submissions.put((execution_ids, worker, future))
        return future

    def forget(self, lease: Lease) -> None:
        """Forget a lease under which no more changes are submitted."""
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
            self._busy = len(batch) >= BUSY_BATCH
            # A submission has two parts, a claim three.
            self._commit([s for s in batch if len(s) == 2], [s for s in batch if len(s) == 3])

    def _run_bulk(self) -> None:
        while True:
            batch = self._bulk.take()
            try:
                self._commit(batch, [])
            finally:
                connection.close()
                self._bulk.done(batch[0][0].lease)

    def _next(self) -> Submission | Claim:
        try:
            return self._submissions.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            connection.close()  # back to the pool: an idle worker holds no connection
            return self._submissions.get()

    def _commit(self, batch: list[Submission], claims: list[Claim]) -> None:
        for change, future in batch:
            if change.lease in self._broken:
                future.set_exception(StaleLease(StaleLease.__doc__))
        batch = [(change, future) for change, future in batch if not future.done()]
        began = time.monotonic()
        try:
            written = write_once([change for change, _ in batch], claims)
        except Exception as error:
            if len({change.lease for change, _ in batch}) + len(claims) > 1:
                self._commit_separately(batch, claims)  # so that one cannot break the others
            else:
                self._fail(batch, claims, error)
            return
        instruments.COMMIT_SECONDS.observe(time.monotonic() - began)
        instruments.COMMITTED_CHANGES.add(len(batch))
        for change, future in batch:
            if change.lease.execution_id in written.stale:
                if change.begins:  # another worker may have taken the lease with the same token
                    self._broken.add(change.lease)
                future.set_exception(StaleLease(StaleLease.__doc__))
            else:
                future.set_result(None)
        for (_, _, claim_future), claimed in zip(claims, written.claimed, strict=True):
            claim_future.set_result(claimed)

    def _commit_separately(self, batch: list[Submission], claims: list[Claim]) -> None:
        by_lease: dict[Lease, list[Submission]] = {}
        for submission in batch:
            by_lease.setdefault(submission[0].lease, []).append(submission)
        for submissions in by_lease.values():
            self._commit(submissions, [])
        for claim in claims:
            self._commit([], [claim])

    def _fail(self, batch: list[Submission], claims: list[Claim], error: Exception) -> None:
        """Notify the submitters, all of one execution or of one claim: it is recovered from what is committed."""
        execution_ids = [str(execution_id) for claimed_ids, _, _ in claims for execution_id in claimed_ids]
        logger.error(
            "%d changes and %d claims cannot be committed; their executions are recovered from the last checkpoint",
            len(batch),
            len(claims),
            exc_info=error,
            extra={
                "execution_id": str(batch[0][0].lease.execution_id) if batch else ", ".join(execution_ids),
                "worker": worker_name(),
            },
        )
        for change, _ in batch:
            self._broken.add(change.lease)
        for _, future in batch:
            future.set_exception(error)
        for _, _, claim_future in claims:
            claim_future.set_exception(error)


recorder = PerProcess(Recorder)
"""The recorder of this process."""
