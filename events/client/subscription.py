"""The subscription to one stream: handles its frames, keeps the cursor, and buffers events for the caller.

The buffer is bounded. While it is full, the connection is not read, which slows down the server. After `PATIENCE` the
stream is parked (unsubscribed) so that it does not block other streams, and requested again from its cursor when the
caller has emptied the buffer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from events.client.frames import Event, EventClientError, Frame, Level
from events.client.states import State

MAX_BUFFERED = 2_000
"""Events; the frame that reaches it still fits."""
PATIENCE = 0.5
EXECUTION, FEED, REPLAY = "execution:", "executions", "replay:"


class Refused(EventClientError):
    """The server does not give this stream, or this connection, and says why.

    `code` is the code of its `error` frame (bad_frame, too_many, …), or the code with which it closed the connection.
    """

    def __init__(self, code: str | int, detail: str, stream: str | None = None) -> None:
        super().__init__(f"{stream}: {detail}" if stream else detail)
        self.code, self.detail, self.stream = code, detail, stream


class NoSuchStream(Refused):
    """The stream does not exist, or the caller may not see it."""


class Forbidden(Refused):
    """The caller has no permission, or no longer has it."""


class SequenceGap(EventClientError):
    """The server skipped an event, which is a bug of the server or of this client."""


class HistoryRemoved(EventClientError):
    """Retention removed events that the caller did not yet hold: those up to the sequence `through`."""

    def __init__(self, stream: str, held: int, through: int) -> None:
        super().__init__(f"{stream}: events after {held} have been removed, up to {through}.")
        self.through = through


class Subscription:
    """The request for one stream, and its progress."""

    def __init__(self, stream: str, after: int, types: Sequence[str] | None, level: Level | None, follow: bool) -> None:
        self.stream, self.types, self.level, self.follow = stream, types, level, follow
        self.cursor = after
        """The last received sequence, whether or not the caller has read it."""
        self.head: int | None = None
        self.state = State.CONNECTING
        self.parked = False
        """Parked (unsubscribed), because the caller does not read the events."""
        self.failure: EventClientError | None = None
        self.reads: dict[int, tuple[int, asyncio.Future[list[Event]]]] = {}
        """Requested pages by the sequence before them: their size, and the waiting future."""
        self.buffer: deque[tuple[Event | None, int]] = deque()
        """Events, each with the cursor of who has taken it; None where only the cursor moves."""
        self.filled, self._taken = asyncio.Event(), asyncio.Event()
        self.abandoned = False
        """The caller has released its tail."""
        self._begins = True

    @property
    def over(self) -> bool:
        """Whether the subscription has ended."""
        return self.state is State.CLOSED

    # --- what the connection does ----------------------------------------------------------------------------------

    def request(self) -> Frame:
        """Return the frame that asks for the stream from the cursor."""
        frame: Frame = {"type": "subscribe", "stream": self.stream, "after": self.cursor}
        if self.types is not None:
            frame["types"] = list(self.types)
        if self.level is not None:
            frame["level"] = self.level
        return frame

    def disconnected(self) -> None:
        """End the subscription: no more events will come."""
        self.state = State.CONNECTING if self.state is State.CONNECTING else State.RECONNECTING

    def refused(self, code: str, detail: str) -> None:
        """Take an `error` frame."""
        error = {"not_found": NoSuchStream, "forbidden": Forbidden}.get(code, Refused)
        self.close(error(code, detail, self.stream))

    def close(self, failure: EventClientError | None = None) -> None:
        """End after the buffered events, or fail."""
        if not self.over:
            self.state, self.failure = State.CLOSED, failure
            for _, waiting in self.reads.values():
                if not waiting.done():
                    waiting.set_exception(failure or EventClientError("The tail is closed."))
            self.filled.set()

    def take(self, frame: Frame) -> None:
        """Take a frame that came after the answer to the last request. Raises SequenceGap or HistoryRemoved."""
        kind = frame["type"]
        if kind == "page":
            self._take_page(frame)
        elif kind == "subscribed":
            self._take_subscribed(frame)
        elif self.parked or self.over:
            return
        elif kind == "events":
            self._take_events(frame)
        elif kind in {"live", "degraded"}:
            self.state = State(kind)
            self._pass_over(frame["sequence"])
            if not self.follow:
                self.close()
        elif kind == "end":
            self._take_end(frame)

    @property
    def full(self) -> bool:
        """Whether the events that come have no room."""
        return len(self.buffer) >= MAX_BUFFERED and not (self.parked or self.over or self.abandoned)

    async def room(self) -> bool:
        """Wait until there is room for events. Returns False if the caller takes too long."""
        try:
            async with asyncio.timeout(PATIENCE):
                while self.full:
                    self._taken.clear()
                    await self._taken.wait()
        except TimeoutError:
            return False
        return True

    def park(self) -> None:
        """Park the stream until it is requested again from the cursor."""
        self.parked, self.state = True, State.RECONNECTING

    def taken(self) -> None:
        """Update the room in the buffer."""
        self._taken.set()

    # --- frames ------------------------------------------------------------------------------------------------------

    def _take_subscribed(self, frame: Frame) -> None:
        self.head, self._begins = frame["head"], True
        removed, cursor = frame.get("removed_through", 0), self.cursor
        if cursor < 0:
            self.cursor = frame.get("after", cursor)
        if removed > self.cursor:
            # Who begins at the start of a stream that lives long, or near its head, asks for what there is.
            if cursor > 0 or (cursor == 0 and self.stream.startswith(EXECUTION)):
                raise HistoryRemoved(self.stream, cursor, removed)
            self.cursor = removed

    def _pass_over(self, sequence: int) -> None:
        """Move the cursor past events that are not for this subscription."""
        if sequence > self.cursor and not self._gapless and not self.stream.startswith(REPLAY):
            self.cursor = sequence
            self.buffer.append((None, sequence))
            self.filled.set()

    def _take_page(self, frame: Frame) -> None:
        _, waiting = self.reads.pop(frame.get("after", 0), (0, None))
        if waiting is not None and not waiting.done():
            waiting.set_result(frame["events"])

    def _take_events(self, frame: Frame) -> None:
        for event in frame["events"]:
            sequence = event["sequence"]
            if self.stream.startswith(REPLAY):
                pass  # a replay can seek in both directions, so the server determines the order
            elif sequence <= self.cursor:
                continue
            elif self._gapless and sequence != self.cursor + 1:
                raise SequenceGap(f"{self.stream}: after event {self.cursor} came {sequence}.")
            self.cursor, self._begins = sequence, False
            self.buffer.append((event, sequence))
        through = frame.get("through", self.cursor)
        if through > self.cursor:
            self.cursor = through
            self.buffer.append((None, through))
        self.filled.set()

    @property
    def _gapless(self) -> bool:
        """Whether the next event must have the next sequence.

        Not where events of others, or filtered ones, are left out, and not where a stream that lives long begins: its
        old events may have been removed.
        """
        if self.types is not None or self.level == "lifecycle" or self.stream == FEED or self.cursor < 0:
            return False
        return self.stream.startswith(EXECUTION) or not self._begins

    def _take_end(self, frame: Frame) -> None:
        sequence = frame["sequence"]
        if frame.get("removed") and self.cursor < sequence:
            raise HistoryRemoved(self.stream, self.cursor, sequence)
        if self._gapless and self.cursor < sequence:
            raise SequenceGap(f"{self.stream}: after event {self.cursor} came the end at {sequence}.")
        self._pass_over(sequence)
        self.close()
