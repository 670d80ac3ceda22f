"""Streams and their events. Written by `events.log.append` and by nothing else."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from events.log.recorded import LIVE
from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.ordered_json import OrderedJSONField


class StreamQuerySet(WorkspaceScopedQuerySet["Stream"]):
    pass


class Stream(models.Model):
    """The ordered events of one subject; its row hands out the sequences 1..n."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=80, unique=True)
    # Not CASCADE: retention finds and removes the history of a deleted workspace by its streams.
    workspace = models.ForeignKey(
        Workspace,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Empty: a stream of the installation, or of a deleted workspace.",
    )
    mode = models.CharField(
        max_length=5,
        default=LIVE,
        db_default=LIVE,
        help_text="The mode of its execution: live, test or debug. Endpoints receive only events of live ones.",
    )
    last_sequence = models.BigIntegerField(default=0)
    removed_through = models.BigIntegerField(
        default=0, help_text="Events up to this sequence have been removed by retention."
    )
    removed_at = models.DateTimeField(null=True, help_text="When retention last removed events.")
    last_transaction = models.BigIntegerField(default=0, help_text="The greatest `transaction` among its events.")
    ended_at = models.DateTimeField(null=True)
    ended_as = models.CharField(max_length=60, blank=True, help_text="The type of its terminal event.")
    created_at = models.DateTimeField(default=timezone.now)

    objects = StreamQuerySet.as_manager()

    class Meta:
        # No index on a column that an append changes: appends stay cheap (HOT).
        indexes = [
            models.Index(
                fields=["workspace", "ended_at"],
                name="stream_ended",
                condition=models.Q(ended_at__isnull=False, removed_at__isnull=True),
            ),
            models.Index(
                fields=["workspace", "ended_at"],
                name="stream_of_test_ended",
                condition=models.Q(ended_at__isnull=False, removed_at__isnull=True) & ~models.Q(mode=LIVE),
            ),
            models.Index(fields=["removed_at"], name="stream_removed", condition=models.Q(removed_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name


class EventQuerySet(WorkspaceScopedQuerySet["Event"]):
    pass


class Event(models.Model):
    """An immutable fact, in the past tense. The table is partitioned by day; its indexes are in `partitions`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # No constraint: the append that writes the event holds the stream's row, and a check for each row costs.
    stream = models.ForeignKey(
        Stream, on_delete=models.DO_NOTHING, related_name="events", db_index=False, db_constraint=False
    )
    sequence = models.BigIntegerField()
    feed_sequence = models.BigIntegerField(
        null=True, help_text="Position in the stream `executions`, for lifecycle events of executions."
    )
    workflow_sequence = models.BigIntegerField(
        null=True, help_text="Position in the stream `workflow:<id>`: the workflow's events and lifecycle events."
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
    data = OrderedJSONField()

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["stream", "sequence"]

    def __str__(self) -> str:
        return f"{self.type} #{self.sequence}"
