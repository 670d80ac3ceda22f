"""The events of one stream for the caller."""

from __future__ import annotations

import asyncio
from typing import Protocol, Self

from events.client.frames import Event, Frame
from events.client.states import State
from events.client.subscription import REPLAY, Subscription


class TailConnection(Protocol):
    """What a tail uses of its client."""

    _pages: asyncio.Semaphore

    async def _begin(self, subscription: Subscription) -> None:
        """Request the stream, unless it was requested already."""

    async def _resume(self, subscription: Subscription) -> None:
        """Request a parked stream again."""

    async def _end(self, subscription: Subscription) -> None:
        """Unsubscribe from the stream."""

    async def _send(self, frame: Frame) -> None:
        """Send a frame if there is a connection."""


class Tail:
    """The events of a stream, each once and in sequence; ends with the stream. Made by `EventClient.tail`.

    The stream is asked for when the first event is. A step may be cancelled (`asyncio.wait_for(anext(tail), 1)`)
    without loss. Let go of the tail, or close it, to have no more of the stream. A step raises Refused (NoSuchStream,
    Forbidden), NotAuthenticated, ProtocolError, SequenceGap or HistoryRemoved, after all that came before.
    """

    def __init__(self, client: TailConnection, subscription: Subscription) -> None:
        self._client, self._subscription = client, subscription
        self.cursor = subscription.cursor
        """The last sequence that the caller has seen or that was filtered out: a later tail continues from it."""

    @property
    def stream(self) -> str:
        """The stream's name."""
        return self._subscription.stream

    @property
    def head(self) -> int | None:
        """The stream's last sequence when the server last accepted the subscription; None before."""
        return self._subscription.head

    @property
    def state(self) -> State:
        """The state of this stream."""
        return self._subscription.state

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        subscription = self._subscription
        await self._client._begin(subscription)
        while True:
            while subscription.buffer:
                event, self.cursor = subscription.buffer.popleft()
                subscription.taken()
                if event is not None:
                    return event
            if subscription.failure is not None:
                raise subscription.failure
            if subscription.over:
                raise StopAsyncIteration
            subscription.filled.clear()
            await self._client._resume(subscription)
            await subscription.filled.wait()

    async def read(self, after: int, limit: int = 500) -> list[Event]:
        """Return a page of history, filtered as the tail is: at most `limit` (1000) events after a sequence.

        For who began near the head (`after=-100`) and loads what is older while the tail is live.
        """
        if after < 0 or not 1 <= limit <= 1000:
            raise ValueError("`after` is 0 or more, `limit` 1 to 1000.")
        async with self._client._pages:
            return await self._read(after, limit)

    async def _read(self, after: int, limit: int) -> list[Event]:
        subscription = self._subscription
        await self._client._begin(subscription)
        if subscription.over:
            raise subscription.failure or ValueError("The tail is closed.")
        if after not in subscription.reads:
            subscription.reads[after] = limit, asyncio.get_running_loop().create_future()
            await self._client._send({"type": "read", "stream": self.stream, "after": after, "limit": limit})
        return await asyncio.shield(subscription.reads[after][1])

    async def close(self) -> None:
        """End the subscription."""
        await self._client._end(self._subscription)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- of a replay -------------------------------------------------------------------------------------------------

    async def pause(self) -> None:
        """Pause a replay."""
        await self._control("pause")

    async def resume(self) -> None:
        """Resume a replay."""
        await self._control("resume")

    async def seek(self, sequence: int) -> None:
        """Continue a replay from a sequence, forwards or backwards."""
        await self._control("seek", sequence=sequence)

    async def speed(self, speed: float) -> None:
        """Set the speed of a replay as a multiple of the original pace."""
        await self._control("speed", speed=speed)

    async def _control(self, kind: str, **values: float) -> None:
        if not self.stream.startswith(REPLAY):
            raise ValueError(f"{self.stream} is not a replay.")
        await self._client._begin(self._subscription)
        await self._client._send({"type": kind, "stream": self.stream} | values)
