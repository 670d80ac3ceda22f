"""Executions. Their status is assigned by `executions.lifecycle` and by nothing else."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from events.log.models import Stream

from executions.domain.statuses import ExecutionStatus
from executions.models.workflow import Workflow, WorkflowVersion
from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7

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


class ExecutionQuerySet(WorkspaceScopedQuerySet["Execution"]):
    pass


class Execution(models.Model):
    """One run of a workflow version."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Keys without an index of their own: one of the composite or partial indexes below begins with them.
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="executions", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="executions", db_index=False)
    version = models.ForeignKey(WorkflowVersion, on_delete=models.RESTRICT, related_name="executions")
    stream = models.OneToOneField(Stream, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=STATUS_CHOICES, default=ExecutionStatus.QUEUED.value)
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    trigger_node = models.CharField(max_length=100, help_text="The node that the input enters at.")
    priority = models.CharField(max_length=10, choices=Priority.choices, default=Priority.DEFAULT)
    input = models.JSONField(default=list, help_text="Items: a list of JSON objects.")
    error = models.JSONField(null=True)
    nodes_total = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ran_ms = models.FloatField(default=0, help_text="How long it ran in earlier holds; waiting does not count.")
    resume_at = models.DateTimeField(null=True, help_text="When a waiting or paused execution goes on.")
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_request = models.JSONField(null=True, help_text='Why, and who asked: {"reason", "by"}.')
    pause_request = models.JSONField(null=True, help_text='Why, and who asked, until it is paused: {"reason", "by"}.')
    resume_request = models.JSONField(null=True, help_text='Why, and who asked, until it runs: {"reason", "by"}.')
    awaited = models.BooleanField(default=False, help_text="Somebody waits for its answer or end.")
    response = models.JSONField(null=True, help_text='What a webhook is answered: {"status", "headers", "body"}.')

    rank_at = models.DateTimeField(
        default=timezone.now, help_text="Place in the queue: when it was queued, less what its priority is worth."
    )
    admitted_at = models.DateTimeField(null=True, help_text="When the limits let it through to the workers.")
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
    depth = models.PositiveSmallIntegerField(default=0, help_text="How many parents it has.")
    rerun_of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="reruns", db_index=False)
    rerun_from = models.CharField(max_length=100, blank=True, help_text="The node that the rerun began at.")
    replaced_input = models.JSONField(
        null=True, help_text="Edited input of a rerun: {node: [item]}, taken in instead of what was kept for the node."
    )
    cached_from = models.UUIDField(
        null=True, help_text="The execution whose result this one was given from the cache; no node ran."
    )
    follow_up_due = models.BooleanField(
        default=False, help_text="Ended, and its parent, its children or an error workflow have yet to hear of it."
    )

    worker = models.CharField(max_length=100, blank=True, help_text="Who holds, or last held, the lease.")
    fencing_token = models.PositiveIntegerField(default=0, help_text="Grows with each claim; a stale one cannot write.")
    lease_expires_at = models.DateTimeField(null=True)
    recoveries = models.PositiveIntegerField(default=0)
    handed_over = models.BooleanField(default=False, help_text="Its worker was told to stop: no crash is counted.")

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=[choice for choice, _ in STATUS_CHOICES]),
                name="execution_status_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=ENDED, ended_at__isnull=False)
                | (~models.Q(status__in=ENDED) & models.Q(ended_at__isnull=True)),
                name="ended_executions_have_an_end",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"]),
            models.Index(fields=["workflow", "-id"]),
            models.Index(
                fields=["workspace", "ended_at"], name="execution_ended", condition=models.Q(ended_at__isnull=False)
            ),
            # Not on the lease: its renewals stay cheap (HOT).
            models.Index(fields=["status"], name="execution_unended", condition=~models.Q(status__in=ENDED)),
            models.Index(  # the line of each workflow: admission looks at the head of each
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
