"""For how long events are kept, and how far the cleanup of removed ones has come."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from workflow_platform.core.accounts.models import Workspace

MOST_DAYS = 36_500
"""The longest retention, in days: farther back there may be no date."""


class RetentionPolicy(models.Model):
    """For how long a workspace keeps the events of what has ended. What is empty is as the settings say."""

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
        help_text="Days for which events of executions that failed or timed out are kept; empty: as the others.",
    )
    max_events = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Events kept over all its executions that have ended, the oldest go first; empty: no such limit.",
    )

    class Meta:
        verbose_name_plural = "retention policies"

    def __str__(self) -> str:
        return f"Retention of {self.workspace}"


class CleanupState(models.Model):
    """The one row that says up to when the rows of removed events have been deleted, and how the last cleanup went."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    collected_at = models.DateTimeField(help_text="Rows of what was removed until then are gone.")
    ran_at = models.DateTimeField(null=True)
    report = models.JSONField(default=dict)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_cleanup_state")]

    def __str__(self) -> str:
        return f"collected until {self.collected_at}"
