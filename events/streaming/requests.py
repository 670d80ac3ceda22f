"""The requests of a client. Its session answers all of them, one after another, in the order in which they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SubscribeRequest:
    """Send a stream after a sequence; if it is subscribed already, again from there."""

    stream: str
    after: int
    types: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class UnsubscribeRequest:
    """Stop sending a stream."""

    stream: str


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Send a page of the history of a subscribed stream, or of one that has ended."""

    stream: str
    after: int
    limit: int


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """Apply a command to a replay."""

    stream: str
    command: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """A request whose answer is known without a look at any stream: a ping, or an invalid frame."""

    answer: dict[str, Any]


PING = Answered({"type": "pong"})

StreamRequest = SubscribeRequest | UnsubscribeRequest | PageRequest | ControlRequest | Answered


def refusal(code: str, stream: str | None, detail: str) -> dict[str, Any]:
    """Return the error frame that refuses a request, or ends a subscription."""
    return {"type": "error", "code": code, "stream": stream, "detail": detail}
