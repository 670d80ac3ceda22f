"""Reconciliation: events due = delivered + pending + failed + cancelled, for each endpoint and hour, and violations."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from webhooks.models.endpoint import Endpoint


class HourCount(models.Model):
    """The deliveries of one endpoint for the events that were recorded in one hour.

    Deliveries that retention has removed stay counted: their number by status, and the last event among them.
    """

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="hours")
    hour = models.DateTimeField()
    due = models.PositiveBigIntegerField()
    delivered = models.PositiveBigIntegerField()
    pending = models.PositiveBigIntegerField(help_text="Pending or being sent.")
    failed = models.PositiveBigIntegerField()
    cancelled = models.PositiveBigIntegerField()
    violations = models.PositiveBigIntegerField(default=0)
    checked_at = models.DateTimeField(default=timezone.now)
    removed_delivered = models.PositiveBigIntegerField(default=0)
    removed_failed = models.PositiveBigIntegerField(default=0)
    removed_cancelled = models.PositiveBigIntegerField(default=0)
    removed_to = models.UUIDField(null=True, help_text="The last event with a delivery that retention removed.")
    final = models.BooleanField(default=False, help_text="Nothing is pending, and the hour is long over.")

    class Meta:
        ordering = ["endpoint", "-hour"]
        constraints = [models.UniqueConstraint(fields=["endpoint", "hour"], name="one_count_per_endpoint_and_hour")]
        indexes = [models.Index(fields=["hour"], name="hour_count_open", condition=models.Q(final=False))]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.hour:%Y-%m-%d %H}:00"


class ViolationKind(models.TextChoices):
    """The labels are English; pages translate them."""

    MISSING = "missing", _("An event was due and has no delivery")
    SURPLUS = "surplus", _("A delivery belongs to an event that was not due")
    DOUBLED = "doubled", _("An event has several deliveries")


class Violation(models.Model):
    """One event whose deliveries do not match."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="violations")
    hour = models.DateTimeField()
    event_id = models.UUIDField()
    kind = models.CharField(max_length=7, choices=ViolationKind.choices)
    found_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "event_id", "kind"], name="one_violation_per_event_and_kind")
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.event_id}"
