"""Receivers that a floor above knows by their ids: a replay may name one, and hands each event over when it is due.

What becomes of an event then is the receiver's business: it has a queue, attempts and a log of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from events.log.recorded import RecordedEvent
from workflow_platform.core.accounts.models import User


class Gone(Exception):
    """The receiver is there no more."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who gets the events; only those of its own workspace."""

    id: UUID
    workspace_id: UUID
    url: str
    """As it may be shown."""


class Receivers(Protocol):
    """What is told of receivers."""

    def find(self, receiver_id: UUID, user: User | None) -> Receiver | None:
        """Return it if `user` may send to it; None is an operator, who may send to all."""

    def give(self, receiver_id: UUID, event: RecordedEvent) -> None:
        """Take an event over, in the caller's transaction. Raises Gone."""


_known: Receivers | None = None


def register(known: Receivers) -> None:
    """Say who knows receivers."""
    global _known
    _known = known


def find(receiver_id: UUID, user: User | None) -> Receiver | None:
    """Return the receiver if the user may send to it."""
    return _known.find(receiver_id, user) if _known is not None else None


def give(receiver_id: UUID, event: RecordedEvent) -> None:
    """Hand an event over, in the caller's transaction. Raises Gone."""
    if _known is None:
        raise Gone(Gone.__doc__)
    _known.give(receiver_id, event)
