"""One subscription of one client: history, then live, each event once and in sequence.

The session joins the stream's group before it reads history, so that nothing can fall between the two. What the group
says goes out only if it is the next sequence; whatever is not (a gap, a full buffer) sends the session back to the log,
at the client's pace. A poll of the stream's head finds what no message told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from channels.db import database_sync_to_async

from events import log, reading
from events.event_types import TERMINAL
from events.models import EXECUTION, FEED, SYSTEM, Stream

Send = Callable[[dict[str, Any]], Awaitable[None]]

PAGE = 500
MAX_BUFFERED = 2_000
"""Events that a slow client may have waiting in memory; above it they are dropped and read from the log later."""
POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller may read of a stream."""

    stream: str
    head: int
    workspace_ids: frozenset[UUID]


@database_sync_to_async
def find_access(user: Any, stream: str) -> Access | None:
    """Return the caller's access to a stream; None if there is none, or no such stream, which look the same."""
    from workflow_platform.accounts.models import Workspace

    mine = frozenset(Workspace.objects.visible_to(user).values_list("pk", flat=True))
    if stream == FEED:
        return Access(stream, log.head(FEED), mine) if mine else None
    if stream == SYSTEM:
        staff = getattr(user, "is_staff", False) and getattr(user, "is_active", False)
        return Access(stream, log.head(SYSTEM), mine) if staff else None
    row = Stream.objects.filter(name=stream, workspace_id__in=mine).first()
    return Access(stream, row.last_sequence, mine) if row else None


class Subscription:
    """Brings one stream to one client."""

    def __init__(self, access: Access, after: int, send: Send) -> None:
        self.access = access
        self.cursor = after
        self._send = send
        self._buffer: deque[tuple[dict[str, Any], bool]] = deque()
        self._behind = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; call after the stream's group was joined."""
        self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Send nothing more."""
        if self._task is not None:
            self._task.cancel()

    def offer(self, message: dict[str, Any]) -> None:
        """Take a group message. Never blocks and keeps a bounded number of events."""
        workspaces = message.get("workspaces")
        mine = {str(i) for i in self.access.workspace_ids}
        if len(self._buffer) + len(message["events"]) > MAX_BUFFERED:
            self._buffer.clear()
            self._behind = True
        else:
            for index, text in enumerate(message["events"]):
                self._buffer.append((orjson.loads(text), workspaces is None or workspaces[index] in mine))
        self._wake.set()

    async def _run(self) -> None:
        await self._send({"type": "subscribed", "stream": self.access.stream, "head": self.access.head})
        if await self._backfill():
            return
        await self._send({"type": "live", "stream": self.access.stream, "sequence": self.cursor})
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)
            except TimeoutError:
                self._behind = (await self._head())[0] > self.cursor
            self._wake.clear()
            if await self._forward() or (self._behind and await self._backfill()):
                return

    async def _forward(self) -> bool:
        """Send what is buffered and in sequence. Returns True at the stream's end."""
        events = []
        while self._buffer:
            envelope, visible = self._buffer.popleft()
            sequence = envelope["sequence"]
            if sequence <= self.cursor:
                continue
            if sequence != self.cursor + 1:
                self._behind = True
                self._buffer.clear()
                break
            self.cursor = sequence
            if visible:
                events.append(envelope)
        return bool(events) and await self._deliver(events)

    async def _backfill(self) -> bool:
        """Read the log from the cursor to its head. Returns True at the stream's end."""
        self._behind = False
        while True:
            head, ended = await self._head()
            events = await database_sync_to_async(log.read_after)(
                self.access.stream, self.cursor, PAGE, workspace_ids=self.access.workspace_ids
            )
            if events:
                self.cursor = events[-1]["sequence"]
                if await self._deliver(events):
                    return True
            elif ended and self.cursor >= head:
                # The client held everything already: cut off between the last event and its `end`.
                await self._send({"type": "end", "stream": self.access.stream, "sequence": self.cursor})
                return True
            if len(events) < PAGE:
                # In the feed, what follows up to the head belongs to others.
                self.cursor = max(self.cursor, head) if self.access.stream == FEED else self.cursor
                return False

    async def _deliver(self, events: list[dict[str, Any]]) -> bool:
        await self._send({"type": "events", "stream": self.access.stream, "events": events})
        if self.access.stream.startswith(EXECUTION) and events[-1]["type"] in TERMINAL:
            await self._send({"type": "end", "stream": self.access.stream, "sequence": self.cursor})
            return True
        return False

    @database_sync_to_async
    def _head(self) -> tuple[int, bool]:
        state = reading.states([self.access.stream])[self.access.stream]
        return state.head, state.ended_at is not None
