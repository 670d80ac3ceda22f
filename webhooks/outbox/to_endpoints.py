"""Messages of somebody's own for endpoints: by the endpoint's URL, secrets and policy, past its filter and its
transformation, which are for events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.utils import timezone

from webhooks.models import Delivery, Endpoint, Ordering, Origin, Rank
from webhooks.outbox.writing import write_once


class NoSuchEndpoint(Exception):
    """The workspace has no endpoint of this name or id, or several, or it is inactive; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToEndpoint:
    """What is to be sent to an endpoint. Of an idempotency key of a workspace there is one delivery."""

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
    there = Endpoint.objects.filter(workspace=workspace_id, deleted_at__isnull=True)
    try:
        found = list(there.filter(pk=UUID(reference)))
    except ValueError:
        found = list(there.filter(name=reference)[:2])
    if len(found) > 1:
        raise NoSuchEndpoint(f"Several endpoints of this workspace are called {reference!r}: give the id.")
    if not found:
        raise NoSuchEndpoint(f"There is no endpoint {reference!r} in this workspace.")
    if not found[0].active:
        raise NoSuchEndpoint(f"The endpoint {found[0].name!r} is inactive. {found[0].disabled_reason}".rstrip())
    return found[0]


def create_for_endpoints(wanted: Sequence[ToEndpoint]) -> list[Delivery]:
    """Make the deliveries. Returns them in the order of `wanted`; for a key that was taken already, the one that took
    it. In the caller's transaction, or in one of its own."""
    return write_once([_delivery(each) for each in wanted]) if wanted else []


def _delivery(wanted: ToEndpoint) -> Delivery:
    endpoint, now = wanted.endpoint, timezone.now()
    ordered = endpoint.ordering == Ordering.PER_STREAM and wanted.execution_id is not None
    return Delivery(
        workspace_id=endpoint.workspace_id,
        lane_id=endpoint.pk,
        endpoint=endpoint,
        origin=wanted.origin,
        rank=wanted.rank,
        due_at=now,
        ordering_key=f"execution:{wanted.execution_id}" if ordered else "",
        execution_id=wanted.execution_id,
        workflow_id=wanted.workflow_id,
        node_id=wanted.node_id,
        run_index=wanted.run_index,
        method=endpoint.method,
        content_type=wanted.content_type,
        body=wanted.body,
        prepared=True,
        idempotency_key=wanted.idempotency_key,
        awaited=wanted.awaited,
        created_at=now,
    )
