"""Operations on many deliveries: recover, redeliver, cancel, replay. `plan` counts exactly what `start` would change.

Jobs work in slices (`operations.jobs`). An operation has no size limit and resumes after a crash.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count
from django.db.models.functions import Now
from pydantic import ValidationError

from events.catalogue.event_types import UnknownEventType
from events.history import history
from events.history.event_filter import matching_types
from events.log import transactions
from webhooks.models import Endpoint, Lane, Operation, OperationKind, OperationState
from webhooks.operations import jobs as operation_jobs
from webhooks.operations import selection
from webhooks.operations.selection import ALLOWED_FIELDS, DeliverySelection
from workflow_platform.core.accounts.models import User
from workflow_platform.core.outbound.addresses import shown_url
from workflow_platform.core.validation import field_errors

__all__ = ["BadOperation", "DeliverySelection", "OperationPlan", "Recipient", "cancel", "plan", "start"]

FIRST = 20
"""The number of ids in a plan."""


class BadOperation(ValueError):
    """The operation is invalid. `field` names the cause."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient and its number of deliveries. Without an endpoint: a host of ad-hoc deliveries."""

    endpoint: UUID | None
    name: str
    url: str
    """With the values of its query masked."""
    count: int


@dataclass(frozen=True, slots=True)
class OperationPlan:
    """What an operation would do if it started now."""

    count: int
    recipients: list[Recipient]
    """The ones with the most deliveries first."""
    first_ids: list[UUID]
    """The ids of deliveries; for a replay, of events."""


Filter = DeliverySelection | Mapping[str, Any]


def plan(
    kind: OperationKind, workspace_ids: Collection[UUID], endpoint: Endpoint | None, chosen: Filter
) -> OperationPlan:
    """Return what an operation would do in these workspaces. Raises BadOperation."""
    return _plan(kind, workspace_ids, endpoint, _checked(kind, workspace_ids, endpoint, chosen), _now())


def start(
    kind: OperationKind, workspace_id: UUID, endpoint: Endpoint | None, chosen: Filter, by: User | None = None
) -> Operation:
    """Start an operation in a workspace; a job continues it after the commit. Raises BadOperation.

    `total` is counted now. Deliveries that no longer match when their turn comes are `left_out` in the end.
    """
    checked = _checked(kind, [workspace_id], endpoint, chosen)
    with transaction.atomic():
        now, position = _now(), ""
        if kind == OperationKind.REPLAY and endpoint is not None:
            # The endpoint may change during the replay.
            types, workflow = checked.event_types or endpoint.event_types, checked.workflow or endpoint.workflow_id
            checked = checked.model_copy(update={"event_types": types, "workflow": workflow})
            # Events of running transactions have happened already: the replay waits for those transactions.
            position = f"{transactions.current() + 1}:"
        operation = Operation.objects.create(
            workspace_id=workspace_id,
            kind=kind,
            endpoint=endpoint,
            chosen=checked.model_dump(mode="json", exclude_defaults=True),
            total=_plan(kind, [workspace_id], endpoint, checked, now).count,
            place=position,
            created_by=by,
            created_at=now,
            queued_at=now,
        )
        transaction.on_commit(lambda: operation_jobs.enqueue([operation.pk]))
    return operation


def cancel(operation: Operation) -> bool:
    """Stop an operation after the current slice. Returns False if it had ended. Finished slices stay."""
    running = Operation.objects.filter(pk=operation.pk, state=OperationState.RUNNING)
    return bool(running.update(state=OperationState.CANCELLED, ended_at=Now()))


def _checked(
    kind: OperationKind, workspace_ids: Collection[UUID], endpoint: Endpoint | None, given: Filter
) -> DeliverySelection:
    try:
        chosen = given if isinstance(given, DeliverySelection) else DeliverySelection.model_validate(given)
        matching_types([*chosen.event_type, *chosen.event_types])
    except ValidationError as error:
        first = field_errors(error)[0]
        raise BadOperation(first.dotted, first.message) from None
    except UnknownEventType as error:
        raise BadOperation("event_types" if kind == OperationKind.REPLAY else "event_type", str(error)) from None
    # The pending deliveries of a deleted endpoint can be cancelled.
    there = endpoint is None or endpoint.deleted_at is None or kind == OperationKind.CANCEL
    if not there or (endpoint is not None and endpoint.workspace_id not in workspace_ids):
        raise BadOperation("endpoint", "There is no endpoint with this id.")
    if kind == OperationKind.REPLAY and endpoint is None:
        raise BadOperation("endpoint", "A replay needs an endpoint. Give its id.")
    if kind == OperationKind.RECOVER and chosen.since is None:
        raise BadOperation("since", "`recover` needs a start time. Give `since`.")
    if chosen.since and chosen.until and chosen.until <= chosen.since:
        raise BadOperation("until", "`until` must be after `since`.")
    for field in sorted(chosen.model_dump(exclude_defaults=True).keys() - ALLOWED_FIELDS[kind]):
        raise BadOperation(field, f"{kind.value} does not accept this field.")
    return chosen


def _plan(
    kind: OperationKind,
    workspace_ids: Collection[UUID],
    endpoint: Endpoint | None,
    chosen: DeliverySelection,
    now: datetime,
) -> OperationPlan:
    if kind == OperationKind.REPLAY:
        assert endpoint is not None
        event_filter = selection.events(endpoint, chosen, now)
        count = history.count(event_filter)
        first = [UUID(event.id) for event in history.read(event_filter, limit=FIRST).events]
        return OperationPlan(count, [Recipient(endpoint.pk, endpoint.name, shown_url(endpoint.url), count)], first)
    deliveries = selection.deliveries(kind, workspace_ids, endpoint, chosen, now)
    counts = list(deliveries.order_by().values_list("lane_id", "endpoint_id").annotate(n=Count("pk")).order_by("-n"))
    first = list(deliveries.order_by("pk").values_list("pk", flat=True)[:FIRST])
    return OperationPlan(sum(count for _, _, count in counts), _recipients(counts), first)


def _recipients(counts: Sequence[tuple[UUID, UUID | None, int]]) -> list[Recipient]:
    endpoints = Endpoint.objects.in_bulk([endpoint_id for _, endpoint_id, _ in counts if endpoint_id])
    hosts = dict(Lane.objects.filter(pk__in=[lane for lane, _, _ in counts]).values_list("pk", "host"))
    recipients = []
    for lane_id, endpoint_id, count in counts:
        at = endpoints.get(endpoint_id) if endpoint_id else None
        host = hosts.get(lane_id, "")
        recipients.append(Recipient(endpoint_id, at.name if at else host, shown_url(at.url) if at else host, count))
    return recipients


def _now() -> datetime:
    """Return the database's time, which `ended_at` of deliveries uses."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
