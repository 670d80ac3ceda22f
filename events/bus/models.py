"""Durable subscriptions, whose positions `bus.durable` reads and moves."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet


class EventSubscriptionQuerySet(WorkspaceScopedQuerySet["EventSubscription"]):
    def takeable_by(self, holder: str) -> Self:
        """Return the subscriptions whose lease `holder` can take."""
        free = models.Q(holder__in=["", holder]) | models.Q(lease_expires_at__isnull=True)
        return self.filter(free | models.Q(lease_expires_at__lt=Now()))


class EventSubscription(models.Model):
    """A consumer's position in the order over streams. One process at a time holds its lease and continues from it."""

    name = models.CharField(max_length=100, unique=True)
    workspace = models.ForeignKey(
        Workspace,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Empty: events of all workspaces and of the installation itself.",
    )
    types = ArrayField(
        models.CharField(max_length=60), default=list, blank=True, help_text="Patterns such as execution.*; empty: all."
    )
    sources = ArrayField(
        models.CharField(max_length=60),
        default=list,
        blank=True,
        help_text="Patterns such as executions.*; empty: all.",
    )
    transaction = models.BigIntegerField(default=0)
    stream_id = models.BigIntegerField(default=0)
    sequence = models.BigIntegerField(default=0, help_text="With transaction and stream: the last handled event.")
    holder = models.CharField(
        max_length=200, blank=True, default="", help_text="Host, process and a random number of the consumer."
    )
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="", help_text="Why it is stuck; empty if it is not.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, help_text="When its position last changed.")

    objects = EventSubscriptionQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_held(self) -> bool:
        """Return whether a consumer holds the lease."""
        return bool(self.holder) and self.lease_expires_at is not None and self.lease_expires_at > timezone.now()
