"""The subscriptions of one client, over any kind of connection.

One task per session answers the client's requests, in their order, and sends events, so that a client that does not
read delays no other client and costs one buffer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from itertools import takewhile

import orjson
from django.db import DatabaseError, InterfaceError

from events.log.reading import StreamState
from events.streaming import access, stream_kinds
from events.streaming.batch import EventBatch
from events.streaming.hub import Hub
from events.streaming.log_subscription import LogSubscription
from events.streaming.requests import (
    PING,
    Answered,
    ControlRequest,
    PageRequest,
    StreamRequest,
    SubscribeRequest,
    UnsubscribeRequest,
    refusal,
)
from events.streaming.subscription import Client, StreamSubscription
from events.streaming.viewer import NOT_FOUND, Viewer
from workflow_platform.core.database_threads import in_database

logger = logging.getLogger(__name__)

MAX_BUFFERED_BYTES = 2 * 1024 * 1024
"""The maximum size of one client's buffer; above it, the client reads from the log later."""
MAX_PENDING_REQUESTS = 5000
"""The maximum number of unanswered requests of one client."""
PATIENCE_SECONDS = 0.5
"""The pause before the next query while the database is unavailable."""
NOT_SUBSCRIBED = "`stream`: subscribe to the stream before reading it."


class TooManyRequests(Exception):
    """The client has MAX_PENDING_REQUESTS unanswered requests."""


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
        self._requests: deque[StreamRequest] = deque()
        self._ready: dict[StreamSubscription, None] = {}
        self._woken = asyncio.Event()

    def request(self, request: StreamRequest) -> None:
        """Answer a request after those that came before it. Raises TooManyRequests."""
        if len(self._requests) >= MAX_PENDING_REQUESTS:
            raise TooManyRequests
        self._requests.append(request)
        self._woken.set()

    def subscribe(self, stream: str, after: int, types: frozenset[str] | None) -> None:
        """Send a stream to the client after a sequence, again if it is subscribed."""
        self.request(SubscribeRequest(stream, after, types))

    # --- subscriptions --------------------------------------------------------------------------------------------

    def _forget(self, stream: str) -> None:
        if (subscription := self.subscriptions.get(stream)) is not None:
            self.drop(subscription)
        self._ended.pop(stream, None)

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

    @property
    def buffered_bytes(self) -> int:
        """Return the size of the live events that wait."""
        return self._buffered

    def release(self, *batches: EventBatch) -> None:
        """Give back the room of batches."""
        self._buffered = max(0, self._buffered - sum(batch.size for batch in batches))

    def wake(self, subscription: StreamSubscription) -> None:
        """Make a subscription advance soon."""
        self._ready[subscription] = None
        self._woken.set()

    async def run(self) -> None:
        """Answer and send until cancelled."""
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
                await self._answer_pings()
                await asyncio.sleep(PATIENCE_SECONDS)
                self._woken.set()

    async def _send_all(self) -> None:
        while self._requests or self._ready:
            if self._requests:
                await self._answer_next()
            subscription = next(iter(self._ready), None)
            if subscription is not None:
                # Stays ready while it advances, so that a failure is retried.
                more = await subscription.advance()
                if subscription in self._ready:
                    del self._ready[subscription]
                    if more:
                        self._ready[subscription] = None  # behind the others

    # --- requests -------------------------------------------------------------------------------------------------

    async def _answer_next(self) -> None:
        """Answer the first request. It stays in the queue until it is answered, so that a failure is retried."""
        request, answered = self._requests[0], 1
        match request:
            case SubscribeRequest():
                answered = await self._open(self._next_subscriptions())
            case UnsubscribeRequest(stream):
                self._forget(stream)
                await self.client.frame({"type": "unsubscribed", "stream": stream})
            case PageRequest():
                await self._send_page(request)
            case ControlRequest():
                await self._control(request)
            case Answered(answer):
                await self.client.frame(answer)
        for _ in range(answered):
            self._requests.popleft()

    async def _answer_pings(self) -> None:
        """Answer pings before the requests that wait for the database: the connection itself is fine."""
        pings = self._requests.count(PING)
        self._requests = deque(request for request in self._requests if request != PING)
        for _ in range(pings):
            await self.client.frame(PING.answer)

    def _next_subscriptions(self) -> list[SubscribeRequest]:
        """Return the first requests as far as they subscribe to different streams: they are opened together."""
        streams: set[str] = set()

        def is_another(request: StreamRequest) -> bool:
            if not isinstance(request, SubscribeRequest) or request.stream in streams:
                return False
            streams.add(request.stream)
            return True

        return [each for each in takewhile(is_another, self._requests) if isinstance(each, SubscribeRequest)]

    async def _open(self, requests: Sequence[SubscribeRequest]) -> int:
        """Subscribe to streams that the viewer may see, and refuse the others. Returns how many were answered."""
        opened = [self._subscription(request) for request in requests]
        asked = [each for each in opened if each is not None]
        try:
            # Join the groups first, then read the state: no event can be missed in between.
            await self.hub.watch(asked)
            states = await in_database(access.visible_streams, self.viewer, [each.stream for each in asked])
        except (DatabaseError, InterfaceError):
            for each in asked:
                self.drop(each)
            raise
        for request, subscription in zip(requests, opened, strict=True):
            if subscription is None:
                limit = f"{self._max_subscriptions} subscriptions (WS_MAX_SUBSCRIPTIONS)"
                await self.refuse(request.stream, "too_many", f"A connection can have at most {limit}.")
            elif (state := states.get(request.stream)) is None or not access.may_see(self.viewer, state):
                # The viewer may have changed meanwhile.
                self.drop(subscription)
                await self.refuse(request.stream, "not_found", NOT_FOUND)
            else:
                subscription.state = state
                await self._confirm(subscription, state)
        return len(requests)

    def _subscription(self, request: SubscribeRequest) -> StreamSubscription | None:
        """Return the new subscription to a stream, in place of an earlier one; None if there are too many."""
        self._forget(request.stream)
        if len(self.subscriptions) >= self._max_subscriptions:
            return None
        kind = stream_kinds.kind_of(request.stream)
        new = (kind.subscribe if kind else LogSubscription)(self, request.stream, request.after, request.types)
        self.subscriptions[request.stream] = new
        return new

    async def _confirm(self, subscription: StreamSubscription, state: StreamState) -> None:
        if subscription.cursor < 0:
            subscription.cursor = max(0, state.head + subscription.cursor)
        frame = {"type": "subscribed", "stream": state.name, "head": state.head, "after": subscription.cursor}
        if state.removed_through > subscription.cursor:
            frame["removed_through"] = state.removed_through
        await self.client.frame(frame)
        if subscription.is_current:
            self.wake(subscription)

    async def _send_page(self, request: PageRequest) -> None:
        stream = request.stream
        readable = self.subscriptions.get(stream) or self._ended.get(stream)
        if readable is None:
            await self.refuse(stream, "bad_frame", NOT_SUBSCRIBED)
            return
        texts = await readable.page(request.after, request.limit)
        envelopes = [orjson.Fragment(text) for text in texts]
        await self.client.frame({"type": "page", "stream": stream, "after": request.after, "events": envelopes})

    async def _control(self, request: ControlRequest) -> None:
        kind = stream_kinds.kind_of(request.stream)
        if kind is None:
            await self.refuse(request.stream, "not_found", NOT_FOUND)
            return
        error = await in_database(kind.control, self.viewer, request.stream, request.command)
        if error is not None:
            await self.refuse(request.stream, error.code, error.detail)
        else:
            action = request.command["type"]
            await self.client.frame({"type": "controlled", "stream": request.stream, "action": action})

    # --- access ---------------------------------------------------------------------------------------------------

    async def refuse(self, stream: str, code: str, detail: str) -> None:
        """Send the client an error: why it does not get a stream, or no longer gets it."""
        await self.client.frame(refusal(code, stream, detail))

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
