"""The client: all its tails share one connection, which is reopened when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
import weakref
from collections.abc import AsyncGenerator, Sequence
from typing import Literal, Self

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from events.client.address import DEFAULT_URL, websocket_url
from events.client.backoff import delay_before
from events.client.dialing import talk
from events.client.frames import EventClientError, Frame, Level, parse
from events.client.states import Changes, State, worst
from events.client.subscription import Refused, Subscription
from events.client.tail import Tail

logger = logging.getLogger("events.client")

PAGES_AT_ONCE = 8
"""The pages of history that one client requests at a time; the server rejects more than 16."""


class EventClient:
    """A client of the platform at `url` (`https://host[:port]`, or `wss://…/ws/`), as the holder of `token`.

    The token defaults to the environment's WORKFLOW_PLATFORM_TOKEN, the address to WORKFLOW_PLATFORM_URL. Use it as an
    asynchronous context manager; leaving it ends its tails.
    """

    def __init__(self, url: str | None = None, *, token: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.url = websocket_url(url or os.environ.get("WORKFLOW_PLATFORM_URL") or DEFAULT_URL)
        self._token = token or os.environ.get("WORKFLOW_PLATFORM_TOKEN") or ""
        self._tls: ssl.SSLContext | Literal[True] | None = (tls or True) if self.url.startswith("wss:") else None
        self._subscriptions: dict[str, Subscription] = {}
        self._pending: dict[str, int] = {}
        """Cursors of requests without an answer yet, by stream: frames before the answer are stale."""
        self._leaving: dict[str, asyncio.Event] = {}
        """Streams that were unsubscribed, until the server confirms it."""
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._failure: EventClientError | None = None
        self._was_open = self._closed = False
        self._progress = False
        """Whether the connection has received a frame: if not, the next attempt waits longer."""
        self._changes = Changes()
        self._errands: set[asyncio.Task[None]] = set()
        self._pages = asyncio.Semaphore(PAGES_AT_ONCE)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_connected())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, and end every tail."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._fail(None)

    def tail(
        self,
        stream: str,
        *,
        after: int = 0,
        types: Sequence[str] | None = None,
        level: Level | None = None,
        follow: bool = True,
    ) -> Tail:
        """Return the events of a stream after a sequence; `after=-100` begins 100 events before the stream's end.

        `types` are patterns (`execution.node_*`), `level` "lifecycle" leaves out what nodes do. Without `follow` it
        ends with the events that exist now. A stream has one tail at a time.
        """
        if isinstance(types, str):
            raise TypeError("`types` must be a list of patterns.")
        subscription = Subscription(stream, after, types, level, follow)
        tail = Tail(self, subscription)
        weakref.finalize(tail, self._let_go, subscription).atexit = False
        return tail

    @property
    def state(self) -> State:
        """The state of the client: live when every stream is, otherwise the worst state of its streams."""
        if self._closed:
            return State.CLOSED
        if self._socket is None:
            return State.RECONNECTING if self._was_open else State.CONNECTING
        return worst(subscription.state for subscription in self._subscriptions.values() if not subscription.parked)

    @property
    def failure(self) -> EventClientError | None:
        """Why the client closed for good; None if it is open or was closed by the caller."""
        return self._failure

    def states(self) -> AsyncGenerator[State]:
        """Yield the state now and every one that follows, up to `closed`."""
        return self._changes.follow()

    # --- for Tail ----------------------------------------------------------------------------------------------------

    async def _begin(self, subscription: Subscription) -> None:
        known = self._subscriptions.get(subscription.stream)
        if known is subscription or subscription.over:
            return
        if self._task is None:
            raise RuntimeError("Use the client as an asynchronous context manager.")
        if self._closed:
            subscription.close(self._failure)
            return
        if known is not None and known.abandoned:
            await self._end(known)
        elif known is not None:
            raise ValueError(f"{subscription.stream} already has a tail.")
        if (leaving := self._leaving.get(subscription.stream)) is not None:
            await leaving.wait()  # earlier frames belong to the previous tail, which may have another filter
            await self._begin(subscription)
            return
        self._subscriptions[subscription.stream] = subscription
        self._tell()
        await self._request(subscription)

    async def _resume(self, subscription: Subscription) -> None:
        """Request a parked stream again."""
        if subscription.parked and not subscription.over:
            subscription.parked = False
            await self._request(subscription)

    async def _end(self, subscription: Subscription) -> None:
        subscription.close()
        subscription.taken()
        if self._forget(subscription):
            await self._leave(subscription.stream)

    async def _leave(self, stream: str) -> None:
        if self._socket is not None:
            self._leaving[stream] = asyncio.Event()
            await self._send({"type": "unsubscribe", "stream": stream})

    def _let_go(self, subscription: Subscription) -> None:
        """End the subscription of a tail that was garbage-collected."""
        subscription.abandoned = True
        if self._task is not None and not (loop := self._task.get_loop()).is_closed():
            loop.call_soon_threadsafe(self._run_errand, subscription)

    def _run_errand(self, subscription: Subscription) -> None:
        errand = asyncio.create_task(self._end(subscription))
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)

    async def _request(self, subscription: Subscription) -> None:
        if self._socket is not None:
            self._pending[subscription.stream] = subscription.cursor
            await self._send(subscription.request())

    async def _send(self, frame: Frame) -> None:
        """Send a frame if there is a connection. The next connection begins with all current requests."""
        if self._socket is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(orjson.dumps(frame).decode())

    # --- the connection ----------------------------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        attempt = 0
        try:
            while True:
                self._progress = False
                try:
                    close_code = await talk(self.url, self._token, self._tls, self._converse)
                finally:
                    self._socket = None
                self._disconnected()
                attempt = 0 if self._progress else attempt
                delay = delay_before(attempt, close_code)
                logger.info("connection lost (close code %s); reconnecting in %.2f s", close_code, delay)
                await asyncio.sleep(delay)
                attempt += 1
        except asyncio.CancelledError:
            raise
        except EventClientError as error:
            self._fail(error)
        except Exception as error:
            self._fail(EventClientError(f"The client failed: {error!r}"))
            raise

    def _disconnected(self) -> None:
        self._pending.clear()
        for leaving in self._leaving.values():
            leaving.set()
        self._leaving.clear()
        for subscription in self._subscriptions.values():
            subscription.disconnected()
        self._tell()

    async def _converse(self, socket: ClientConnection) -> None:
        self._socket, self._was_open = socket, True
        for subscription in list(self._subscriptions.values()):
            if not subscription.parked:
                await self._request(subscription)
            for after, (limit, _) in list(subscription.reads.items()):
                await self._send({"type": "read", "stream": subscription.stream, "after": after, "limit": limit})
        self._tell()
        while True:
            await self._take(parse(await socket.recv()))

    async def _take(self, frame: Frame) -> None:
        """Handle a frame of the server. Raises Refused for an error of the connection."""
        stream = frame.get("stream")
        subscription = self._subscriptions.get(stream) if isinstance(stream, str) else None
        if frame["type"] == "error" and stream is None:
            raise Refused(str(frame.get("code")), str(frame.get("detail")))
        if frame["type"] == "unsubscribed" and (leaving := self._leaving.pop(str(stream), None)) is not None:
            leaving.set()
        if subscription is None or self._stale(frame):
            return
        before = subscription.state
        if frame["type"] == "error":
            subscription.refused(str(frame.get("code")), str(frame.get("detail")))
        elif frame["type"] == "events" and subscription.full and not await subscription.room():
            subscription.park()
            await self._send({"type": "unsubscribe", "stream": stream})
        else:
            self._progress |= frame["type"] in {"events", "live", "end"}
            await self._hand_over(subscription, frame)
        if subscription.over:
            self._forget(subscription)
        elif subscription.state is not before:
            self._tell()

    def _stale(self, frame: Frame) -> bool:
        """Return whether a frame belongs to a request that a later one has replaced."""
        after = self._pending.get(frame["stream"])
        if after is None or frame["type"] in {"page", "error"}:
            return False
        if frame["type"] == "subscribed" and (after < 0 or frame.get("after", after) == after):
            del self._pending[frame["stream"]]
            return False
        return True

    async def _hand_over(self, subscription: Subscription, frame: Frame) -> None:
        try:
            subscription.take(frame)
        except EventClientError as error:
            subscription.close(error)
            await self._leave(subscription.stream)

    def _forget(self, subscription: Subscription) -> bool:
        """Remove the subscription. Returns whether the stream was this subscription's."""
        if self._subscriptions.get(subscription.stream) is not subscription:
            return False
        del self._subscriptions[subscription.stream]
        self._tell()
        return True

    def _fail(self, error: EventClientError | None) -> None:
        self._closed, self._failure = True, self._failure or error
        for subscription in list(self._subscriptions.values()):
            subscription.close(error)
            subscription.taken()
        self._subscriptions.clear()
        self._disconnected()

    def _tell(self) -> None:
        self._changes.tell(self.state)
