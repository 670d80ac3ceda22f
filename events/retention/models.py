"""For how long events are kept, and the progress of the cleanup."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from workflow_platform.core.accounts.models import Workspace

MOST_DAYS = 36_500
"""The longest retention, in days: earlier dates may not exist."""


class RetentionPolicy(models.Model):
    """For how long a workspace keeps the events of ended executions. Empty fields use the settings."""

    workspace = models.OneToOneField(Workspace, primary_key=True, on_delete=models.CASCADE, related_name="+")
    days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS)],
        help_text="Days for which events are kept; empty: EVENT_HISTORY_RETENTION_DAYS.",
    )
    keep_failed_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS)],
        help_text="Days for which events of failed and timed-out executions are kept; empty: the same.",
    )
    test_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS)],
        help_text="Days for which test and debug executions are kept, with their events; empty: TEST_RETENTION_DAYS.",
    )
    max_events = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Events kept over all ended executions; the oldest are removed first. Empty: no limit.",
    )

    class Meta:
        verbose_name_plural = "retention policies"

    def __str__(self) -> str:
        return f"Retention of {self.workspace}"


class CleanupState(models.Model):
    """One row: the time up to which the rows of removed events have been deleted, and the result of the last
    cleanup."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    collected_at = models.DateTimeField(help_text="Rows of events removed before this time are deleted.")
    ran_at = models.DateTimeField(null=True)
    report = models.JSONField(default=dict)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_cleanup_state")]

    def __str__(self) -> str:
        return f"collected until {self.collected_at}"
