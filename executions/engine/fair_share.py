"""Thread pools shared fairly: workspaces are served in turn, and none of them can occupy all threads.

Within a workspace, executions are served in turn. The last slots are reserved for workspaces that occupy few slots, so
that one finds a free slot while another occupies as many as allowed.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger(__name__)

Call = Callable[[], object]
RESERVED_PART = 5
"""One of this many slots is reserved for workspaces that occupy few."""


class FairSlots:
    """Counts how many of `size` slots each workspace occupies. Not thread-safe: the caller holds a lock."""

    def __init__(self, size: int, reserved: int | None = None) -> None:
        self.size = self.free = size
        self.reserved = size // RESERVED_PART if reserved is None else reserved
        """How many slots only workspaces may take that occupy fewer than `few`."""
        self.few = max(1, self.reserved // 4)
        self.occupied: Counter[Hashable] = Counter()

    def may_take(self, workspace: Hashable) -> bool:
        """Return whether the workspace may have one more slot."""
        return self.free > self.reserved or (self.free > 0 and self.occupied[workspace] < self.few)

    def take(self, workspace: Hashable) -> None:
        """Give the workspace a slot."""
        self.free -= 1
        self.occupied[workspace] += 1

    def release(self, workspace: Hashable) -> None:
        """Take back a slot."""
        self.free += 1
        self.occupied[workspace] -= 1
        if not self.occupied[workspace]:
            del self.occupied[workspace]


class FairQueue:
    """Calls that wait for a thread, round-robin by workspace and, within each, by execution."""

    def __init__(self) -> None:
        self._workspaces: OrderedDict[Hashable, OrderedDict[Hashable, deque[Call]]] = OrderedDict()

    def add(self, call: Call, workspace: Hashable, execution: Hashable) -> None:
        """Put the call behind the others of its execution."""
        executions = self._workspaces.get(workspace)
        if executions is None:
            executions = self._workspaces[workspace] = OrderedDict()
        calls = executions.get(execution)
        if calls is None:
            calls = executions[execution] = deque()
        calls.append(call)

    def next(self, may_take: Callable[[Hashable], bool]) -> tuple[Call, Hashable] | None:
        """Remove the next call of a workspace that may have a slot. Returns it with the workspace."""
        for workspace in self._workspaces:
            if may_take(workspace):
                return self._next_of(workspace), workspace
        return None

    def _next_of(self, workspace: Hashable) -> Call:
        executions = self._workspaces[workspace]
        execution, calls = executions.popitem(last=False)
        call = calls.popleft()
        if calls:
            executions[execution] = calls  # at the end: the other executions come first
        if executions:
            self._workspaces.move_to_end(workspace)
        else:
            del self._workspaces[workspace]
        return call


class FairThreadPool:
    """A pool of threads that serves workspaces in turn."""

    def __init__(self, size: int, name: str, reserved: int | None = None) -> None:
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._slots = FairSlots(size, reserved)
        self._queue = FairQueue()
        self._lock = threading.Lock()
        self._postponed = 0
        """Queued calls whose thread came while none of their workspaces could have a slot."""

    def submit(self, call: Call, workspace: Hashable, execution: Hashable = None) -> None:
        """Run the call in a thread as soon as its workspace and execution have their turn."""
        with self._lock:
            self._queue.add(call, workspace, execution)
        self._threads.submit(self._run_one)

    def _run_one(self) -> None:
        with self._lock:
            entry = self._queue.next(self._slots.may_take)
            if entry is None:
                self._postponed += 1
                return
            call, workspace = entry
            self._slots.take(workspace)
        try:
            call()
        except Exception:
            logger.exception("a call in a shared thread failed; the thread continues with the next call")
        finally:
            with self._lock:
                self._slots.release(workspace)
                resume = self._postponed > 0
                self._postponed -= resume
            if resume:
                self._threads.submit(self._run_one)
