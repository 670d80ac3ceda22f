"""Executions. Only `executions.lifecycle` changes their status."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from django.conf import settings
from django.db import connection, models
from django.utils import timezone
from django.utils.functional import cached_property

from events.log.models import Stream
from executions.domain.statuses import ExecutionStatus
from executions.models.workflow import Workflow, WorkflowVersion
from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.ordered_json import OrderedJSONField
from workflow_platform.core.telemetry.trace_context import TraceContext, from_stored

STATUS_CHOICES = [(status.value, status.value.replace("_", " ")) for status in ExecutionStatus]
ENDED = [status.value for status in ExecutionStatus if status.ended]


class Trigger(models.TextChoices):
    MANUAL = "manual"
    API = "api"
    WEBHOOK = "webhook"
    SCHEDULE = "schedule"
    WORKFLOW = "workflow"
    RERUN = "rerun"
    ERROR = "error"


class Priority(models.TextChoices):
    HIGH = "high"
    DEFAULT = "default"
    LOW = "low"


class Mode(models.TextChoices):
    """What an execution is for. Only live ones count, notify endpoints and start error workflows (decision 47)."""

    LIVE = "live"
    TEST = "test"
    DEBUG = "debug"


class OnFailure(models.TextChoices):
    """What happens to an execution when a node with `on_error: stop` fails for good."""

    STOP = "stop", "It fails"
    HOLD = "hold", "It waits for a person"


class ExecutionQuerySet(WorkspaceScopedQuerySet["Execution"]):
    def live(self) -> Self:
        """Return the live executions: the ones that statistics count."""
        return self.filter(mode=Mode.LIVE)


class Execution(models.Model):
    """One run of a workflow version."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Keys without a separate index: one of the composite or partial indexes below begins with them.
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="executions", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="executions", db_index=False)
    version = models.ForeignKey(WorkflowVersion, on_delete=models.RESTRICT, related_name="executions", db_index=False)
    stream = models.OneToOneField(Stream, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=STATUS_CHOICES, default=ExecutionStatus.QUEUED.value)
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    trigger_node = models.CharField(max_length=100, help_text="The node that receives the input.")
    priority = models.CharField(max_length=10, choices=Priority.choices, default=Priority.DEFAULT)
    mode = models.CharField(
        max_length=5,
        choices=Mode.choices,
        default=Mode.LIVE,
        db_default=Mode.LIVE,
        help_text="Test and debug executions come after live ones, and have no effect on endpoints and statistics.",
    )
    on_failure = models.CharField(
        max_length=4,
        choices=OnFailure.choices,
        blank=True,
        default="",
        db_default="",
        help_text="When a node fails for good; empty: as the workflow's settings say.",
    )
    hold_seconds = models.PositiveIntegerField(
        null=True, help_text="How long a failed node waits for a person; empty: as the workflow's settings say."
    )
    input = OrderedJSONField(default=list, help_text="Items: a list of JSON objects.")
    error = OrderedJSONField(null=True)
    cause = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        help_text="Of a failed execution: equal for failures alike (executions.domain.failure_causes).",
    )
    failed_node = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text="The node that made the execution fail."
    )
    attributes = models.JSONField(
        default=dict,
        db_default={},
        help_text="What the workflow set on it: {key: text}. Lists find it by its ExecutionAttribute rows.",
    )
    nodes_total = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ran_ms = models.FloatField(default=0, help_text="Running time of earlier leases; waiting does not count.")
    resume_at = models.DateTimeField(null=True, help_text="When a waiting or paused execution continues.")
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_request = models.JSONField(null=True, help_text='Reason and user: {"reason", "by"}.')
    pause_request = models.JSONField(null=True, help_text='Reason and user of a pending pause: {"reason", "by"}.')
    resume_request = models.JSONField(null=True, help_text='Reason and user of a pending resume: {"reason", "by"}.')
    awaited = models.BooleanField(default=False, help_text="A caller waits for its response or end.")
    response = OrderedJSONField(null=True, help_text='The response to a webhook: {"status", "headers", "body"}.')

    rank_at = models.DateTimeField(
        default=timezone.now,
        help_text="Position in the queue: the time of queueing, less the head start of its priority; far in the future"
        " for test and debug executions, which come last.",
    )
    admitted_at = models.DateTimeField(null=True, help_text="When the limits admitted it.")
    concurrency_key = models.CharField(max_length=200, blank=True)

    parent = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="children", db_index=False)
    parent_run = models.ForeignKey(
        "NodeRun",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        help_text="The node run that started it.",
    )
    depth = models.PositiveSmallIntegerField(default=0, help_text="The number of its ancestors.")
    trace_parent = models.CharField(
        max_length=52,
        blank=True,
        default="",
        db_default="",
        help_text="The span that started it, from the caller's `traceparent` or from its parent:"
        " `trace-span-flags` (core.telemetry.trace_context). Empty: its own trace begins here.",
    )
    rerun_of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="reruns", db_index=False)
    rerun_from = models.CharField(max_length=100, blank=True, help_text="The node that the rerun starts from.")
    replaced_input = OrderedJSONField(
        null=True, help_text="Edited input of a rerun: {node: [item]}, used instead of the stored input of the node."
    )
    rerun_choices = models.JSONField(
        null=True, help_text='Nodes of a rerun that do not run as usual: {node: "reuse" or "skip"}.'
    )
    cached_from = models.UUIDField(null=True, help_text="The execution whose cached result this one has; no node ran.")
    follow_up_due = models.BooleanField(
        default=False, help_text="It has ended, and its parent, children or error workflow are not notified yet."
    )

    worker = models.CharField(max_length=100, blank=True, help_text="The worker that holds, or last held, the lease.")
    fencing_token = models.PositiveIntegerField(
        default=0, help_text="Increases with each claim; a holder of an older token cannot write."
    )
    lease_expires_at = models.DateTimeField(null=True)
    recoveries = models.PositiveIntegerField(default=0)
    handed_over = models.BooleanField(default=False, help_text="Its worker was stopped: no crash is counted.")

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=[choice for choice, _ in STATUS_CHOICES]),
                name="execution_status_is_known",
            ),
            models.CheckConstraint(condition=models.Q(mode__in=Mode.values), name="execution_mode_is_known"),
            models.CheckConstraint(
                condition=models.Q(status__in=ENDED, ended_at__isnull=False)
                | (~models.Q(status__in=ENDED) & models.Q(ended_at__isnull=True)),
                name="ended_executions_have_an_end",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"]),
            models.Index(fields=["workflow", "-id"]),
            # Lists (executions.listing): each filter that few executions may match is one walk, newest first.
            models.Index(fields=["version", "-id"], name="execution_of_version"),
            models.Index(fields=["workspace", "trigger", "-id"], name="execution_by_trigger"),
            models.Index(
                fields=["workspace", "status", "-id"],
                name="execution_by_status",
                condition=models.Q(ended_at__isnull=False),
            ),
            models.Index(
                fields=["workspace", "cause", "-id"],
                name="execution_by_cause",
                condition=~models.Q(cause=""),
            ),
            models.Index(
                fields=["workflow", "failed_node", "-id"],
                name="execution_by_failed_node",
                condition=~models.Q(failed_node=""),
            ),
            models.Index(
                "workspace",
                (models.F("ended_at") - models.F("started_at")).desc(),
                models.F("id").desc(),
                name="execution_by_duration",
                condition=models.Q(ended_at__isnull=False, started_at__isnull=False),
            ),
            models.Index(
                fields=["workspace", "ended_at"], name="execution_ended", condition=models.Q(ended_at__isnull=False)
            ),
            models.Index(  # tests are few: lists and retention find them without reading the live ones
                fields=["workspace", "-id"], name="execution_of_test", condition=~models.Q(mode=Mode.LIVE)
            ),
            models.Index(
                fields=["workspace", "ended_at"],
                name="execution_of_test_ended",
                condition=models.Q(ended_at__isnull=False) & ~models.Q(mode=Mode.LIVE),
            ),
            # Not on the lease: its renewals stay cheap (HOT).
            models.Index(fields=["status"], name="execution_unended", condition=~models.Q(status__in=ENDED)),
            models.Index(  # the queue of each workflow: admission reads its head
                fields=["workflow", "rank_at"],
                name="execution_queued",
                condition=models.Q(status=ExecutionStatus.QUEUED.value, admitted_at__isnull=True),
            ),
            models.Index(
                fields=["resume_at"],
                name="execution_resuming",
                condition=models.Q(
                    status__in=[ExecutionStatus.WAITING.value, ExecutionStatus.PAUSED.value],
                    admitted_at__isnull=True,
                    resume_at__isnull=False,
                ),
            ),
            models.Index(
                fields=["workflow", "concurrency_key"],
                name="execution_admitted",
                condition=~models.Q(status__in=ENDED) & models.Q(admitted_at__isnull=False),
            ),
            models.Index(fields=["id"], name="execution_follow_up", condition=models.Q(follow_up_due=True)),
            models.Index(
                fields=["id"],
                name="execution_cancelling",
                condition=models.Q(cancel_requested_at__isnull=False, ended_at__isnull=True),
            ),
            *[
                models.Index(fields=[name], name=f"execution_{name}", condition=models.Q(**{f"{name}__isnull": False}))
                for name in ("parent", "parent_run", "rerun_of")
            ],
        ]

    def __str__(self) -> str:
        return f"{self.workflow_id}/{self.id}"

    @property
    def is_live(self) -> bool:
        """Return whether the execution is no test and is not debugged."""
        return self.mode == Mode.LIVE

    @classmethod
    def find_trace_id(cls, execution_id: UUID) -> UUID | None:
        """Return the trace id of an execution; None if it does not exist."""
        execution = cls.objects.only("parent_id", "depth", "trace_parent").filter(pk=execution_id).first()
        return execution.trace_id if execution else None

    @property
    def trace_context(self) -> TraceContext:
        """Return the context that the execution was started in."""
        return from_stored(self.trace_parent) or TraceContext(self.trace_id.hex)

    @cached_property
    def trace_id(self) -> UUID:
        """The id of the trace: that of the caller's `traceparent`, or of the execution at the start of the chain.

        Log lines carry it. A query is needed only for a sub-workflow of a sub-workflow from before `trace_parent`.
        """
        if (context := from_stored(self.trace_parent)) is not None:
            return UUID(context.trace_id)
        if self.parent_id is None:
            return self.id
        if self.depth <= 1:
            return self.parent_id
        with connection.cursor() as cursor:
            cursor.execute(_FIRST_OF_CHAIN, [self.parent_id])
            row = cursor.fetchone()
        return row[0] if row else self.id


_FIRST_OF_CHAIN = """
    WITH RECURSIVE chain AS (
        SELECT id, parent_id FROM executions_execution WHERE id = %s
        UNION ALL SELECT e.id, e.parent_id FROM executions_execution e JOIN chain ON e.id = chain.parent_id
    ) SELECT id FROM chain WHERE parent_id IS NULL
"""
