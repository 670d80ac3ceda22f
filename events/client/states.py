"""The state of a connection, and its observers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from enum import StrEnum


class State(StrEnum):
    """The state of a connection or of one of its streams."""

    LIVE = "live"
    DEGRADED = "degraded"
    """Events arrive a little later, since the server polls the history."""
    CONNECTING = "connecting"
    """Connecting, or still reading history."""
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


_WORST_FIRST = (State.RECONNECTING, State.CONNECTING, State.DEGRADED)


def worst(states: Iterable[State]) -> State:
    """Return the state of a connection whose streams have these."""
    distinct = set(states)
    return next((state for state in _WORST_FIRST if state in distinct), State.LIVE)


class Changes:
    """Passes each change of the state to all observers."""

    def __init__(self) -> None:
        self._announced = State.CONNECTING
        self._followers: set[asyncio.Queue[State]] = set()

    def tell(self, state: State) -> None:
        """Announce the state if it has changed."""
        if state is not self._announced:
            self._announced = state
            for queue in self._followers:
                queue.put_nowait(state)

    async def follow(self) -> AsyncGenerator[State]:
        """Yield the last announced state and every later one, up to `closed`."""
        queue: asyncio.Queue[State] = asyncio.Queue()
        queue.put_nowait(self._announced)
        self._followers.add(queue)
        try:
            while True:
                yield (state := await queue.get())
                if state is State.CLOSED:
                    return
        finally:
            self._followers.discard(queue)
