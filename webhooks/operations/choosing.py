"""Which deliveries, or which events, an operation is about."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from events.history.event_filter import matching_types
from events.history.history import EventFilter
from webhooks.models import Delivery, DeliveryStatus, Endpoint, OperationKind
from webhooks.models.delivery import UNENDED, DeliveryQuerySet

MOST_IDS = 1000
ENDED = [status for status in DeliveryStatus if status not in UNENDED]


class Chosen(BaseModel):
    """What is chosen. What is left out asks for nothing.

    `recover` takes what failed from `since` on and before `until`; the others go by when a delivery was made, `replay`
    by when an event happened.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    ids: list[UUID] = Field([], max_length=MOST_IDS)
    status: list[Literal["pending", "sending", "delivered", "failed", "cancelled"]] = Field([], max_length=5)
    endpoint: list[UUID] = Field([], max_length=500)
    event_type: list[str] = Field([], max_length=100)
    """Patterns."""
    origin: list[Literal["event", "test", "api", "node", "replay"]] = Field([], max_length=5)
    execution: UUID | None = None
    workflow: UUID | None = None
    status_code: int | None = Field(None, ge=100, le=999)
    event_types: list[str] = Field([], max_length=100)
    """Patterns of what is replayed; by default, with the workflow, what the endpoint wants to hear."""


MEANT = {
    OperationKind.RECOVER: {"since", "until", "event_type", "execution", "workflow", "status_code", "endpoint"},
    OperationKind.REDELIVER: Chosen.model_fields.keys() - {"event_types"},
    OperationKind.CANCEL: Chosen.model_fields.keys() - {"event_types"},
    OperationKind.REPLAY: {"since", "until", "event_types", "execution", "workflow"},
}
"""What can be chosen by in which kind of operation."""


def deliveries(
    kind: OperationKind, workspace_ids: Collection[UUID], endpoint: Endpoint | None, chosen: Chosen, before: datetime
) -> DeliveryQuerySet:
    """Return the deliveries of these workspaces that an operation begun at `before` is about.

    Raises UnknownEventType for a pattern that no type fits.
    """
    found = Delivery.objects.filter(_fits(chosen), workspace__in=workspace_ids)
    if endpoint is not None:
        found = found.filter(endpoint=endpoint)
    if kind == OperationKind.CANCEL:
        return _within(found.filter(status__in=_statuses(chosen, UNENDED), created_at__lt=before), chosen, "created_at")
    # What ended later has been tried again meanwhile. Nothing is sent to an endpoint that was deleted.
    there = Exists(Endpoint.objects.filter(pk=OuterRef("endpoint_id"), deleted_at__isnull=True))
    found = found.filter(Q(endpoint__isnull=True) | there, ended_at__lt=before)
    if kind == OperationKind.RECOVER:
        return _within(found.filter(status=DeliveryStatus.FAILED), chosen, "ended_at")
    return _within(found.filter(status__in=_statuses(chosen, ENDED)), chosen, "created_at")


def events(endpoint: Endpoint, chosen: Chosen, before: datetime) -> EventFilter:
    """Return the events of the endpoint's workspace that a replay begun at `before` is about."""
    return EventFilter(
        types=chosen.event_types or endpoint.event_types,
        workflow=chosen.workflow or endpoint.workflow_id,
        execution=chosen.execution,
        since=chosen.since,
        until=min(chosen.until or before, before),
        workspaces=[endpoint.workspace_id],
    )


def _fits(chosen: Chosen) -> Q:
    fits = Q()
    if chosen.event_type:
        fits &= Q(event_type__in=matching_types(chosen.event_type))
    if chosen.workflow:
        fits &= Q(workflow_id=chosen.workflow)
    if chosen.execution:
        fits &= Q(execution_id=chosen.execution)
    if chosen.status_code:
        fits &= Q(status_code=chosen.status_code)
    for field, values in (("origin", chosen.origin), ("pk", chosen.ids), ("endpoint", chosen.endpoint)):
        if values:
            fits &= Q(**{f"{field}__in": values})
    return fits


def _statuses(chosen: Chosen, possible: Collection[DeliveryStatus]) -> list[DeliveryStatus]:
    return [status for status in possible if not chosen.status or status in chosen.status]


def _within(found: DeliveryQuerySet, chosen: Chosen, field: str) -> DeliveryQuerySet:
    if chosen.since is not None:
        found = found.filter(**{f"{field}__gte": chosen.since})
    if chosen.until is not None:
        found = found.filter(**{f"{field}__lt": chosen.until})
    return found
