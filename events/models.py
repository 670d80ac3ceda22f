"""Streams and their events. Written by `events.log.append` and by nothing else."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from workflow_platform.accounts.models import Workspace, WorkspaceScopedQuerySet
from workflow_platform.identifiers import uuid7

FEED = "executions"
"""Name of the one stream that carries the lifecycle events of all executions."""

SYSTEM = "system"
"""Name of the stream of the installation itself: its workers' troubles. For staff only."""
EXECUTION = "execution:"
WORKFLOW = "workflow:"
"""What names of workflow streams begin with: a workflow's own events, and the lifecycle events of its executions."""


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
    workspace = models.ForeignKey(
        Workspace,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Empty: a stream of the whole installation.",
    )
    last_sequence = models.BigIntegerField(default=0)
    removed_through = models.BigIntegerField(
        default=0, help_text="Events up to this sequence have been removed by retention."
    )
    last_transaction = models.BigIntegerField(default=0, help_text="The greatest `transaction` among its events.")
    ended_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = StreamQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class EventQuerySet(WorkspaceScopedQuerySet["Event"]):
    pass


class Event(models.Model):
    """An immutable fact, in the past tense. The table is cut by day; its indexes stand in `events.partitions`."""

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


from events.replay.models import Replay, ReplayEvent  # noqa: E402 - Django finds models through this module

__all__ = [
    "EXECUTION", "FEED", "SYSTEM", "WORKFLOW", "Event", "EventQuerySet", "Replay", "ReplayEvent", "Stream",
    "StreamQuerySet", "sequence_field",
]  # fmt: skip
