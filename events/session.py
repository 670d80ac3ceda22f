"""Everything that one client watches, over whatever connection: history, then live, each event once and in sequence.

What the group of a stream says is kept if it fits into the session's buffer, and goes out if it is the next sequence.
What does not fit or is not next (a gap, a slow client) sends the subscription back to the log, at the client's pace.
One task per session sends, so that a client that does not read holds up nobody and costs one buffer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from django.db import DatabaseError, InterfaceError

from events import access, reading
from events.access import Viewer
from events.event_types import TERMINAL
from events.hub import Batch, Hub
from events.models import EXECUTION
from events.reading import StreamState
from events.recorded import RecordedEvent
from events.replay.models import REPLAY
from workflow_platform.database_threads import in_database

logger = logging.getLogger(__name__)

PAGE = 500
MAX_BUFFERED_BYTES = 2 * 1024 * 1024
"""What one client may have waiting in memory; above it, it is read from the log later."""
MAX_FRAME_BYTES = 64 * 1024
MAX_PAGES_ASKED = 16
PATIENCE_SECONDS = 0.5
"""Until the database is asked again, when it is away."""


class Client(Protocol):
    """Where a session's frames go. Both wait until the client has taken enough of what was sent before."""

    async def events(self, stream: str, sequences: Sequence[int], envelopes: Sequence[str], through: int) -> None:
        """Send events of a stream: JSON texts. `through` is the last sequence that was looked at."""

    async def frame(self, frame: dict[str, Any]) -> None:
        """Send anything else."""


class TooMany(Exception):
    """The client has as many subscriptions, or asks for as many pages, as it may."""


class Subscription:
    """One stream for one client."""

    def __init__(self, session: Session, stream: str, after: int, types: frozenset[str] | None) -> None:
        self.session = session
        self.stream = stream
        self.cursor = after
        self.types = types
        self.state: StreamState | None = None
        self.live = False
        self.behind = True
        self._buffer: deque[Batch] = deque()
        self._told_through = after
        self._owes_through = False

    def offer(self, batch: Batch) -> None:
        """Take what the stream's group says. Never blocks."""
        if self.session.has_room_for(batch):
            self._buffer.append(batch)
        self.session.wake(self)

    def look(self, head: int) -> None:
        """Hear where the stream stood some time ago: what has not come by now is read from the log."""
        if self.state is None or self.behind:
            return
        if head > self.cursor and not self._buffer:
            self.behind = True
            self.session.wake(self)
        elif self.cursor > self._told_through and not self._buffer:
            self._owes_through = True  # nothing of it was for this client, who should know how far that goes
            self.session.wake(self)

    def state_changed(self) -> None:
        """Hear that hints have stopped, or are back; then, what was said meanwhile is read from the log."""
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
        mine = self.session.viewer.workspace_ids
        _, events = await in_database(_read, self.state, after, limit, self.types, mine)
        return [event.json(self.stream) for event in events]

    def stop(self) -> None:
        """Let go of everything: it is dropped."""

    async def tell_state(self) -> None:
        """Tell whether what follows is live, or comes from a log that is polled."""
        kind = "degraded" if self.session.hub.degraded else "live"
        self._told_through = self.cursor
        await self.session.client.frame({"type": kind, "stream": self.stream, "sequence": self.cursor})

    async def _read(self) -> None:
        """Send a page of the log."""
        self.behind = False
        assert self.state is not None
        state, events = await in_database(
            _read, self.state, self.cursor, PAGE, self.types, self.session.viewer.workspace_ids
        )
        self.state = state
        sequences = [event.sequence_in(self.stream) for event in events]
        if len(events) == PAGE:
            through, self.behind = sequences[-1], True
        else:
            # What lies between is filtered out, belongs to others, or was removed.
            through = max([self.cursor, state.head, *sequences[-1:]])
        await self._send_page(sequences, [event.json(self.stream) for event in events], through)
        if self.session.subscriptions.get(self.stream) is not self:
            return  # dropped meanwhile
        if not self.behind:
            self._close_up()
            if state.ended_at is not None and self.cursor >= state.head:
                # Events may have been removed between the look at the stream and the page.
                self.state = (await in_database(reading.states, [self.stream])).get(self.stream, state)
                await self._end()
            elif not self.live and not self.behind:
                self.live = True
                await self.tell_state()

    async def _send_page(self, sequences: Sequence[int], texts: Sequence[str], through: int) -> None:
        """Send in frames of moderate size: a connection that breaks often gets on frame by frame."""
        start, size = 0, 0
        for index, text in enumerate(texts):
            size += len(text)
            if size >= MAX_FRAME_BYTES or index == len(texts) - 1:
                if self.session.subscriptions.get(self.stream) is not self:
                    return
                self.cursor = through if index == len(texts) - 1 else sequences[index]
                await self._send(sequences[start : index + 1], texts[start : index + 1])
                start, size = index + 1, 0
        self.cursor = through

    def _close_up(self) -> None:
        """Drop of the buffer what the log has told already."""
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

    def _take(self, batch: Batch, sequences: list[int], texts: list[str]) -> None:
        """Add what the client may and wants to see of a batch, after its cursor."""
        start = self.cursor + 1 - batch.first
        if self.types is None and batch.workspaces is None:
            sequences.extend(range(self.cursor + 1, batch.last + 1))
            texts.extend(batch.texts[start:] if start else batch.texts)
            return
        mine = self.session.viewer.workspace_ids
        for index in range(start, len(batch.texts)):
            if self.types is not None and batch.types[index] not in self.types:
                continue
            if batch.workspaces is not None and batch.workspaces[index] not in mine:
                continue
            sequences.append(batch.first + index)
            texts.append(batch.texts[index])

    async def _send(self, sequences: Sequence[int], texts: Sequence[str]) -> None:
        self._told_through, self._owes_through = self.cursor, False
        await self.session.client.events(self.stream, sequences, texts, self.cursor)

    async def _end(self) -> None:
        self.session.drop(self)
        frame: dict[str, Any] = {"type": "end", "stream": self.stream, "sequence": self.cursor}
        if self.state is not None and self.state.removed_through >= self.cursor > 0:
            frame["removed"] = True
        await self.session.client.frame(frame)


