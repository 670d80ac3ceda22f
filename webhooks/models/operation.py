"""Operations on many deliveries, which jobs do in slices."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from webhooks.models.endpoint import Endpoint
from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7


class OperationKind(models.TextChoices):
    RECOVER = "recover", "Redeliver failed deliveries since a time"
    REDELIVER = "redeliver", "Redeliver selected deliveries"
    CANCEL = "cancel", "Cancel selected deliveries"
    REPLAY = "replay", "Send the events of a time range to an endpoint"


class OperationState(models.TextChoices):
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class OperationQuerySet(WorkspaceScopedQuerySet["Operation"]):
    pass


class Operation(models.Model):
    """An operation. Each slice and the position are saved in one transaction, so a crash neither repeats nor skips."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=9, choices=OperationKind.choices)
    endpoint = models.ForeignKey(Endpoint, null=True, on_delete=models.CASCADE, related_name="operations")
    chosen = models.JSONField(default=dict, help_text="The filter, as given to the API.")
    state = models.CharField(max_length=9, choices=OperationState.choices, default=OperationState.RUNNING)
    total = models.PositiveBigIntegerField(default=0, help_text="Counted at the start.")
    done = models.PositiveBigIntegerField(default=0)
    left_out = models.PositiveBigIntegerField(default=0, help_text="Deliveries that no longer matched.")
    place = models.TextField(blank=True, help_text="The position of the next slice.")
    error = models.CharField(max_length=500, blank=True)
    queued_at = models.DateTimeField(null=True, help_text="When the job was queued that waits for a worker.")
    lease_token = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    objects = OperationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["id"], name="operation_running", condition=models.Q(state="running"))]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
