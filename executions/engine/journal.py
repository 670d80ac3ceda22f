"""An execution's changes on their way to the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from executions.engine.bulk import BULKY_BYTES, size_of
from executions.engine.recorder import Recorder, copied
from executions.engine.state import MAX_UNCOMMITTED, ExecutionState
from executions.lifecycle import Change

HOLD_SECONDS = 0.02
"""Changes younger than this wait for the next turn if it follows at once."""

OnCommit = Callable[[], None]


class Journal:
    """Submits the changes of one execution to the recorder, in order, and counts those that are not committed yet.

    The changes of a turn are submitted as one, by `flush` at its end, and cost one commit. A change that cannot be
    committed ends the execution in this process: later changes rest on it, so none of them is written, and the
    execution is recovered from its last checkpoint.
    """

    def __init__(
        self, recorder: Recorder, state: ExecutionState, on_room: Callable[[], None], on_failure: Callable[[], None]
    ) -> None:
        """The callbacks come from the recorder's threads.

        `on_room`: the backlog is small enough to continue. `on_failure`: a change was not committed.
        """
        self._recorder, self._state = recorder, state
        self._on_room, self._on_failure = on_room, on_failure
        self._lock = threading.Lock()
        self._closed = False
        self._held: Change | None = None
        self._held_count, self._held_bytes, self._held_since = 0, 0, 0.0
        self._on_commit: list[OnCommit] = []

    def submit(self, change: Change, on_commit: OnCommit | None = None) -> None:
        """Submit a change with the others of the turn. `on_commit` is called, in the recorder's thread, once it is
        committed. The rows are copied: the caller may change them afterwards."""
        change.node_runs = [copied(run) for run in change.node_runs]
        size = size_of(change)
        with self._lock:
            self._state.uncommitted += 1
            if self._held is not None and self._held_bytes + size > BULKY_BYTES:
                self._flush()
            if self._held is None:
                self._held, self._held_since = change, time.monotonic()
            else:
                self._held += change
            self._held_count += 1
            self._held_bytes += size
            if on_commit is not None:
                self._on_commit.append(on_commit)

    def flush(self, *, turn_follows: bool = False) -> None:
        """Pass the changes on that have been submitted."""
        with self._lock:
            if not turn_follows or time.monotonic() - self._held_since > HOLD_SECONDS:
                self._flush()

    def _flush(self) -> None:
        """Pass the changes on. The lock, which the caller holds, keeps them in order."""
        change, count, on_commit = self._held, self._held_count, self._on_commit
        self._held, self._held_count, self._held_bytes, self._on_commit = None, 0, 0, []
        if change is not None:
            self._recorder.submit(change, partial(self._on_done, count, on_commit))

    def close(self) -> None:
        """Release what the recorder knows of the lease, once no change is on its way any more."""
        with self._lock:
            self._closed = True
            is_idle = not self._state.uncommitted
        if is_idle:
            self._recorder.forget(self._state.lease)

    def _on_done(self, count: int, on_commit: Sequence[OnCommit], error: BaseException | None) -> None:
        with self._lock:
            before, self._state.uncommitted = self._state.uncommitted, self._state.uncommitted - count
            uncommitted, closed = self._state.uncommitted, self._closed
        if error is not None:
            self._on_failure()
        elif before > MAX_UNCOMMITTED // 2 >= uncommitted:
            self._on_room()
        if error is None:
            for call in on_commit:
                call()
        if closed and not uncommitted:
            self._recorder.forget(self._state.lease)
