"""Messages of nodes for endpoints. They use the endpoint's URL, secrets and retry policy, but not its filter and
transformation, which apply to events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.utils import timezone

from webhooks.models import Delivery, Endpoint, Ordering, Origin, Rank
from webhooks.outbox.writing import write_once


class NoSuchEndpoint(Exception):
    """No active endpoint, or several ones, match a name or id; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToEndpoint:
    """A message for an endpoint. There is at most one delivery per idempotency key in a workspace."""

    endpoint: Endpoint
    idempotency_key: str
    body: str = field(default="", repr=False)
    content_type: str = "application/json"
    rank: Rank = Rank.DEFAULT
    origin: Origin = Origin.NODE
    execution_id: UUID | None = None
    workflow_id: UUID | None = None
    node_id: str = ""
    run_index: int | None = None
    awaited: bool = False


def find_endpoint(workspace_id: UUID, reference: str) -> Endpoint:
    """Return the endpoint of the workspace with that id or name. Raises NoSuchEndpoint."""
    endpoints = Endpoint.objects.filter(workspace=workspace_id, deleted_at__isnull=True)
    try:
        matches = list(endpoints.filter(pk=UUID(reference)))
    except ValueError:
        matches = list(endpoints.filter(name=reference)[:2])
    if len(matches) > 1:
        raise NoSuchEndpoint(f"Several endpoints of this workspace are called {reference!r}. Use the id of one.")
    if not matches:
        raise NoSuchEndpoint(f"This workspace has no endpoint {reference!r}.")
    if not matches[0].active:
        raise NoSuchEndpoint(f"The endpoint {matches[0].name!r} is inactive. {matches[0].disabled_reason}".rstrip())
    return matches[0]


def create_for_endpoints(messages: Sequence[ToEndpoint]) -> list[Delivery]:
    """Create deliveries. Returns them in the order of `messages`; for a repeated key, the existing delivery.

    Runs in the caller's transaction, or in its own.
    """
    return write_once([_delivery(message) for message in messages]) if messages else []


def _delivery(message: ToEndpoint) -> Delivery:
    endpoint, now = message.endpoint, timezone.now()
    ordered = endpoint.ordering == Ordering.PER_STREAM and message.execution_id is not None
    return Delivery(
        workspace_id=endpoint.workspace_id,
        lane_id=endpoint.pk,
        endpoint=endpoint,
        origin=message.origin,
        rank=message.rank,
        due_at=now,
        ordering_key=f"execution:{message.execution_id}" if ordered else "",
        execution_id=message.execution_id,
        workflow_id=message.workflow_id,
        node_id=message.node_id,
        run_index=message.run_index,
        method=endpoint.method,
        content_type=message.content_type,
        body=message.body,
        prepared=True,
        idempotency_key=message.idempotency_key,
        awaited=message.awaited,
        created_at=now,
    )
