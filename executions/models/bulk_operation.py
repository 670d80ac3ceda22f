"""Operations on many executions, which jobs do in slices."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7


class BulkKind(models.TextChoices):
    RERUN = "rerun", "Rerun ended executions"
    CANCEL = "cancel", "Cancel executions that have not ended"
    DELETE = "delete", "Delete ended executions with their events and outputs"


class BulkState(models.TextChoices):
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class BulkOperationQuerySet(WorkspaceScopedQuerySet["BulkOperation"]):
    pass


class BulkOperation(models.Model):
    """An operation on the executions of a workspace that match criteria. It resumes after a crash; a slice and its
    position are saved together where a repeated slice would act twice."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=6, choices=BulkKind.choices)
    criteria = models.JSONField(default=dict, help_text="What it selects: executions.listing.Criteria.")
    options = models.JSONField(default=dict, help_text="Of a rerun: from, version, priority, mode and effects.")
    state = models.CharField(max_length=9, choices=BulkState.choices, default=BulkState.RUNNING)
    total = models.PositiveBigIntegerField(null=True, help_text="Counted at the start; empty: too many to count.")
    done = models.PositiveBigIntegerField(default=0)
    left_out = models.PositiveBigIntegerField(default=0, help_text="Executions that could not be changed.")
    problems = models.JSONField(default=list, help_text='Why, for the first ones: [{"id", "detail"}].')
    place = models.UUIDField(null=True, help_text="The last execution that was looked at.")
    error = models.CharField(max_length=500, blank=True)
    queued_at = models.DateTimeField(null=True, help_text="When the job was queued that waits for a worker.")
    lease_token = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    objects = BulkOperationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["id"], name="bulk_operation_running", condition=models.Q(state="running"))]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
