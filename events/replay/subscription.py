"""A replay's stream for one client: what is due, when it is due, and every change to the replay."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from events.replay.unwatched import note_watched
from events.replay.watching import Due, ReplayState, due, page
from events.streaming.subscription import PAGE, Connected, StreamSubscription
from workflow_platform.core.database_threads import in_database

LOOK_SECONDS, DEGRADED_LOOK_SECONDS = 2.0, 0.25
"""A replay is read at least this often, since the message about a change may be lost."""


class ReplaySubscription(StreamSubscription):
    """Reads the due events after the client's cursor. A timer wakes it for the next event."""

    def __init__(self, session: Connected, stream: str, after: int, types: frozenset[str] | None) -> None:
        super().__init__(session, stream, after, types)
        self._revision: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._woken = True
        self._sent_degraded: bool | None = None

    def state_changed(self) -> None:
        """Handle a hint: the replay was changed, or hints have stopped or resumed."""
        self._woken = True
        self.session.wake(self)

    async def advance(self) -> bool:
        """Send the due events, and schedule the next read. Returns whether there are more now."""
        self._woken = False
        state = self.state
        assert isinstance(state, ReplayState)
        if self._revision is None and self.cursor > state.head:
            await self._rewind(state.head, state.head)  # it was rewound while the client was disconnected
        page = await in_database(_watch, state.replay_id, self.cursor, self.types, self._revision)
        if not self.is_current:
            return False
        await self._send_page(page)
        if page.ended:
            await self._end_at(page)
            return False
        if page.next_in != 0 and self._sent_degraded != self.session.hub.degraded:
            self._sent_degraded = self.session.hub.degraded
            await self.send_liveness()
        self._schedule(page.next_in)
        return self._woken or page.next_in == 0

    async def page(self, after: int, limit: int) -> list[str]:
        """Return a page of the events up to the client's cursor."""
        assert isinstance(self.state, ReplayState)
        return await in_database(page, self.state.replay_id, after, limit, self.types, self.cursor)

    def stop(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()

    async def _send_page(self, page: Due) -> None:
        if page.rewound_to is not None:
            await self._rewind(page.rewound_to, page.rewound_to)
        if page.facts is not None:
            self._revision = page.revision
            await self.session.client.frame(page.facts)
        if page.through > self.cursor:
            self.cursor = page.through
            sequences, texts = [each[0] for each in page.events], [each[2] for each in page.events]
            await self.session.client.events(self.stream, sequences, texts, page.through)

    async def _rewind(self, after: int, head: int) -> None:
        """Send the client that the stream continues after an earlier event."""
        self.cursor = after
        frame = {"type": "subscribed", "stream": self.stream, "head": head, "after": after}
        await self.session.client.frame(frame)

    async def _end_at(self, page: Due) -> None:
        self.session.end(self)
        frame: dict[str, Any] = {"type": "end", "stream": self.stream, "sequence": page.through}
        await self.session.client.frame(frame | ({"removed": True} if page.removed else {}))

    def _schedule(self, next_in: float | None) -> None:
        self.stop()
        longest = DEGRADED_LOOK_SECONDS if self.session.hub.degraded else LOOK_SECONDS
        wait = longest if next_in is None else min(next_in, longest)
        if wait > 0:
            self._timer = asyncio.get_running_loop().call_later(wait, self._wake)

    def _wake(self) -> None:
        if self.is_current:
            self._woken = True
            self.session.wake(self)


def _watch(replay_id: UUID, after: int, types: frozenset[str] | None, revision: int | None) -> Due:
    """Return what is due, and note that the replay is watched."""
    note_watched(replay_id)
    return due(replay_id, after, PAGE, types=types, revision=revision)
