"""Threads that workspaces share: they take turns, and none of them can hold all threads.

Within a workspace its executions take turns. The last places are kept for workspaces that hold few: a workspace that
comes while another computes in all places that it may have finds one free.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger(__name__)

Call = Callable[[], object]
KEPT_PART = 5
"""One place of so many is kept for workspaces that hold few."""


class Places:
    """Counts who holds how many of `size` places. Not safe for threads: the caller has a lock."""

    def __init__(self, size: int, kept: int | None = None) -> None:
        self.size = self.free = size
        self.kept = size // KEPT_PART if kept is None else kept
        """How many places are only for workspaces that hold fewer than `few`."""
        self.few = max(1, self.kept // 4)
        self.held: Counter[Hashable] = Counter()

    def may_take(self, workspace: Hashable) -> bool:
        """Tell whether the workspace may have one more place."""
        return self.free > self.kept or (self.free > 0 and self.held[workspace] < self.few)

    def take(self, workspace: Hashable) -> None:
        """Give the workspace a place."""
        self.free -= 1
        self.held[workspace] += 1

    def give_back(self, workspace: Hashable) -> None:
        """Take a place back."""
        self.free += 1
        self.held[workspace] -= 1
        if not self.held[workspace]:
            del self.held[workspace]


class Line:
    """Calls that wait: workspaces take turns, and within each its executions do."""

    def __init__(self) -> None:
        self._workspaces: OrderedDict[Hashable, OrderedDict[Hashable, deque[Call]]] = OrderedDict()

    def add(self, call: Call, workspace: Hashable, execution: Hashable) -> None:
        """Put the call behind those of its execution."""
        executions = self._workspaces.get(workspace)
        if executions is None:
            executions = self._workspaces[workspace] = OrderedDict()
        waiting = executions.get(execution)
        if waiting is None:
            waiting = executions[execution] = deque()
        waiting.append(call)

    def next(self, may_take: Callable[[Hashable], bool]) -> tuple[Call, Hashable] | None:
        """Take the next call of a workspace that may have one, and return it with the workspace."""
        for workspace in self._workspaces:
            if may_take(workspace):
                return self._next_of(workspace), workspace
        return None

    def _next_of(self, workspace: Hashable) -> Call:
        executions = self._workspaces[workspace]
        execution, waiting = executions.popitem(last=False)
        call = waiting.popleft()
        if waiting:
            executions[execution] = waiting  # at the end: now it is the others' turn
        if executions:
            self._workspaces.move_to_end(workspace)
        else:
            del self._workspaces[workspace]
        return call


class FairThreads:
    """A pool of threads whose work is taken up in turns."""

    def __init__(self, size: int, name: str, kept: int | None = None) -> None:
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._places = Places(size, kept)
        self._line = Line()
        self._lock = threading.Lock()
        self._put_off = 0
        """Calls in line for which a thread has come when none of their workspaces might have a place."""

    def submit(self, call: Call, workspace: Hashable, execution: Hashable = None) -> None:
        """Have a thread make the call when it is the turn of its workspace and execution."""
        with self._lock:
            self._line.add(call, workspace, execution)
        self._threads.submit(self._make_one)

    def _make_one(self) -> None:
        with self._lock:
            found = self._line.next(self._places.may_take)
            if found is None:
                self._put_off += 1
                return
            call, workspace = found
            self._places.take(workspace)
        try:
            call()
        except Exception:
            logger.exception("a call failed")
        finally:
            with self._lock:
                self._places.give_back(workspace)
                again = self._put_off > 0
                self._put_off -= again
            if again:
                self._threads.submit(self._make_one)
