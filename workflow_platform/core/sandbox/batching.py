"""Batches of work for sandbox processes, with one thread for each workspace instead of one for each call.

Slow work of one workspace does not delay others.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Batches(Generic[T]):
    """Passes queued items to `work(group, batch)`, at most `most` at a time, in a daemon thread of each group.

    `work` returns those of the batch that it did not get to, which must be fewer: they come first next time. What it
    raises is a bug: `failed(batch)` is called, and the other batches continue.
    """

    def __init__(
        self,
        name: str,
        most: int,
        work: Callable[[str, Sequence[T]], Sequence[T]],
        failed: Callable[[Sequence[T]], None],
    ) -> None:
        self._name, self._most, self._work, self._failed = name, most, work, failed
        self._waiting: dict[str, deque[T]] = {}
        """Contains the groups that have a thread."""
        self._lock = threading.Lock()

    def put(self, group: str, thing: T, most_waiting: int | None = None) -> bool:
        """Queue items of a group. Returns False if its queue is full."""
        with self._lock:
            waiting = self._waiting.get(group)
            if waiting is not None:
                if most_waiting is not None and len(waiting) >= most_waiting:
                    return False
                waiting.append(thing)
                return True
            self._waiting[group] = deque([thing])
        threading.Thread(target=self._serve, args=(group,), name=f"{self._name} {group}", daemon=True).start()
        return True

    def _serve(self, group: str) -> None:
        while batch := self._next(group):
            try:
                left = self._work(group, batch)
            except Exception:
                logger.exception(
                    "batch failed; its items are reported as failed",
                    extra={"task": self._name, "workspace_id": group, "count": len(batch)},
                )
                self._failed(batch)
                continue
            if left:
                with self._lock:
                    self._waiting[group].extendleft(reversed(left))

    def _next(self, group: str) -> list[T]:
        with self._lock:
            waiting = self._waiting[group]
            if not waiting:
                del self._waiting[group]
                return []
            return [waiting.popleft() for _ in range(min(self._most, len(waiting)))]
