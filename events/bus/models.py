"""Named subscriptions whose place is kept: what `events.durable` reads and advances."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet


class EventSubscriptionQuerySet(WorkspaceScopedQuerySet["EventSubscription"]):
    def takeable_by(self, holder: str) -> Self:
        """Return those that no other holder has leased."""
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

    @property
    def is_held(self) -> bool:
        """Tell whether a consumer is at work."""
        return bool(self.holder) and self.lease_expires_at is not None and self.lease_expires_at > timezone.now()
