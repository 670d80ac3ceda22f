"""Fanout: creates the deliveries of events for all subscribed endpoints, in the transaction of the events.

Subscriptions are read for each append, so a change by another process counts from the next append on; only the meaning
of patterns is cached. Filters and transformations run later, before the first attempt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection, transaction

from events.catalogue.event_types import UnknownEventType
from events.history.event_filter import matching_types
from events.log.cloud_events import cloud_event
from events.log.recorded import RecordedEvent
from webhooks import dispatcher
from webhooks.models import Delivery, Endpoint, Ordering, Origin, Rank
from webhooks.outbox.writing import DeliveryOptions, EndpointAddress, EventMessage, write
from webhooks.validation import DELIVERED
from workflow_platform.core.postgresql import prepared

# All rows as one text, which is parsed only when it has changed.
_LISTENING = (
    "SELECT clock_timestamp(), string_agg(concat_ws(%s::text, id, workspace_id, method, ordering, event_types,"
    " coalesce(workflow_id::text, '-')), %s::text) FROM webhooks_endpoint"
    " WHERE workspace_id = ANY(%s::uuid[]) AND active AND deleted_at IS NULL"
)
_FIELD, _ROW = "\x1f", "\x1e"


class _Listener(NamedTuple):
    """An endpoint with an active subscription."""

    receiver: EndpointAddress
    workflow_id: str | None


_Listeners = dict[tuple[str, str], list[_Listener]]
"""By workspace and event type."""


def deliver_events(events: Sequence[RecordedEvent]) -> int:
    """Create a delivery of each event for each endpoint of its workspace that subscribes to it. Returns how many.

    Called by the append, in its transaction. Events of the installation, which have no workspace, and of test and debug
    executions are not delivered.
    """
    events = [event for event in events if event.is_live]
    workspaces = {event.workspace_id for event in events if event.workspace_id}
    if not workspaces:
        return 0
    listeners, now = _listening(workspaces)
    messages: list[EventMessage] = []
    for event in events if listeners else ():
        receivers = [
            listener.receiver
            for listener in listeners.get((event.workspace_id or "", event.type), ())
            if listener.workflow_id is None or listener.workflow_id == event.workflow_id
        ]
        if receivers:
            body = cloud_event(event)
            messages += [EventMessage(receiver, event, body) for receiver in receivers]
    if messages:
        write(messages, DeliveryOptions(), now)
        dispatcher.wake_on_commit()
    return len(messages)


def deliver_to(
    endpoint: Endpoint,
    events: Sequence[RecordedEvent],
    origin: Origin,
    rank: Rank = Rank.DEFAULT,
    operation_id: UUID | None = None,
) -> list[Delivery]:
    """Create a delivery of each event for this endpoint, whatever it subscribes to. Returns them.

    For test events and for replays, which get the attribute `replay`. The events must be of the endpoint's workspace
    (ValueError). Runs in the caller's transaction, or in its own.
    """
    ids = make_for(endpoint, events, DeliveryOptions(origin, rank, operation_id))
    return list(Delivery.objects.filter(pk__in=ids).order_by("pk"))


def make_for(endpoint: Endpoint, events: Sequence[RecordedEvent], options: DeliveryOptions) -> list[str]:
    """Do what `deliver_to` does, and return only the ids of the deliveries, in the order of the events."""
    workspace = str(endpoint.workspace_id)
    if any(event.workspace_id != workspace for event in events):
        raise ValueError("An endpoint gets only events of its workspace.")
    if not events:
        return []
    receiver = EndpointAddress(str(endpoint.pk), workspace, endpoint.method, endpoint.ordering == Ordering.PER_STREAM)
    marks: dict[str, Any] = {"replay": True} if options.origin == Origin.REPLAY else {}
    messages = [EventMessage(receiver, event, cloud_event(event.forwarded(), **marks)) for event in events]
    with transaction.atomic():
        ids = write(messages, options, _clock())
        dispatcher.wake_on_commit()
    return ids


@lru_cache(4096)
def types_of(event_types: str) -> frozenset[str]:
    """Return the event types that a list of patterns, as JSON text, matches.

    Invalid patterns match nothing, so that an invalid row of an endpoint cannot fail an append.
    """
    patterns = orjson.loads(event_types)
    types: set[str] = set()
    for pattern in patterns if isinstance(patterns, list) else ():
        try:
            types |= matching_types([str(pattern)])
        except UnknownEventType:  # written by an earlier version
            continue
    return frozenset(types.intersection(DELIVERED))


def _listening(workspaces: Collection[str]) -> tuple[_Listeners, datetime]:
    """Return the subscriptions of these workspaces, and the database's time."""
    ((now, subscriptions),) = prepared.fetch(_LISTENING, [_FIELD, _ROW, list(workspaces)])
    return _parsed(subscriptions) if subscriptions else {}, now


@lru_cache(64)
def _parsed(subscriptions: str) -> _Listeners:
    listeners: _Listeners = defaultdict(list)
    for row in subscriptions.split(_ROW):
        id_, workspace, method, ordering, types, workflow = row.split(_FIELD)
        receiver = EndpointAddress(id_, workspace, method, ordering == Ordering.PER_STREAM)
        for type_ in types_of(types):
            listeners[workspace, type_].append(_Listener(receiver, None if workflow == "-" else workflow))
    return dict(listeners)


def _clock() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
