"""Everything that one client watches, over whatever connection.

One task per session sends, so that a client that does not read holds up nobody and costs one buffer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass

import orjson
from django.db import DatabaseError, InterfaceError

from events.streaming import access, stream_kinds
from events.streaming.batch import EventBatch
from events.streaming.hub import Hub
from events.streaming.log_subscription import LogSubscription
from events.streaming.subscription import Client, StreamSubscription
from events.streaming.viewer import NOT_FOUND, Viewer
from workflow_platform.core.database_threads import in_database

logger = logging.getLogger(__name__)

MAX_BUFFERED_BYTES = 2 * 1024 * 1024
"""What one client may have waiting in memory; above it, it is read from the log later."""
MAX_PAGES_ASKED = 16
PATIENCE_SECONDS = 0.5
"""Until the database is asked again, when it is away."""


class TooManySubscriptions(Exception):
    """The client has as many subscriptions, or asks for as many pages, as it may."""


@dataclass(slots=True)
class _PageAsked:
    subscription: StreamSubscription
    after: int
    limit: int


class Session:
    """The subscriptions of one client, and the one task that sends to it."""

    def __init__(self, hub: Hub, viewer: Viewer, client: Client, max_subscriptions: int) -> None:
        self.hub = hub
        self.viewer = viewer
        self.client = client
        self.subscriptions: dict[str, StreamSubscription] = {}
        self._max_subscriptions = max_subscriptions
        self._buffered = 0
        self._ready: dict[StreamSubscription, None] = {}
        self._pages: deque[_PageAsked] = deque()
        self._woken = asyncio.Event()

    def subscribe(self, stream: str, after: int, types: frozenset[str] | None) -> None:
        """Bring a stream to the client from a sequence on, anew if it is there already. Raises TooManySubscriptions."""
        if (old := self.subscriptions.get(stream)) is not None:
            self.drop(old)
        if len(self.subscriptions) >= self._max_subscriptions:
            raise TooManySubscriptions(f"At most {self._max_subscriptions} streams on one connection.")
        kind = stream_kinds.kind_of(stream)
        subscription = (kind.subscribe if kind else LogSubscription)(self, stream, after, types)
        self.subscriptions[stream] = subscription
        self.wake(subscription)

    def unsubscribe(self, stream: str) -> None:
        """Bring no more of a stream."""
        if (subscription := self.subscriptions.get(stream)) is not None:
            self.drop(subscription)

    def ask_page(self, stream: str, after: int, limit: int) -> bool:
        """Send a page of a subscribed stream's history. False: it is not subscribed. Raises TooManySubscriptions."""
        subscription = self.subscriptions.get(stream)
        if subscription is None:
            return False
        if len(self._pages) >= MAX_PAGES_ASKED:
            raise TooManySubscriptions(f"At most {MAX_PAGES_ASKED} pages at a time.")
        self._pages.append(_PageAsked(subscription, after, limit))
        self._woken.set()
        return True

    def drop(self, subscription: StreamSubscription) -> None:
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

    def has_room_for(self, batch: EventBatch) -> bool:
        """Reserve room for a batch. If there is none, all that is buffered goes: it is read from the log later."""
        if self._buffered + batch.size > MAX_BUFFERED_BYTES:
            self._buffered = 0
            for subscription in self.subscriptions.values():
                subscription.forget_buffered()
                self.wake(subscription)
            return False
        self._buffered += batch.size
        return True

    def release(self, *batches: EventBatch) -> None:
        """Give back the room of batches."""
        self._buffered = max(0, self._buffered - sum(batch.size for batch in batches))

    def wake(self, subscription: StreamSubscription) -> None:
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

    async def _open(self, wanted: list[StreamSubscription]) -> None:
        # The groups first, then what is there: nothing can fall between.
        await self.hub.watch(wanted)
        found = await in_database(access.visible_streams, self.viewer, [s.stream for s in wanted])
        for subscription in wanted:
            if self.subscriptions.get(subscription.stream) is not subscription:
                continue  # unsubscribed meanwhile
            state = found.get(subscription.stream)
            if state is None:
                self.drop(subscription)
                await self.refuse(subscription.stream, "not_found", NOT_FOUND)
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
