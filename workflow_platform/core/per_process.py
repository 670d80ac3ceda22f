"""Objects that exist once per process, or once per event loop, and are created on first use.

Threads, locks and sockets do not survive a fork. A child process therefore never uses the object of its parent: it
creates its own.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """Hold one object for this process. Calling the holder returns the object, and creates it first if necessary.

    `close` is called with the object when the process that created it exits normally, and when a test puts another
    object in its place with `replaced`. Thread-safe: threads that ask at the same time get the same object.
    """

    def __init__(self, create: Callable[[], T], close: Callable[[T], object] | None = None) -> None:
        self._create, self._close = create, close
        self._lock = threading.Lock()
        self.current: T | None = None
        """The object of this process if it has been created."""
        os.register_at_fork(after_in_child=self._forget)
        if close is not None:
            atexit.register(self._close_current)

    def __call__(self) -> T:
        """Return the object of this process. Raises what `create` raises; the next call tries again."""
        current = self.current
        return self._created() if current is None else current

    @contextmanager
    def replaced(self, value: T | None = None) -> Iterator[T]:
        """Use `value`, or a new object, inside the block: for tests. What the block leaves is closed."""
        before, self.current = self.current, value
        try:
            yield self()
        finally:
            self._close_current()
            self.current = before

    def _created(self) -> T:
        with self._lock:
            if self.current is None:
                self.current = self._create()
            return self.current

    def _close_current(self) -> None:
        if self.current is not None and self._close is not None:
            self._close(self.current)

    def _forget(self) -> None:
        """Start without an object in a child process, where a thread of the parent may have held the lock."""
        self._lock, self.current = threading.Lock(), None


class PerLoop(Generic[T]):
    """Hold one object for each event loop; calling the holder in a loop returns that loop's object."""

    def __init__(self, create: Callable[[], T]) -> None:
        self._create = create
        self._objects: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, T] = weakref.WeakKeyDictionary()

    def __call__(self) -> T:
        """Return the object of the running loop. Raises RuntimeError if no loop is running."""
        loop = asyncio.get_running_loop()
        current = self._objects.get(loop)
        if current is None:
            current = self._objects[loop] = self._create()
        return current
