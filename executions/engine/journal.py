"""An execution's changes on their way to the log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from executions.engine.recorder import Recorder
from executions.engine.state import MAX_UNCOMMITTED, ExecutionState
from executions.lifecycle import Change


class Journal:
    """Submits the changes of one execution to the recorder, in order, and counts those that are not committed yet.

    A change that cannot be committed ends the execution in this process: later changes rest on it, so none of them is
    written, and the execution is recovered from its last checkpoint.
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

    def submit(self, change: Change, on_commit: Callable[[], None] | None = None) -> None:
        """Submit a change. `on_commit` is called, in the recorder's thread, once it is committed."""
        with self._lock:
            self._state.uncommitted += 1
        self._recorder.submit(
            change, self._on_done if on_commit is None else partial(self._on_done, on_commit=on_commit)
        )

    def close(self) -> None:
        """Release what the recorder knows of the lease, once no change is on its way any more."""
        with self._lock:
            self._closed = True
            is_idle = not self._state.uncommitted
        if is_idle:
            self._recorder.forget(self._state.lease)

    def _on_done(self, error: BaseException | None, on_commit: Callable[[], None] | None = None) -> None:
        with self._lock:
            self._state.uncommitted -= 1
            uncommitted, closed = self._state.uncommitted, self._closed
        if error is not None:
            self._on_failure()
        elif uncommitted == MAX_UNCOMMITTED // 2:
            self._on_room()
        if error is None and on_commit is not None:
            on_commit()
        if closed and not uncommitted:
            self._recorder.forget(self._state.lease)
