"""Rollups: figures of executions and nodes by minute and by hour, which outlive history. `executions.rollups` writes
them."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from executions.domain.histograms import BINS
from executions.models.workflow import Workflow
from workflow_platform.core.accounts.models import WorkspaceScopedQuerySet

MINUTE, HOUR = 60, 3600


def empty_histogram() -> list[int]:
    """Return a histogram that has counted nothing."""
    return [0] * BINS


class RollupQuerySet(WorkspaceScopedQuerySet["Rollup"]):
    workspace_path = "workflow__workspace"


class Rollup(models.Model):
    """What live executions did in one minute, or one hour."""

    # No constraint: its check would lock the workflow's row. `folding` removes what is counted after a deletion.
    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    began_at = models.DateTimeField(help_text="The beginning of the minute or hour.")
    seconds = models.PositiveSmallIntegerField(help_text="60 or 3600.")

    objects = RollupQuerySet.as_manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.began_at:%Y-%m-%d %H:%M}"


class ExecutionRollup(Rollup):
    """The live executions of a workflow, by what started them. An end counts in the minute in which it happened."""

    trigger = models.CharField(max_length=10, help_text="What started them; reruns have their own, `rerun`.")
    queued = models.PositiveIntegerField()
    started = models.PositiveIntegerField()
    completed = models.PositiveIntegerField(help_text="Including those with a cached result.")
    failed = models.PositiveIntegerField()
    cancelled = models.PositiveIntegerField()
    timed_out = models.PositiveIntegerField()
    cached = models.PositiveIntegerField(help_text="Completed with the cached result of another; no node ran.")
    duration_ms = models.FloatField(help_text="The sum of the durations of the completed ones that ran.")
    durations = ArrayField(models.PositiveIntegerField(), default=empty_histogram, help_text="Their histogram.")
    wait_ms = models.FloatField(help_text="The sum of the times from queueing to start, of the started ones.")
    waits = ArrayField(models.PositiveIntegerField(), default=empty_histogram, help_text="Their histogram.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "began_at", "seconds", "trigger"], name="one_rollup_per_workflow_and_time"
            )
        ]
        indexes = [models.Index(fields=["began_at"], name="execution_rollup_began")]


class NodeRollup(Rollup):
    """The runs of a node in live executions. Outputs that a rerun copied do not count."""

    node = models.CharField(max_length=100)
    node_type = models.CharField(max_length=60)
    runs = models.PositiveIntegerField(help_text="Ended runs: completed and failed, from the cache or not.")
    failed = models.PositiveIntegerField(help_text="Runs that failed for good, whatever followed.")
    retries = models.PositiveIntegerField(help_text="Failed attempts after which another followed.")
    cached = models.PositiveIntegerField(help_text="Runs whose output came from the cache.")
    items = models.BigIntegerField(help_text="Output items.")
    failed_items = models.BigIntegerField()
    bytes = models.BigIntegerField(help_text="The size of the outputs.")
    cpu_ms = models.FloatField(help_text="The sum of the CPU time, where it is known.")
    memory_bytes = models.BigIntegerField(null=True, help_text="The most memory of a run, where it is known.")
    duration_ms = models.FloatField(help_text="The sum of the durations of completed runs that were not cached.")
    durations = ArrayField(models.PositiveIntegerField(), default=empty_histogram, help_text="Their histogram.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "node", "began_at", "seconds"], name="one_rollup_per_node_and_time"
            )
        ]
        indexes = [models.Index(fields=["began_at"], name="node_rollup_began")]


class ExecutionTotal(models.Model):
    """The live executions of the installation since its beginning, which no retention lowers."""

    trigger = models.CharField(max_length=10)
    event = models.CharField(max_length=10, help_text="What happened to them: queued, started, or how they ended.")
    count = models.BigIntegerField()
    milliseconds = models.FloatField(help_text="Their durations; of `started`, their times in the queue.")
    histogram = ArrayField(models.BigIntegerField(), default=empty_histogram)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["trigger", "event"], name="one_total_per_trigger_and_event")]

    def __str__(self) -> str:
        return f"{self.trigger} {self.event}"


class NodeTotal(models.Model):
    """The node runs of live executions since the beginning, by node type."""

    node_type = models.CharField(max_length=60, primary_key=True)
    runs = models.BigIntegerField()
    failed = models.BigIntegerField()
    retries = models.BigIntegerField()
    cached = models.BigIntegerField()
    items = models.BigIntegerField()
    bytes = models.BigIntegerField()
    duration_ms = models.FloatField()
    histogram = ArrayField(models.BigIntegerField(), default=empty_histogram)

    def __str__(self) -> str:
        return self.node_type


class RollupPosition(models.Model):
    """The one row that says which events are counted, in the order over all streams (decision 13)."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    transaction = models.BigIntegerField(default=1, help_text="Imported events have 0: they are not counted.")
    stream_id = models.BigIntegerField(default=0)
    sequence = models.BigIntegerField(default=0)
    counted_at = models.DateTimeField(null=True, help_text="When all events that could be read were counted.")
    folded_at = models.DateTimeField(null=True, help_text="When old rows were last folded and removed.")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_row_of_rollup_position")]

    def __str__(self) -> str:
        return f"{self.transaction}/{self.stream_id}/{self.sequence}"
