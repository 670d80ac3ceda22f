"""An actor's mailbox: messages are callables, handled in order and one at a time, on threads that actors share."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from executions.engine.fair_share import FairThreadPool

TURN_SECONDS = 0.01
MESSAGES_PER_TURN = 20
"""After either limit other actors have their turn, if more messages wait."""


class TurnWatch(Protocol):
    """Is notified of each turn, in the thread that takes it."""

    def turn_begins(self) -> None: ...

    def turn_ends(self) -> None: ...


class Mailbox:
    """The messages of one actor. It holds a thread only while it handles messages."""

    def __init__(
        self,
        threads: FairThreadPool,
        workspace: Hashable,
        on_error: Callable[[Exception], None],
        in_context: Callable[[], AbstractContextManager[None]] = nullcontext,
        after_turn: Callable[[bool], None] = lambda turn_follows: None,
    ) -> None:
        """`on_error` is called with what a message raises. Each turn runs in a new `in_context()`, and `after_turn` is
        called at its end, with whether messages are left; the next turn may have begun."""
        self._after_turn = after_turn
        self._threads, self._workspace, self._on_error, self._in_context = threads, workspace, on_error, in_context
        self._messages: deque[Callable[[], None]] = deque()
        self._scheduled = False
        self._lock = threading.Lock()
        self.watch: TurnWatch | None = None

    def tell(self, message: Callable[[], None]) -> None:
        """Call `message` after those that came before. Returns at once, from any thread."""
        with self._lock:
            self._messages.append(message)
            if self._scheduled:
                return
            self._scheduled = True
        self._threads.submit(self._take_turn, self._workspace)

    def _take_turn(self) -> None:
        with self._in_context():
            has_more = self._handle_messages()
            self._after_turn(has_more)
        if has_more:
            self._threads.submit(self._take_turn, self._workspace)

    def _handle_messages(self) -> bool:
        """Handle messages until none is left or the turn has lasted long enough. Returns whether there are more."""
        until, handled, watch = time.monotonic() + TURN_SECONDS, 0, self.watch
        if watch is not None:
            watch.turn_begins()
        while True:
            with self._lock:
                is_empty = not self._messages
                if is_empty or handled == MESSAGES_PER_TURN or (handled and time.monotonic() > until):
                    if watch is not None:
                        watch.turn_ends()  # under the lock: the next turn may begin as soon as it is released
                    if is_empty:
                        self._scheduled = False
                    return not is_empty
                message = self._messages.popleft()
            handled += 1
            try:
                message()
            except Exception as error:
                self._on_error(error)
