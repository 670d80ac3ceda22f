"""Things done to many deliveries: recover, redeliver, cancel, replay. How many it would be is told first, exactly.

An operation is done in slices by jobs (`operation_jobs`), has no cap, and goes on after a crash where it was.
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
from webhooks.operations import choosing
from webhooks.operations import jobs as operation_jobs
from webhooks.operations.choosing import MEANT, Chosen
from workflow_platform.core.accounts.models import User
from workflow_platform.core.outbound.addresses import shown_url
from workflow_platform.core.validation import field_errors

__all__ = ["BadOperation", "Chosen", "Plan", "Recipient", "cancel", "plan", "start"]

FIRST = 20
"""So many of the ids are told."""


class BadOperation(ValueError):
    """The operation cannot be. `field` is what is wrong."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who would get how many. Without an endpoint: a host that ad-hoc deliveries go to."""

    endpoint: UUID | None
    name: str
    url: str
    """Without the values of its query."""
    count: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operation would do if it began now."""

    count: int
    recipients: list[Recipient]
    """Those with the most first."""
    first_ids: list[UUID]
    """Of deliveries; of events in a replay."""


Filter = Chosen | Mapping[str, Any]


def plan(kind: OperationKind, workspace_ids: Collection[UUID], endpoint: Endpoint | None, chosen: Filter) -> Plan:
    """Return what an operation would do, in these workspaces. Changes nothing. Raises BadOperation."""
    return _plan(kind, workspace_ids, endpoint, _checked(kind, workspace_ids, endpoint, chosen), _now())


def start(
    kind: OperationKind, workspace_id: UUID, endpoint: Endpoint | None, chosen: Filter, by: User | None = None
) -> Operation:
    """Begin an operation in a workspace; a job goes on with it after the commit. Raises BadOperation.

    `total` is what is counted now. What no longer fits when its turn comes is `left_out` in the end.
    """
    checked = _checked(kind, [workspace_id], endpoint, chosen)
    with transaction.atomic():
        now, place = _now(), ""
        if kind == OperationKind.REPLAY and endpoint is not None:
            # As it is now, whatever becomes of the endpoint.
            types, workflow = checked.event_types or endpoint.event_types, checked.workflow or endpoint.workflow_id
            checked = checked.model_copy(update={"event_types": types, "workflow": workflow})
            # What a transaction that is at work tells of has happened already: the replay does not end before it.
            place = f"{transactions.current() + 1}:"
        operation = Operation.objects.create(
            workspace_id=workspace_id,
            kind=kind,
            endpoint=endpoint,
            chosen=checked.model_dump(mode="json", exclude_defaults=True),
            total=_plan(kind, [workspace_id], endpoint, checked, now).count,
            place=place,
            created_by=by,
            created_at=now,
            queued_at=now,
        )
        transaction.on_commit(lambda: operation_jobs.enqueue([operation.pk]))
    return operation


def cancel(operation: Operation) -> bool:
    """End an operation after the slice that is being done. Returns False if it had ended. What is done stays done."""
    running = Operation.objects.filter(pk=operation.pk, state=OperationState.RUNNING)
    return bool(running.update(state=OperationState.CANCELLED, ended_at=Now()))


def _checked(kind: OperationKind, workspace_ids: Collection[UUID], endpoint: Endpoint | None, given: Filter) -> Chosen:
    try:
        chosen = given if isinstance(given, Chosen) else Chosen.model_validate(given)
        matching_types([*chosen.event_type, *chosen.event_types])
    except ValidationError as error:
        first = field_errors(error)[0]
        raise BadOperation(first.dotted, first.message) from None
    except UnknownEventType as error:
        raise BadOperation("event_types" if kind == OperationKind.REPLAY else "event_type", str(error)) from None
    # Of a deleted endpoint, what waits can be cancelled.
    there = endpoint is None or endpoint.deleted_at is None or kind == OperationKind.CANCEL
    if not there or (endpoint is not None and endpoint.workspace_id not in workspace_ids):
        raise BadOperation("endpoint", "There is no such endpoint.")
    if kind == OperationKind.REPLAY and endpoint is None:
        raise BadOperation("endpoint", "Say to which endpoint.")
    if kind == OperationKind.RECOVER and chosen.since is None:
        raise BadOperation("since", "Say since when.")
    if chosen.since and chosen.until and chosen.until <= chosen.since:
        raise BadOperation("until", "It lies before since.")
    for field in sorted(chosen.model_dump(exclude_defaults=True).keys() - MEANT[kind]):
        raise BadOperation(field, f"It means nothing to {kind.value}.")
    return chosen


def _plan(
    kind: OperationKind, workspace_ids: Collection[UUID], endpoint: Endpoint | None, chosen: Chosen, now: datetime
) -> Plan:
    if kind == OperationKind.REPLAY:
        assert endpoint is not None
        wanted = choosing.events(endpoint, chosen, now)
        count = history.count(wanted)
        first = [UUID(event.id) for event in history.read(wanted, limit=FIRST).events]
        return Plan(count, [Recipient(endpoint.pk, endpoint.name, shown_url(endpoint.url), count)], first)
    found = choosing.deliveries(kind, workspace_ids, endpoint, chosen, now)
    counts = list(found.order_by().values_list("lane_id", "endpoint_id").annotate(n=Count("pk")).order_by("-n"))
    first = list(found.order_by("pk").values_list("pk", flat=True)[:FIRST])
    return Plan(sum(count for _, _, count in counts), _recipients(counts), first)


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
    """Return the database's time, by which deliveries end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
