"""The port through which replays deliver: to an endpoint by its id, or to any URL.

`webhooks` implements it and registers itself when the process starts. Each event becomes a delivery of its outbox,
which signs, retries and logs it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from events.log.recorded import RecordedEvent
from events.replay.url_target import UrlTarget
from workflow_platform.core.accounts.models import User


class CannotDeliver(Exception):
    """An event cannot be delivered. The message says why; trying again does not help."""


@dataclass(frozen=True, slots=True)
class EndpointTarget:
    """An endpoint that a replay may name. It gets only the events of its workspace."""

    id: UUID
    workspace_id: UUID
    url: str
    """With the values of its query masked."""


@dataclass(frozen=True, slots=True)
class UrlMessage:
    """One event of a replay for a URL."""

    event: RecordedEvent
    target: UrlTarget
    message_id: str
    """The `webhook-id`: the same each time this event of this replay is sent."""
    body: str = field(repr=False)
    content_type: str
    headers: dict[str, str]
    """Headers of the platform, which may be logged."""


@dataclass(frozen=True, slots=True)
class DeliveryProgress:
    """The state of a delivery to a URL."""

    ended: bool
    delivered: bool
    failed_attempts: int
    error: str


class DeliveryPort(Protocol):
    """What `webhooks` does for replays. The methods that write run in the caller's transaction."""

    def find_endpoint(self, endpoint_id: UUID, user: User | None) -> EndpointTarget | None:
        """Return the endpoint if `user` may send to it. None as the user is an operator, who may send to all."""

    def deliver_to_endpoint(self, endpoint_id: UUID, event: RecordedEvent) -> None:
        """Add a delivery of the event to the endpoint's queue. Raises CannotDeliver."""

    def deliver_to_url(self, message: UrlMessage) -> UUID:
        """Add a delivery of the message and return its id. Raises CannotDeliver.

        When the delivery ends, the port calls `events.replay.sending.on_deliveries_ended`, if the process lives.
        """

    def progress(self, delivery_id: UUID) -> DeliveryProgress | None:
        """Return the state of a delivery to a URL; None if it was removed."""

    def withdraw(self, delivery_id: UUID, reason: str) -> None:
        """Cancel a delivery. An attempt in progress may still arrive; no further attempt follows."""


_port: DeliveryPort | None = None


def register(implementation: DeliveryPort) -> None:
    """Set the implementation of the port."""
    global _port
    _port = implementation


def port() -> DeliveryPort:
    """Return the implementation. Raises CannotDeliver if no app has registered one."""
    if _port is None:
        raise CannotDeliver("This installation has no app that delivers to endpoints.")
    return _port
