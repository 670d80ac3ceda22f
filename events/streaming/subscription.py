"""One stream for one client: the base class of subscriptions, and what they use of the session."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from events.log.reading import StreamState
from events.streaming.batch import EventBatch
from events.streaming.viewer import Viewer

PAGE = 500


class Client(Protocol):
    """The receiver of a session's frames. Both methods wait until the client has read enough of the earlier frames."""

    async def events(self, stream: str, sequences: Sequence[int], envelopes: Sequence[str], through: int) -> None:
        """Send events of a stream as JSON texts. `through` is the last sequence that was checked."""

    async def frame(self, frame: dict[str, Any]) -> None:
        """Send anything else."""


class Degradable(Protocol):
    """What a subscription uses of the hub."""

    degraded: bool


class Connected(Protocol):
    """What a subscription uses of its session."""

    @property
    def hub(self) -> Degradable:
        """The hub of the loop."""

    @property
    def viewer(self) -> Viewer:
        """What the client's user may see now."""

    @property
    def client(self) -> Client:
        """The receiver of frames."""

    @property
    def subscriptions(self) -> Mapping[str, StreamSubscription]:
        """The client's subscriptions by stream."""

    def wake(self, subscription: StreamSubscription) -> None:
        """Have a subscription advance soon."""

    def drop(self, subscription: StreamSubscription) -> None:
        """Forget a subscription."""

    def end(self, subscription: StreamSubscription) -> None:
        """Forget a subscription whose stream has ended; the client can still read its pages."""

    def has_room_for(self, batch: EventBatch) -> bool:
        """Reserve room in the client's buffer. False: the buffer was emptied instead."""

    def release(self, *batches: EventBatch) -> None:
        """Give back the room of batches."""


class StreamSubscription(ABC):
    """One stream for one client. Kinds differ in the source of the events and when they are due."""

    def __init__(self, session: Connected, stream: str, after: int, types: frozenset[str] | None) -> None:
        self.session = session
        self.stream = stream
        self.cursor = after
        self.types = types
        self.state: StreamState | None = None
        self.committed_at: float | None = None
        """When the oldest event of the frame that is being sent was committed, if it came live."""

    @property
    def is_current(self) -> bool:
        """Return whether the client still has this subscription."""
        return self.session.subscriptions.get(self.stream) is self

    @abstractmethod
    async def advance(self) -> bool:
        """Send the next frame, if there is anything to send. Returns whether there may be more."""

    @abstractmethod
    async def page(self, after: int, limit: int) -> list[str]:
        """Return a page of history, as JSON texts."""

    @abstractmethod
    def state_changed(self) -> None:
        """Take note that the stream's state has changed, or that live messages have stopped or are back."""

    def offer(self, batch: EventBatch) -> None:  # noqa: B027 - a hook, not a duty
        """Take events from the stream's group. Only streams of the log get any."""

    def look(self, head: int) -> None:  # noqa: B027 - a hook, not a duty
        """Take the stream's last sequence of the previous poll. Only streams of the log are polled."""

    def forget_buffered(self) -> None:  # noqa: B027 - a hook, not a duty
        """Empty the buffer, if there is one, and read again from the cursor."""

    def stop(self) -> None:  # noqa: B027 - a hook, not a duty
        """Release all resources when the subscription is dropped."""

    async def send_liveness(self) -> None:
        """Send whether the following events are live or come from polling."""
        kind = "degraded" if self.session.hub.degraded else "live"
        await self.session.client.frame({"type": kind, "stream": self.stream, "sequence": self.cursor})
