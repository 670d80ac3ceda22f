"""A stream of the log for one client: history, then live, each event once and in sequence.

Events of the stream's group are buffered while the session has room, and sent if their sequence is the next one. After
a gap or with a full buffer (a slow client), the subscription reads the log again, at the client's pace.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import Any

from events.catalogue.event_types import TERMINAL
from events.catalogue.stream_names import EXECUTION
from events.log import reading
from events.log.reading import StreamState
from events.log.recorded import RecordedEvent
from events.streaming.batch import EventBatch
from events.streaming.subscription import PAGE, Connected, StreamSubscription
from workflow_platform.core.database_threads import in_database

MAX_FRAME_BYTES = 64 * 1024


class LogSubscription(StreamSubscription):
    """A stream of the log for one client."""

    def __init__(self, session: Connected, stream: str, after: int, types: frozenset[str] | None) -> None:
        super().__init__(session, stream, after, types)
        self.live = False
        self.behind = True
        self._buffer: deque[EventBatch] = deque()
        self._told_through = after
        self._owes_through = False

    def offer(self, batch: EventBatch) -> None:
        """Take a batch of the stream's group. Never blocks."""
        if self.session.has_room_for(batch):
            self._buffer.append(batch)
        self.session.wake(self)

    def look(self, head: int) -> None:
        """Take the stream's head at the previous poll: events up to it that have not arrived are read from the log."""
        if self.state is None or self.behind:
            return
        if head > self.cursor and not self._buffer:
            self.behind = True
            self.session.wake(self)
        elif self.cursor > self._told_through and not self._buffer:
            self._owes_through = True  # no event was for this client: send it the stream's position
            self.session.wake(self)

    def state_changed(self) -> None:
        """Read missed events from the log: live messages have stopped or are back."""
        if self.live:
            self.live, self.behind = False, True
            self.session.wake(self)

    def forget_buffered(self) -> None:
        """Read the log instead of what is buffered."""
        self._buffer.clear()
        self.behind = True

    async def advance(self) -> bool:
        """Send the next frame, if there is anything to send. Returns whether there may be more."""
        if self.behind:
            await self._read()
        else:
            await self._forward()
        return self.stream in self.session.subscriptions and (self.behind or bool(self._buffer))

    async def page(self, after: int, limit: int) -> list[str]:
        """Return a page of history, as JSON texts."""
        assert self.state is not None
        workspace_ids = self.session.viewer.workspace_ids
        _, events = await in_database(_read, self.state, after, limit, self.types, workspace_ids)
        return [event.json(self.stream) for event in events]

    async def send_liveness(self) -> None:
        """Send whether the stream is live, or the log is polled."""
        self._told_through = self.cursor
        await super().send_liveness()

    async def _read(self) -> None:
        """Send a page of the log."""
        self.behind, self.committed_at = False, None
        assert self.state is not None
        state, events = await in_database(
            _read, self.state, self.cursor, PAGE, self.types, self.session.viewer.workspace_ids
        )
        self.state = state
        sequences = [event.sequence_in(self.stream) for event in events]
        if len(events) == PAGE:
            through, self.behind = sequences[-1], True
        else:
            # Events in between are filtered out, belong to other workspaces, or were removed.
            through = max([self.cursor, state.head, *sequences[-1:]])
        await self._send_page(sequences, [event.json(self.stream) for event in events], through)
        if not self.is_current:
            return  # dropped meanwhile
        if not self.behind:
            self._close_up()
            if state.ended_at is not None and self.cursor >= state.head:
                # Events may have been removed after the stream's state was read.
                self.state = (await in_database(reading.states, [self.stream])).get(self.stream, state)
                await self._end()
            elif not self.live and not self.behind:
                self.live = True
                await self.send_liveness()

    async def _send_page(self, sequences: Sequence[int], texts: Sequence[str], through: int) -> None:
        """Send frames of moderate size, so that a client whose connection breaks often still makes progress."""
        start, size = 0, 0
        for index, text in enumerate(texts):
            size += len(text)
            if size >= MAX_FRAME_BYTES or index == len(texts) - 1:
                if not self.is_current:
                    return
                self.cursor = through if index == len(texts) - 1 else sequences[index]
                await self._send(sequences[start : index + 1], texts[start : index + 1])
                start, size = index + 1, 0
        self.cursor = through

    def _close_up(self) -> None:
        """Drop buffered events that were read from the log."""
        while self._buffer and self._buffer[0].last <= self.cursor:
            self.session.release(self._buffer.popleft())
        if self._buffer and self._buffer[0].first > self.cursor + 1:
            self.session.release(*self._buffer)
            self.forget_buffered()

    async def _forward(self) -> None:
        """Send what is buffered and next."""
        sequences: list[int] = []
        texts: list[str] = []
        size, ended = 0, False
        self.committed_at = self._buffer[0].committed_at if self._buffer else None
        while self._buffer and size < MAX_FRAME_BYTES:
            batch = self._buffer[0]
            if batch.first > self.cursor + 1:
                self.session.release(*self._buffer)
                self.forget_buffered()
                break
            self._buffer.popleft()
            self.session.release(batch)
            if batch.last > self.cursor:
                self._take(batch, sequences, texts)
                self.cursor = batch.last
                size += batch.size
                ended = ended or batch.types[-1] in TERMINAL
        if texts:
            await self._send(sequences, texts)
        elif self._owes_through and not ended:
            await self._send([], [])
        if ended and self.stream.startswith(EXECUTION):
            await self._end()

    def _take(self, batch: EventBatch, sequences: list[int], texts: list[str]) -> None:
        """Add the events of a batch after the cursor that the client may see and has subscribed to."""
        start = self.cursor + 1 - batch.first
        if self.types is None and batch.workspaces is None:
            sequences.extend(range(self.cursor + 1, batch.last + 1))
            texts.extend(batch.texts[start:] if start else batch.texts)
            return
        workspace_ids = self.session.viewer.workspace_ids
        for index in range(start, len(batch.texts)):
            if self.types is not None and batch.types[index] not in self.types:
                continue
            if batch.workspaces is not None and batch.workspaces[index] not in workspace_ids:
                continue
            sequences.append(batch.first + index)
            texts.append(batch.texts[index])

    async def _send(self, sequences: Sequence[int], texts: Sequence[str]) -> None:
        self._told_through, self._owes_through = self.cursor, False
        await self.session.client.events(self.stream, sequences, texts, self.cursor)

    async def _end(self) -> None:
        self.session.end(self)
        frame: dict[str, Any] = {"type": "end", "stream": self.stream, "sequence": self.cursor}
        if self.state is not None and self.state.removed_through >= self.cursor > 0:
            frame["removed"] = True
        await self.session.client.frame(frame)


def _read(
    stream: StreamState, after: int, limit: int, types: Collection[str] | None, workspaces: Collection[str]
) -> tuple[StreamState, list[RecordedEvent]]:
    """Return the stream's state, and a page of its events up to that state's head."""
    state = reading.states([stream.name]).get(stream.name, stream)
    if state.head <= after:
        return state, []
    page = reading.page_after(state, after, limit, types, workspaces)
    # A later event could be the end of the stream, while `state` says that it has not ended.
    return state, [event for event in page if event.sequence_in(stream.name) <= state.head]
