"""Named subscriptions whose place is kept: what `events.durable` reads and advances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Self

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet

if TYPE_CHECKING:
    from events.log.recorded import RecordedEvent

Begin = Literal["start", "now"]
LAG_LOOK = 1000
"""So many events a lag is counted; there may be more."""


@dataclass(frozen=True, slots=True)
class Lag:
    """Events that wait: so many, or more where the number is not exact; the oldest is of this age."""

    events: int
    exact: bool
    age: timedelta


class EventSubscriptionQuerySet(WorkspaceScopedQuerySet["EventSubscription"]):
    def takeable_by(self, holder: str) -> Self:
        """Return those whose lease nobody else has."""
        free = models.Q(holder__in=["", holder]) | models.Q(lease_expires_at__isnull=True)
        return self.filter(free | models.Q(lease_expires_at__lt=Now()))


class EventSubscription(models.Model):
    """A consumer's place in the order over streams. One process at a time holds its lease and goes on from there."""

    name = models.CharField(max_length=100, unique=True)
    workspace = models.ForeignKey(
        Workspace,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Empty: the events of every workspace, and those of the installation itself.",
    )
    types = ArrayField(models.CharField(max_length=60), default=list, blank=True, help_text="Patterns; empty for all.")
    sources = ArrayField(models.CharField(max_length=60), default=list, blank=True, help_text="As types.")
    transaction = models.BigIntegerField(default=0)
    stream_id = models.BigIntegerField(default=0)
    sequence = models.BigIntegerField(default=0, help_text="With transaction and stream: the last event handled.")
    holder = models.CharField(max_length=200, blank=True, default="", help_text="Host, process, and a random number.")
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="", help_text="Why it does not get on, while it does not.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, help_text="When its place last changed.")

    objects = EventSubscriptionQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raise ValidationError for patterns that make no sense."""
        from events.catalogue.event_types import UnknownEventType
        from events.history.event_filter import BadPattern, EventFilter

        for field in ("types", "sources"):
            try:
                EventFilter(**{field: getattr(self, field)}, workspaces=None).question()
            except (UnknownEventType, BadPattern) as error:
                raise ValidationError({field: str(error)}) from None

    def move(self, to: Begin) -> None:
        """Have it go on from the first event that there is, or from now on. A consumer at work notices."""
        from events.history import history  # reads with the models, among which this one is

        place = history.START if to == "start" else history.head(self.filter)
        type(self).objects.filter(pk=self.pk).update(last_error="", **place_fields(place))
        self.refresh_from_db()

    @property
    def cursor(self) -> Any:
        """Return its place, an `events.history.history.Cursor`."""
        from events.history.history import Cursor

        return Cursor(self.transaction, self.stream_id, self.sequence)

    @property
    def filter(self) -> Any:
        """Return what it wants, an `events.history.history.EventFilter`."""
        from events.history.history import EventFilter

        scope = {"workspaces": [self.workspace_id]} if self.workspace_id else {"workspaces": None, "installation": True}
        return EventFilter(types=self.types, sources=self.sources, **scope)

    @property
    def is_held(self) -> bool:
        """Tell whether a consumer is at work."""
        return bool(self.holder) and self.lease_expires_at is not None and self.lease_expires_at > timezone.now()

    def lag(self) -> Lag:
        """Return what waits. Raises UnknownEventType or BadPattern where what it wants makes no sense."""
        from events.history import history

        page = history.read(self.filter, self.cursor, LAG_LOOK)
        age = timezone.now() - page.events[0].happened_at if page.events else timedelta()
        return Lag(len(page.events), not page.more, age)

    def skip_one(self) -> RecordedEvent | None:
        """Leave out the next event, and return it; None when there is none, or a consumer is just past it."""
        from events.history import history

        events = history.read(self.filter, self.cursor, 1).events
        here = {"transaction": self.transaction, "stream_id": self.stream_id, "sequence": self.sequence}
        if not events:
            return None
        place = place_fields(history.Cursor.of(events[0]))
        moved = type(self).objects.filter(pk=self.pk, **here).update(last_error="", **place)
        return events[0] if moved else None


def place_fields(place: Any) -> dict[str, Any]:
    """Return what to update for a place."""
    numbers = {"transaction": place.transaction, "stream_id": place.stream_id, "sequence": place.sequence}
    return {**numbers, "updated_at": Now()}
