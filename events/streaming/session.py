"""The subscriptions of one client, over any kind of connection.

One task per session sends, so that a client that does not read delays no other client and costs one buffer.
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
"""The maximum size of one client's buffer; above it, the client reads from the log later."""
MAX_PAGE_REQUESTS = 16
PATIENCE_SECONDS = 0.5
"""The pause before the next query while the database is unavailable."""


class TooManySubscriptions(Exception):
    """The client has reached the limit of subscriptions or of requested pages."""


@dataclass(slots=True)
class _PageRequest:
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
        self._ended: dict[str, StreamSubscription] = {}
        """Subscriptions whose streams have ended, for requests of pages; the oldest are forgotten."""
        self._max_subscriptions = max_subscriptions
        self._buffered = 0
        self._ready: dict[StreamSubscription, None] = {}
        self._pages: deque[_PageRequest] = deque()
        self._woken = asyncio.Event()

    def subscribe(self, stream: str, after: int, types: frozenset[str] | None) -> None:
        """Send a stream to the client after a sequence, again if it is subscribed. Raises TooManySubscriptions."""
        if (old := self.subscriptions.get(stream)) is not None:
            self.drop(old)
        self._ended.pop(stream, None)
        if len(self.subscriptions) >= self._max_subscriptions:
            raise TooManySubscriptions(
                f"A connection can have at most {self._max_subscriptions} subscriptions (WS_MAX_SUBSCRIPTIONS)."
            )
        kind = stream_kinds.kind_of(stream)
        subscription = (kind.subscribe if kind else LogSubscription)(self, stream, after, types)
        self.subscriptions[stream] = subscription
        self.wake(subscription)

    def unsubscribe(self, stream: str) -> None:
        """Stop sending a stream."""
        if (subscription := self.subscriptions.get(stream)) is not None:
            self.drop(subscription)
        self._ended.pop(stream, None)

    def request_page(self, stream: str, after: int, limit: int) -> bool:
        """Send a page of a subscribed stream's history. False: it is not subscribed. Raises TooManySubscriptions."""
        subscription = self._readable(stream)
        if subscription is None:
            return False
        if len(self._pages) >= MAX_PAGE_REQUESTS:
            raise TooManySubscriptions(f"A client can request at most {MAX_PAGE_REQUESTS} pages at a time.")
        self._pages.append(_PageRequest(subscription, after, limit))
        self._woken.set()
        return True

    def _readable(self, stream: str) -> StreamSubscription | None:
        return self.subscriptions.get(stream) or self._ended.get(stream)

    def end(self, subscription: StreamSubscription) -> None:
        """Forget a subscription whose stream has ended; the client can still read its pages."""
        self.drop(subscription)
        self._ended[subscription.stream] = subscription
        while len(self._ended) > self._max_subscriptions:
            del self._ended[next(iter(self._ended))]

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
        """Reserve room for a batch. If there is none, the buffer is emptied: its events are read from the log later."""
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
        """Make a subscription advance soon."""
        self._ready[subscription] = None
        self._woken.set()

    async def run(self) -> None:
        """Send frames until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._send_all()
            except (DatabaseError, InterfaceError) as error:
                logger.warning(
                    "event history not readable: %s; retrying in %g s",
                    str(error).strip(),
                    PATIENCE_SECONDS,
                    extra={"retry_seconds": PATIENCE_SECONDS},
                )
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
                # Stays ready while it advances, so that a failure is retried.
                more = await subscription.advance()
                if subscription in self._ready:
                    del self._ready[subscription]
                    if more:
                        self._ready[subscription] = None  # behind the others

    async def _open(self, subscriptions: list[StreamSubscription]) -> None:
        # Join the groups first, then read the state: no event can be missed in between.
        await self.hub.watch(subscriptions)
        states = await in_database(access.visible_streams, self.viewer, [s.stream for s in subscriptions])
        for subscription in subscriptions:
            if self.subscriptions.get(subscription.stream) is not subscription:
                continue  # unsubscribed meanwhile
            state = states.get(subscription.stream)
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

    async def _send_page(self, request: _PageRequest) -> None:
        state, stream = request.subscription.state, request.subscription.stream
        if state is None or self._readable(stream) is not request.subscription:
            return
        texts = await request.subscription.page(request.after, request.limit)
        envelopes = [orjson.Fragment(text) for text in texts]
        await self.client.frame({"type": "page", "stream": stream, "after": request.after, "events": envelopes})

    async def refuse(self, stream: str, code: str, detail: str) -> None:
        """Send the client an error: why it does not get a stream, or no longer gets it."""
        await self.client.frame({"type": "error", "code": code, "stream": stream, "detail": detail})

    async def change_viewer(self, viewer: Viewer) -> None:
        """Continue with the user's current permissions, and end subscriptions that they no longer allow."""
        before, self.viewer = self.viewer, viewer
        if (before.staff, before.workspace_ids) == (viewer.staff, viewer.workspace_ids):
            return
        for subscription in list(self.subscriptions.values()):
            if subscription.state is not None and not access.may_see(viewer, subscription.state):
                self.drop(subscription)
                await self.refuse(subscription.stream, "forbidden", "You may no longer see this stream.")
        for subscription in list(self._ended.values()):
            if subscription.state is None or not access.may_see(viewer, subscription.state):
                del self._ended[subscription.stream]
