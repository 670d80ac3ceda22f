"""Deliveries are written in the transaction of whoever makes them: those of events by COPY, since a batch can have
thousands; those that somebody asks for once for each idempotency key."""

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
class Receiver:
    """What a delivery has of its endpoint."""

    endpoint_id: str
    workspace_id: str
    method: str
    per_stream: bool


@dataclass(frozen=True, slots=True)
class Message:
    """An event for a receiver, and the CloudEvent as JSON text."""

    receiver: Receiver
    event: RecordedEvent
    body: str


@dataclass(frozen=True, slots=True)
class Manner:
    """Why the deliveries are made, and how urgent they are."""

    origin: Origin = Origin.EVENT
    rank: Rank = Rank.DEFAULT
    operation_id: UUID | None = None


def write(messages: Sequence[Message], manner: Manner, at: datetime) -> list[str]:
    """Write a delivery for each message, in their order. Returns their ids.

    `at` is the database's time: deliveries of a stream are sent in the order of their ids, and the clocks of the
    processes that write them may be apart.
    """
    ids, now = uuid7_texts(at, len(messages)), time_text(at)
    operation = str(manner.operation_id) if manner.operation_id else _NULL
    # The columns that are the same for all; see _COLUMNS.
    kind = f"{manner.origin}\tpending\t{manner.rank.value}\t{now}"
    rest = f"f\t\tf\t0\t0\t0\tf\t\t{now}\n"
    content = "application/cloudevents+json; charset=utf-8"
    escaped: dict[int, str] = {}  # the same body goes to many

    def row(id_: str, message: Message) -> str:
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
    """Return JSON text as COPY reads it: it holds no character that COPY takes for its own but the backslash."""
    return body.replace("\\", "\\\\") if "\\" in body else body


def write_once(made: Sequence[Delivery]) -> list[Delivery]:
    """Write deliveries and tell the workers, in the caller's transaction or in one of its own. Of an idempotency key of
    a workspace there is one: returns, in the given order, the deliveries, or those that took their keys before."""
    with transaction.atomic():
        # In one order, so that two that write the same ones do not wait for each other.
        in_order = sorted(made, key=lambda each: (each.workspace_id, each.idempotency_key))
        Delivery.objects.bulk_create(in_order, ignore_conflicts=True)
        dispatcher.wake_on_commit()
        keys = {each.idempotency_key for each in made if each.idempotency_key}
        if not keys:
            return list(made)
        workspaces = {each.workspace_id for each in made}
        found = Delivery.objects.filter(workspace__in=workspaces, idempotency_key__in=keys)
        there = {(each.workspace_id, each.idempotency_key): each for each in found}
        return [there.get((each.workspace_id, each.idempotency_key), each) for each in made]
