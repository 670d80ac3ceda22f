"""Writes deliveries in the caller's transaction: those of events with COPY, since a batch can have thousands; requested
ones at most once per idempotency key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from events.log.recorded import RecordedEvent, time_text
from webhooks import dispatcher
from webhooks.models import Delivery, Origin, Rank
from workflow_platform.core.identifiers import uuid7_texts

_COLUMNS = (
    "id, workspace_id, lane_id, endpoint_id, origin, status, rank, due_at, ordering_key, event_id, event_type, stream,"
    " sequence, execution_id, workflow_id, node_id, operation_id, method, url, content_type, body, prepared,"
    " idempotency_key, awaited, attempts_made, attempts_before, lease_token, cancel_requested, error, created_at"
)
_COPY = f"COPY webhooks_delivery ({_COLUMNS}) FROM STDIN"
_NULL = "\\N"


@dataclass(frozen=True, slots=True)
class EndpointAddress:
    """The columns of a delivery that come from its endpoint."""

    endpoint_id: str
    workspace_id: str
    method: str
    per_stream: bool


@dataclass(frozen=True, slots=True)
class EventMessage:
    """An event for an endpoint, with its CloudEvent as JSON text."""

    receiver: EndpointAddress
    event: RecordedEvent
    body: str


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """The origin and priority of deliveries, and the operation that creates them."""

    origin: Origin = Origin.EVENT
    rank: Rank = Rank.DEFAULT
    operation_id: UUID | None = None


def write(messages: Sequence[EventMessage], options: DeliveryOptions, at: datetime) -> list[str]:
    """Write a delivery for each message, in order. Returns their ids.

    `at` is the database's time: deliveries of a stream are sent in the order of their ids, and the clocks of processes
    can differ.
    """
    ids, now = uuid7_texts(at, len(messages)), time_text(at)
    operation = str(options.operation_id) if options.operation_id else _NULL
    # The columns with the same value in all rows; see _COLUMNS.
    kind = f"{options.origin}\tpending\t{options.rank.value}\t{now}"
    rest = f"f\t\tf\t0\t0\t0\tf\t\t{now}\n"
    content = "application/cloudevents+json; charset=utf-8"
    escaped: dict[int, str] = {}  # several endpoints get the same body

    def row(id_: str, message: EventMessage) -> str:
        to, event = message.receiver, message.event
        body = escaped.get(id(message.body))
        if body is None:
            body = escaped[id(message.body)] = _escaped(message.body)
        return (
            f"{id_}\t{to.workspace_id}\t{to.endpoint_id}\t{to.endpoint_id}\t{kind}\t"
            f"{event.stream if to.per_stream else ''}\t{event.id}\t{event.type}\t{event.stream}\t{event.sequence}\t"
            f"{event.execution_id or _NULL}\t{event.workflow_id or _NULL}\t\t{operation}\t{to.method}\t\t{content}\t"
            f"{body}\t{rest}"
        )

    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write("".join(map(row, ids, messages)))
    return ids


def _escaped(body: str) -> str:
    """Escape JSON text for COPY. The backslash is the only special character that JSON text can contain."""
    return body.replace("\\", "\\\\") if "\\" in body else body


def write_once(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Write deliveries and wake the workers, in the caller's transaction or in its own.

    Returns them in the given order; for a repeated idempotency key, the existing delivery.
    """
    with transaction.atomic():
        # Sorted, to avoid deadlocks between transactions that write the same keys.
        in_order = sorted(deliveries, key=lambda each: (each.workspace_id, each.idempotency_key))
        Delivery.objects.bulk_create(in_order, ignore_conflicts=True)
        dispatcher.wake_on_commit()
        keys = {each.idempotency_key for each in deliveries if each.idempotency_key}
        if not keys:
            return list(deliveries)
        workspaces = {each.workspace_id for each in deliveries}
        stored = Delivery.objects.filter(workspace__in=workspaces, idempotency_key__in=keys)
        by_key = {(each.workspace_id, each.idempotency_key): each for each in stored}
        return [by_key.get((each.workspace_id, each.idempotency_key), each) for each in deliveries]
