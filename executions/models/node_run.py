"""Node runs. Only `executions.lifecycle` changes their status."""

from __future__ import annotations

from typing import Any

from django.db import models

from executions.domain.statuses import NodeRunStatus
from executions.models.execution import Execution
from workflow_platform.core.accounts.models import WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.ordered_json import OrderedJSONField

STATUS_CHOICES = [(status.value, status.value) for status in NodeRunStatus]


class NodeRunQuerySet(WorkspaceScopedQuerySet["NodeRun"]):
    workspace_path = "execution__workspace"


class NodeRun(models.Model):
    """One run of a node in an execution. The output is stored here only; events have a preview.

    `duration_ms` is the time from its start to its end, with waits, retries and recoveries.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="node_runs", db_index=False)
    node_id = models.CharField(max_length=100)
    name = models.CharField(max_length=200)
    node_type = models.CharField(max_length=60)
    run_index = models.PositiveIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=1)
    status = models.CharField(max_length=10, choices=STATUS_CHOICES, default=NodeRunStatus.PENDING.value)
    from_cache = models.BooleanField(default=False)
    taken_from = models.UUIDField(
        null=True, help_text="In a rerun: the node run of the old execution whose output is reused."
    )
    inputs = OrderedJSONField(
        default=dict,
        help_text='Where its items came from: {input: [{"node", "run_index", "output", "items"}]}; {} for the trigger.',
    )
    output = OrderedJSONField(null=True, help_text="{output: [item]}; the checkpoint that recovery continues from.")
    digest = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="The canonical digest of its output (executions.domain.digests); empty until it is known.",
    )
    request_digest = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="The digest of all requests to other systems; empty if there were none.",
    )
    exchange = OrderedJSONField(
        null=True,
        help_text="What it sent to other systems and received, redacted and bounded; see executions.nodes.exchanges.",
    )
    parameters = OrderedJSONField(
        null=True,
        help_text="Its parameters after expressions, of one item, redacted and bounded: {item, values, truncated}. Null"
        " if there are no expressions, or none was evaluated.",
    )
    attempts = OrderedJSONField(
        null=True, help_text="The attempts before the last one: [{attempt, ended_at, duration_ms, retry_at, error}]."
    )
    lineage = OrderedJSONField(
        null=True,
        help_text='Which input items the items of each output came from: {output: "same" or [origin]}. The input items'
        " are numbered over all inputs, sorted by the length of the name and the name. Missing: unknown.",
    )
    attributes = models.JSONField(null=True, help_text="The attributes of the execution that it set: {key: text}.")
    output_items = models.PositiveIntegerField(default=0)
    output_bytes = models.BigIntegerField(default=0)
    failed_items = models.PositiveIntegerField(
        default=0, help_text="Input items that failed for good and went on as errors, as on_error says."
    )
    edited = models.JSONField(
        null=True,
        help_text='What people changed while it was held: {"what": ["input", "parameters", "definition", "output"],'
        ' "attempt": the first attempt with the last change}.',
    )
    keep_open = models.BooleanField(default=False, help_text="A loop that has further batches to hand out.")
    error = OrderedJSONField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    wake_at = models.DateTimeField(null=True)
    duration_ms = models.FloatField(null=True)
    cpu_ms = models.FloatField(null=True)
    """Of its threads and sandbox tasks, over all attempts; null if that of one is unknown, such as after a timeout."""
    memory_bytes = models.BigIntegerField(null=True)
    """The peak of its sandbox process; null for runs in shared threads, where it cannot be measured."""
    cost = models.JSONField(
        null=True,
        help_text="What it waited for and its outbound calls, over all attempts: {waits: {turn_ms, sandbox_ms,"
        " credential_ms, cache_ms, pause_ms}, calls: {count, repeated, dns_ms, connect_ms, tls_ms, first_byte_ms,"
        " transfer_ms, sent_bytes, received_bytes}}. What is zero is missing; null if nothing is left.",
    )

    objects = NodeRunQuerySet.as_manager()

    class Meta:
        ordering = ["execution", "id"]
        constraints = [
            models.UniqueConstraint(fields=["execution", "node_id", "run_index"], name="one_node_run_per_run_index"),
            models.CheckConstraint(
                condition=models.Q(status__in=[choice for choice, _ in STATUS_CHOICES]),
                name="node_run_status_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.node_id}[{self.run_index}]"

    @property
    def shown_cost(self) -> dict[str, Any] | None:
        """Return `cost` without what only the engine needs, to continue a run that waits."""
        return {name: part for name, part in (self.cost or {}).items() if name in {"waits", "calls"}} or None

    @property
    def idempotency_key(self) -> str:
        """Return a key that is the same for all attempts of this node run, until a person changes what it does."""
        key = f"{self.execution_id}/{self.node_id}/{self.run_index}"
        return f"{key}/{self.edited['attempt']}" if self.edited else key
