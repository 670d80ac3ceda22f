"""Changes with large outputs, kept out of the group commit: they take seconds, other changes milliseconds.

The changes of one execution keep their order: a large one waits until those before it are written, and those after it
wait for it.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from concurrent.futures import Future

from executions.lifecycle import Change, Lease

BULKY_BYTES = 256 * 1024
BATCH_BYTES = 4 * 2**20
"""The most that is written of one execution at a time, but at least one change; then other workspaces have a turn."""

Submission = tuple[Change, "Future[None]"]


def size_of(change: Change) -> int:
    """Return the bytes of the outputs that the change writes."""
    outputs = sum(run.output_bytes for run in change.node_runs)
    return outputs + sum(len(outcome.outcome) for outcome in change.item_outcomes)


def _workspace_of(change: Change) -> str:
    node_runs = change.node_runs or [outcome.node_run for outcome in change.item_outcomes]
    return str(node_runs[0].execution.workspace_id)


class BulkQueue:
    """Changes that wait to be written apart from the group commit."""

    def __init__(self) -> None:
        self._ordinary: Counter[Lease] = Counter()
        """Changes of each execution that are in the group commit."""
        self._waiting: dict[Lease, deque[Submission]] = {}
        self._workspaces: dict[Lease, str] = {}
        self._ready: OrderedDict[str, deque[Lease]] = OrderedDict()
        """By workspace, the executions whose next change can be written."""
        self._changed = threading.Condition()

    def accept(self, submission: Submission) -> bool:
        """Accept a change that is large, or follows one that is.

        Returns False for other changes: the group commit writes them and then calls `ordinary_done`.
        """
        change, lease = submission[0], submission[0].lease
        with self._changed:
            if lease not in self._waiting:
                if size_of(change) < BULKY_BYTES:
                    self._ordinary[lease] += 1
                    return False
                self._waiting[lease] = deque()
                self._workspaces[lease] = _workspace_of(change)
                if not self._ordinary[lease]:
                    self._make_ready(lease)
            self._waiting[lease].append(submission)
            return True

    def ordinary_done(self, lease: Lease) -> None:
        """Note that the group commit has finished with a change."""
        with self._changed:
            self._ordinary[lease] -= 1
            if not self._ordinary[lease]:
                del self._ordinary[lease]
                if lease in self._waiting:
                    self._make_ready(lease)

    def take(self) -> list[Submission]:
        """Wait for changes and take some of one execution, the workspaces in turn. Call `done` after writing them."""
        with self._changed:
            while not self._ready:
                self._changed.wait()
            workspace, leases = self._ready.popitem(last=False)
            lease = leases.popleft()
            if leases:
                self._ready[workspace] = leases  # at the end
            waiting, size = self._waiting[lease], 0
            batch: list[Submission] = []
            while waiting and (not batch or size + size_of(waiting[0][0]) <= BATCH_BYTES):
                batch.append(waiting.popleft())
                size += size_of(batch[-1][0])
            return batch

    def done(self, lease: Lease) -> None:
        """Note that the changes taken of the execution were written, or failed."""
        with self._changed:
            if self._waiting[lease]:
                self._make_ready(lease)
            else:
                del self._waiting[lease], self._workspaces[lease]

    def _make_ready(self, lease: Lease) -> None:
        self._ready.setdefault(self._workspaces[lease], deque()).append(lease)
        self._changed.notify()
