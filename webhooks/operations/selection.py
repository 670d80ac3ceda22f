"""Selects the deliveries, or events, of an operation."""

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


class DeliverySelection(BaseModel):
    """A filter of deliveries or events. Omitted fields match everything.

    `since` and `until` are the time of failure for `recover`, the time of the event for `replay`, and the time of
    creation for the others.
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
    """Patterns of the events to replay. Defaults to the subscription of the endpoint, with its workflow."""


ALLOWED_FIELDS = {
    OperationKind.RECOVER: {"since", "until", "event_type", "execution", "workflow", "status_code", "endpoint"},
    OperationKind.REDELIVER: DeliverySelection.model_fields.keys() - {"event_types"},
    OperationKind.CANCEL: DeliverySelection.model_fields.keys() - {"event_types"},
    OperationKind.REPLAY: {"since", "until", "event_types", "execution", "workflow"},
}
"""The fields that each kind of operation accepts."""


def deliveries(
    kind: OperationKind,
    workspace_ids: Collection[UUID],
    endpoint: Endpoint | None,
    chosen: DeliverySelection,
    before: datetime,
) -> DeliveryQuerySet:
    """Return the deliveries of these workspaces that an operation started at `before` selects.

    Raises UnknownEventType for a pattern that matches no event type.
    """
    rows = Delivery.objects.filter(_fits(chosen), workspace__in=workspace_ids)
    if endpoint is not None:
        rows = rows.filter(endpoint=endpoint)
    if kind == OperationKind.CANCEL:
        return _within(rows.filter(status__in=_statuses(chosen, UNENDED), created_at__lt=before), chosen, "created_at")
    # Deliveries that ended later were retried meanwhile. Nothing is sent to a deleted endpoint.
    there = Exists(Endpoint.objects.filter(pk=OuterRef("endpoint_id"), deleted_at__isnull=True))
    rows = rows.filter(Q(endpoint__isnull=True) | there, ended_at__lt=before)
    if kind == OperationKind.RECOVER:
        return _within(rows.filter(status=DeliveryStatus.FAILED), chosen, "ended_at")
    return _within(rows.filter(status__in=_statuses(chosen, ENDED)), chosen, "created_at")


def events(endpoint: Endpoint, chosen: DeliverySelection, before: datetime) -> EventFilter:
    """Return the events of the endpoint's workspace that a replay begun at `before` is about."""
    return EventFilter(
        types=chosen.event_types or endpoint.event_types,
        workflow=chosen.workflow or endpoint.workflow_id,
        execution=chosen.execution,
        since=chosen.since,
        until=min(chosen.until or before, before),
        workspaces=[endpoint.workspace_id],
    )


def _fits(chosen: DeliverySelection) -> Q:
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


def _statuses(chosen: DeliverySelection, possible: Collection[DeliveryStatus]) -> list[DeliveryStatus]:
    return [status for status in possible if not chosen.status or status in chosen.status]


def _within(rows: DeliveryQuerySet, chosen: DeliverySelection, field: str) -> DeliveryQuerySet:
    if chosen.since is not None:
        rows = rows.filter(**{f"{field}__gte": chosen.since})
    if chosen.until is not None:
        rows = rows.filter(**{f"{field}__lt": chosen.until})
    return rows
