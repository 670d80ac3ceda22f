"""Streams and their events. Written by `events.log.append` and by nothing else."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.indexes import BrinIndex
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
    ended_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = StreamQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class EventQuerySet(WorkspaceScopedQuerySet["Event"]):
    workspace_path = "stream__workspace"


class Event(models.Model):
    """An immutable fact, in the past tense."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="events", db_index=False)
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
    data = models.JSONField()

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["stream", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["stream", "sequence"], name="one_event_per_sequence"),
            models.CheckConstraint(condition=models.Q(sequence__gte=1), name="sequences_start_at_1"),
            models.UniqueConstraint(
                fields=["feed_sequence"],
                name="one_event_per_feed_sequence",
                condition=models.Q(feed_sequence__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["workflow_id", "workflow_sequence"],
                name="one_event_per_workflow_sequence",
                condition=models.Q(workflow_sequence__isnull=False),
            ),
        ]
        indexes = [BrinIndex(fields=["time"], name="event_time_brin")]

    def __str__(self) -> str:
        return f"{self.type} #{self.sequence}"

    def envelope(self, stream_name: str) -> dict[str, Any]:
        """Return the event as every interface shows it, in the stream through which it is seen."""
        return {
            "id": str(self.id),
            "type": self.type,
            "source": self.source,
            "stream": stream_name,
            "sequence": getattr(self, sequence_field(stream_name)),
            "time": self.time.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "execution_id": str(self.execution_id) if self.execution_id else None,
            "workflow_id": str(self.workflow_id) if self.workflow_id else None,
            "data": self.data,
        }
