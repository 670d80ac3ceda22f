"""Changes with large outputs, kept out of the group commit: what one execution writes in seconds would delay what all
others write in milliseconds.

The changes of one execution stay in their order: a large one waits until those before it are written, and what comes
after it waits for it.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from concurrent.futures import Future

from executions.lifecycle import Change, Lease

BULKY_BYTES = 256 * 1024
TAKEN_BYTES = 4 * 2**20
"""Of one execution so much is written at a time, but at least one change; then the other workspaces have their turn."""

Submission = tuple[Change, "Future[None]"]


def size_of(change: Change) -> int:
    """Return the bytes of the outputs that the change writes."""
    return sum(run.output_bytes for run in change.node_runs)


class BulkQueue:
    """What waits to be written apart from the group commit."""

    def __init__(self) -> None:
        self._ordinary: Counter[Lease] = Counter()
        """Changes that are on their way to the group commit."""
        self._waiting: dict[Lease, deque[Submission]] = {}
        self._groups: dict[Lease, str] = {}
        self._ready: OrderedDict[str, deque[Lease]] = OrderedDict()
        """By workspace, those of which nothing is on its way."""
        self._changed = threading.Condition()

    def take_in(self, submission: Submission) -> bool:
        """Take a change that is large, or comes after one that is. False: it is for the group commit, which calls
        `ordinary_done` when it is over."""
        change, lease = submission[0], submission[0].lease
        with self._changed:
            if lease not in self._waiting:
                if size_of(change) < BULKY_BYTES:
                    self._ordinary[lease] += 1
                    return False
                self._waiting[lease] = deque()
                self._groups[lease] = str(change.node_runs[0].execution.workspace_id)
                if not self._ordinary[lease]:
                    self._make_ready(lease)
            self._waiting[lease].append(submission)
            return True

    def ordinary_done(self, lease: Lease) -> None:
        """A change has been through the group commit."""
        with self._changed:
            self._ordinary[lease] -= 1
            if not self._ordinary[lease]:
                del self._ordinary[lease]
                if lease in self._waiting:
                    self._make_ready(lease)

    def take(self) -> list[Submission]:
        """Wait for changes of one execution, the workspaces in turn. `done` has to be called for them."""
        with self._changed:
            while not self._ready:
                self._changed.wait()
            group, leases = self._ready.popitem(last=False)
            lease = leases.popleft()
            if leases:
                self._ready[group] = leases  # at the end
            waiting, size = self._waiting[lease], 0
            taken: list[Submission] = []
            while waiting and (not taken or size + size_of(waiting[0][0]) <= TAKEN_BYTES):
                taken.append(waiting.popleft())
                size += size_of(taken[-1][0])
            return taken

    def done(self, lease: Lease) -> None:
        """What was taken of the execution is written, or not."""
        with self._changed:
            if self._waiting[lease]:
                self._make_ready(lease)
            else:
                del self._waiting[lease], self._groups[lease]

    def _make_ready(self, lease: Lease) -> None:
        self._ready.setdefault(self._groups[lease], deque()).append(lease)
        self._changed.notify()
