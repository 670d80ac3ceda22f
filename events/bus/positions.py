"""The position of a durable subscription: its lag, and how an operator moves it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from django.db.models.functions import Now
from django.utils import timezone

from events.bus.models import EventSubscription
from events.history import history
from events.history.cursors import START, Cursor
from events.history.event_filter import EventFilter
from events.log.recorded import RecordedEvent

Begin = Literal["start", "now"]
LAG_LOOK = 1000
"""A lag is counted up to this number of events; there may be more."""


@dataclass(frozen=True, slots=True)
class Lag:
    """The waiting events. `exact` is false if there may be more; `age` is that of the oldest."""

    events: int
    exact: bool
    age: timedelta


def filter_of(subscription: EventSubscription) -> EventFilter:
    """Return the filter of the subscription."""
    if subscription.workspace_id:
        return EventFilter(
            types=subscription.types, sources=subscription.sources, workspaces=[subscription.workspace_id]
        )
    return EventFilter(types=subscription.types, sources=subscription.sources, workspaces=None, installation=True)


def cursor_of(subscription: EventSubscription) -> Cursor:
    """Return the last event that the subscription has handled."""
    return Cursor(subscription.transaction, subscription.stream_id, subscription.sequence)


def update_fields(cursor: Cursor) -> dict[str, Any]:
    """Return the values to update for a new position."""
    return {
        "transaction": cursor.transaction,
        "stream_id": cursor.stream_id,
        "sequence": cursor.sequence,
        "updated_at": Now(),
    }


def move(subscription: EventSubscription, to: Begin) -> None:
    """Continue from the first stored event, or from now on. A running consumer continues there."""
    cursor = START if to == "start" else history.head(filter_of(subscription))
    EventSubscription.objects.filter(pk=subscription.pk).update(last_error="", **update_fields(cursor))
    subscription.refresh_from_db()


def lag(subscription: EventSubscription) -> Lag:
    """Return the lag. Raises UnknownEventType or BadPattern for patterns that match nothing."""
    page = history.read(filter_of(subscription), cursor_of(subscription), LAG_LOOK)
    age = timezone.now() - page.events[0].happened_at if page.events else timedelta()
    return Lag(len(page.events), not page.more, age)


def skip_one(subscription: EventSubscription) -> RecordedEvent | None:
    """Skip the next event and return it; None if no event waits, or a consumer has moved the position meanwhile."""
    cursor = cursor_of(subscription)
    events = history.read(filter_of(subscription), cursor, 1).events
    if not events:
        return None
    unmoved = EventSubscription.objects.filter(
        pk=subscription.pk, transaction=cursor.transaction, stream_id=cursor.stream_id, sequence=cursor.sequence
    )
    moved = unmoved.update(last_error="", **update_fields(Cursor.of(events[0])))
    return events[0] if moved else None
