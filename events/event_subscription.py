"""Named subscriptions whose place is kept: what `events.durable` reads and advances."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from workflow_platform.accounts.models import Workspace, WorkspaceScopedQuerySet

Begin = Literal["start", "now"]
LAG_LOOK = 1000
"""So many events a lag is counted; there may be more."""


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

    def move(self, to: Begin) -> None:
        """Have it go on from the first event that there is, or from now on. A consumer at work notices."""
        from events import history  # reads with the models, among which this one is

        place = history.START if to == "start" else history.head(self.filter)
        type(self).objects.filter(pk=self.pk).update(last_error="", **place_fields(place))
        self.refresh_from_db()

    @property
    def cursor(self) -> Any:
        """Return its place, an `events.history.Cursor`."""
        from events.history import Cursor

        return Cursor(self.transaction, self.stream_id, self.sequence)

    @property
    def filter(self) -> Any:
        """Return what it wants, an `events.history.EventFilter`."""
        from events.history import EventFilter

        scope = {"workspaces": [self.workspace_id]} if self.workspace_id else {"workspaces": None, "installation": True}
        return EventFilter(types=self.types, sources=self.sources, **scope)

    def lag(self) -> tuple[int, timedelta]:
        """Return how many events wait, counted up to LAG_LOOK, and the age of the oldest of them."""
        from events import history

        events = history.read(self.filter, self.cursor, LAG_LOOK).events
        return len(events), timezone.now() - events[0].happened_at if events else timedelta()


def place_fields(place: Any) -> dict[str, Any]:
    """Return what to update for a place."""
    numbers = {"transaction": place.transaction, "stream_id": place.stream_id, "sequence": place.sequence}
    return {**numbers, "updated_at": Now()}