def _read(
    stream: StreamState, after: int, limit: int, types: Collection[str] | None, workspaces: Collection[str]
) -> tuple[StreamState, list[RecordedEvent]]:
    """Return where the stream stands, and after that a page of it: nothing up to its head is missing from the page."""
    state = reading.states([stream.name]).get(stream.name, stream)
    if state.head <= after:
        return state, []
    return state, reading.page_after(state, after, limit, types, workspaces)


def _kind_of(stream: str) -> type[Subscription]:
    from events.replay.subscription import ReplaySubscription  # built on this module

    return ReplaySubscription if stream.startswith(REPLAY) else Subscription


@dataclass(slots=True)
class _PageAsked:
    subscription: Subscription
    after: int
    limit: int


class Session:
    """The subscriptions of one client, and the one task that sends to it."""

    def __init__(self, hub: Hub, viewer: Viewer, client: Client, max_subscriptions: int) -> None:
        self.hub = hub
        self.viewer = viewer
        self.client = client
        self.subscriptions: dict[str, Subscription] = {}
        self._max_subscriptions = max_subscriptions
        self._buffered = 0
        self._ready: dict[Subscription, None] = {}
        self._pages: deque[_PageAsked] = deque()
        self._woken = asyncio.Event()

    def subscribe(self, stream: str, after: int, types: frozenset[str] | None) -> None:
        """Bring a stream to the client from a sequence on, anew if it is there already. Raises TooMany."""
        if (old := self.subscriptions.get(stream)) is not None:
            self.drop(old)
        if len(self.subscriptions) >= self._max_subscriptions:
            raise TooMany(f"At most {self._max_subscriptions} streams on one connection.")
        subscription = self.subscriptions[stream] = _kind_of(stream)(self, stream, after, types)
        self.wake(subscription)

    def unsubscribe(self, stream: str) -> None:
        """Bring no more of a stream."""
        if (subscription := self.subscriptions.get(stream)) is not None:
            self.drop(subscription)

    def ask_page(self, stream: str, after: int, limit: int) -> bool:
        """Have a page of a subscribed stream's history sent. Returns False if it is not subscribed. Raises TooMany."""
        subscription = self.subscriptions.get(stream)
        if subscription is None:
            return False
        if len(self._pages) >= MAX_PAGES_ASKED:
            raise TooMany(f"At most {MAX_PAGES_ASKED} pages at a time.")
        self._pages.append(_PageAsked(subscription, after, limit))
        self._woken.set()
        return True

    def drop(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        if self.subscriptions.get(subscription.stream) is subscription:
            del self.subscriptions[subscription.stream]
        self._ready.pop(subscription, None)
        subscription.stop()
        self.hub.unwatch(subscription)

    def close(self) -> None:
        """Forget all subscriptions."""
        for subscription in list(self.subscriptions.values()):
            self.drop(subscription)

    def has_room_for(self, batch: Batch) -> bool:
        """Reserve room for a batch. If there is none, all that is buffered goes: it is read from the log later."""
        if self._buffered + batch.size > MAX_BUFFERED_BYTES:
            self._buffered = 0
            for subscription in self.subscriptions.values():
                subscription.forget_buffered()
                self.wake(subscription)
            return False
        self._buffered += batch.size
        return True

    def release(self, *batches: Batch) -> None:
        """Give back the room of batches."""
        self._buffered = max(0, self._buffered - sum(batch.size for batch in batches))

    def wake(self, subscription: Subscription) -> None:
        """Have a subscription looked at."""
        self._ready[subscription] = None
        self._woken.set()

    async def run(self) -> None:
        """Send what there is to send, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._send_all()
            except (DatabaseError, InterfaceError) as error:
                logger.warning("history cannot be read: %s", str(error).strip())
                await asyncio.sleep(PATIENCE_SECONDS)
                self._woken.set()

    async def _send_all(self) -> None:
        while self._ready or self._pages:
            if unopened := [s for s in self._ready if s.state is None]:
                await self._open(unopened)
            if self._pages:
                await self._send_page(self._pages[0])
                self._pages.popleft()
            subscription = next((s for s in self._ready if s.state is not None), None)
            if subscription is not None:
                # Stays ready while it is at work: a failure leaves it to be tried again.
                more = await subscription.advance()
                if subscription in self._ready:
                    del self._ready[subscription]
                    if more:
                        self._ready[subscription] = None  # behind the others

    async def _open(self, wanted: list[Subscription]) -> None:
        # The groups first, then what is there: nothing can fall between.
        await self.hub.watch(wanted)
        found = await in_database(access.visible_streams, self.viewer, [s.stream for s in wanted])
        for subscription in wanted:
            if self.subscriptions.get(subscription.stream) is not subscription:
                continue  # unsubscribed meanwhile
            state = found.get(subscription.stream)
            if state is None:
                self.drop(subscription)
                await self.refuse(subscription.stream, "not_found", access.NOT_FOUND)
                continue
            subscription.state = state
            if subscription.cursor < 0:
                subscription.cursor = max(0, state.head + subscription.cursor)
            frame = {"type": "subscribed", "stream": state.name, "head": state.head, "after": subscription.cursor}
            if state.removed_through > subscription.cursor:
                frame["removed_through"] = state.removed_through
            await self.client.frame(frame)

    async def _send_page(self, asked: _PageAsked) -> None:
        state, stream = asked.subscription.state, asked.subscription.stream
        if state is None or self.subscriptions.get(stream) is not asked.subscription:
            return
        texts = await asked.subscription.page(asked.after, asked.limit)
        envelopes = [orjson.Fragment(text) for text in texts]
        await self.client.frame({"type": "page", "stream": stream, "after": asked.after, "events": envelopes})

    async def refuse(self, stream: str, code: str, detail: str) -> None:
        """Tell the client why it gets nothing, or nothing more, of a stream."""
        await self.client.frame({"type": "error", "code": code, "stream": stream, "detail": detail})

    async def see_as(self, viewer: Viewer) -> None:
        """Go on with what the user may see now; end what they may no longer."""
        before, self.viewer = self.viewer, viewer
        if (before.staff, before.workspace_ids) == (viewer.staff, viewer.workspace_ids):
            return
        for subscription in list(self.subscriptions.values()):
            if subscription.state is not None and not access.may_see(viewer, subscription.state):
                self.drop(subscription)
                await self.refuse(subscription.stream, "forbidden", "It is no longer yours to see.")
