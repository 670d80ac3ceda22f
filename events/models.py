"""Streams and their events. Written by `events.log.append` and by nothing else."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from events.bus.models import EventSubscription
from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7

__all__ = ["EXECUTION", "FEED", "SYSTEM", "WORKFLOW", "Event", "EventSubscription", "Stream", "sequence_field"]

FEED = "executions"
"""Name of the one stream that carries the lifecycle events of all executions."""

SYSTEM = "system"
"""Name of the stream of the installation itself: its workers' troubles. For staff only."""
EXECUTION = "execution:"
WORKFLOW = "workflow:"
"""What names of workflow streams begin with: a workflow's own events, and the lifecycle events of its executions."""
MOST_DAYS = 36_500
"""The longest retention, in days: farther back there may be no date."""


def sequence_field(stream_name: str) -> str:
    """Return the field of Event that holds the sequence in this stream."""
    if stream_name == FEED:
        return "feed_sequence"
    return "workflow_sequence" if stream_name.startswith(WORKFLOW) else "sequence"


class StreamQuerySet(WorkspaceScopedQuerySet["Stream"]):
    pass


class Stream(models.Model):
    """The ordered events of one subject; its row hands out the sequences 1..n."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=80, unique=True)
    # Not CASCADE: what a workspace leaves behind is found by its streams, and goes with retention.
    workspace = models.ForeignKey(
        Workspace,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Empty: a stream of the whole installation, or one whose workspace is gone.",
    )
    last_sequence = models.BigIntegerField(default=0)
    removed_through = models.BigIntegerField(
        default=0, help_text="Events up to this sequence have been removed by retention."
    )
    removed_at = models.DateTimeField(null=True, help_text="When events of it were last removed.")
    last_transaction = models.BigIntegerField(default=0, help_text="The greatest `transaction` among its events.")
    ended_at = models.DateTimeField(null=True)
    ended_as = models.CharField(max_length=60, blank=True, help_text="The type of its terminal event.")
    created_at = models.DateTimeField(default=timezone.now)

    objects = StreamQuerySet.as_manager()

    class Meta:
        # On nothing that an append changes: appends stay cheap (HOT).
        indexes = [
            models.Index(
                fields=["workspace", "ended_at"],
                name="stream_ended",
                condition=models.Q(ended_at__isnull=False, removed_at__isnull=True),
            ),
            models.Index(fields=["removed_at"], name="stream_removed", condition=models.Q(removed_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name


class EventQuerySet(WorkspaceScopedQuerySet["Event"]):
    pass


class Event(models.Model):
    """An immutable fact, in the past tense. The table is cut by day; its indexes stand in `events.log.partitions`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # No constraint: the append that writes the event holds the stream's row, and a check for each row costs.
    stream = models.ForeignKey(
        Stream, on_delete=models.DO_NOTHING, related_name="events", db_index=False, db_constraint=False
    )
    sequence = models.BigIntegerField()
    feed_sequence = models.BigIntegerField(
        null=True, help_text="Place in the stream `executions`, for lifecycle events of executions."
    )
    workflow_sequence = models.BigIntegerField(
        null=True, help_text="Place in the stream `workflow:<id>`: the workflow's own events, and lifecycle events."
    )
    type = models.CharField(max_length=60)
    source = models.CharField(max_length=60)
    time = models.DateTimeField()
    execution_id = models.UUIDField(null=True)
    workflow_id = models.UUIDField(null=True)
    workspace = models.ForeignKey(
        Workspace, null=True, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    transaction = models.BigIntegerField(
        help_text="Order over streams, with stream and sequence: its transaction's number, or that of what precedes."
    )
    data = models.JSONField()

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["stream", "sequence"]

    def __str__(self) -> str:
        return f"{self.type} #{self.sequence}"


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


from events.replay.models import Replay, ReplayEvent  # noqa: E402 - Django finds models through this module

__all__ = [
    "EXECUTION", "FEED", "SYSTEM", "WORKFLOW", "CleanupState", "Event", "EventQuerySet", "Replay", "ReplayEvent",
    "RetentionPolicy", "Stream", "StreamQuerySet", "sequence_field",
]  # fmt: skip
