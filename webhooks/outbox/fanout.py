"""From events to deliveries, in the events' transaction: which endpoints want which events.

Nothing is remembered between two appends but what patterns mean: an endpoint that was changed by another process counts
for the next append. No JavaScript runs here; filter and transformation are applied before the first attempt.
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
from webhooks.outbox.writing import Manner, Message, Receiver, write
from webhooks.validation import DELIVERED

# One text for all of them, which is taken apart only when it is not the one that came before.
_LISTENING = (
    "SELECT clock_timestamp(), string_agg(concat_ws(%s, id, workspace_id, method, ordering, event_types,"
    " coalesce(workflow_id::text, '-')), %s) FROM webhooks_endpoint"
    " WHERE workspace_id = ANY(%s::uuid[]) AND active AND deleted_at IS NULL"
)
_FIELD, _ROW = "\x1f", "\x1e"


class _Listener(NamedTuple):
    """An endpoint that hears of events now."""

    receiver: Receiver
    workflow_id: str | None


_Listeners = dict[tuple[str, str], list[_Listener]]
"""By workspace and event type."""


def deliver_events(events: Sequence[RecordedEvent]) -> int:
    """Make a delivery of each event for each endpoint of its workspace that wants it. Returns how many.

    Called by the append, in its transaction. Events of the installation, which have no workspace, go nowhere.
    """
    workspaces = {event.workspace_id for event in events if event.workspace_id}
    if not workspaces:
        return 0
    listeners, now = _listening(workspaces)
    messages: list[Message] = []
    for event in events if listeners else ():
        wanted_by = [
            listener.receiver
            for listener in listeners.get((event.workspace_id or "", event.type), ())
            if listener.workflow_id is None or listener.workflow_id == event.workflow_id
        ]
        if wanted_by:
            body = cloud_event(event)
            messages += [Message(receiver, event, body) for receiver in wanted_by]
    if messages:
        write(messages, Manner(), now)
        dispatcher.wake_on_commit()
    return len(messages)


def deliver_to(
    endpoint: Endpoint,
    events: Sequence[RecordedEvent],
    origin: Origin,
    rank: Rank = Rank.DEFAULT,
    operation_id: UUID | None = None,
) -> list[Delivery]:
    """Make a delivery of each event for this endpoint, whatever it wants to hear. Returns them.

    For test events, and for history that is sent again: those are marked with the attribute `replay`. The events must
    be of the endpoint's workspace (ValueError). In the caller's transaction, or in one of its own.
    """
    ids = make_for(endpoint, events, Manner(origin, rank, operation_id))
    return list(Delivery.objects.filter(pk__in=ids).order_by("pk"))


def make_for(endpoint: Endpoint, events: Sequence[RecordedEvent], manner: Manner) -> list[str]:
    """Do what `deliver_to` does, for many. Returns the ids of the deliveries, in the order of the events."""
    workspace = str(endpoint.workspace_id)
    if any(event.workspace_id != workspace for event in events):
        raise ValueError("An endpoint is told only of events of its own workspace.")
    if not events:
        return []
    receiver = Receiver(str(endpoint.pk), workspace, endpoint.method, endpoint.ordering == Ordering.PER_STREAM)
    marks: dict[str, Any] = {"replay": True} if manner.origin == Origin.REPLAY else {}
    messages = [Message(receiver, event, cloud_event(event.forwarded(), **marks)) for event in events]
    with transaction.atomic():
        ids = write(messages, manner, _clock())
        dispatcher.wake_on_commit()
    return ids


@lru_cache(4096)
def types_of(event_types: str) -> frozenset[str]:
    """Return the types that a list of patterns, as JSON text, means. What means nothing (any more) means none: events
    are appended whatever stands in an endpoint's row."""
    patterns = orjson.loads(event_types)
    found: set[str] = set()
    for pattern in patterns if isinstance(patterns, list) else ():
        try:
            found |= matching_types([str(pattern)])
        except UnknownEventType:  # of an earlier version of the platform
            continue
    return frozenset(found.intersection(DELIVERED))


def _listening(workspaces: Collection[str]) -> tuple[_Listeners, datetime]:
    """Return who hears of events of these workspaces, and the database's time, which is the same for all processes."""
    with connection.cursor() as cursor:
        cursor.execute(_LISTENING, [_FIELD, _ROW, list(workspaces)])
        now, found = cursor.fetchone()
    return _parsed(found) if found else {}, now


@lru_cache(64)
def _parsed(found: str) -> _Listeners:
    listeners: _Listeners = defaultdict(list)
    for row in found.split(_ROW):
        id_, workspace, method, ordering, types, workflow = row.split(_FIELD)
        receiver = Receiver(id_, workspace, method, ordering == Ordering.PER_STREAM)
        for type_ in types_of(types):
            listeners[workspace, type_].append(_Listener(receiver, None if workflow == "-" else workflow))
    return dict(listeners)


def _clock() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found
