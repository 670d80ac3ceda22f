"""What is done to many deliveries: in slices, by a job that another one goes on with."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from webhooks.models.endpoint import Endpoint
from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7


class OperationKind(models.TextChoices):
    RECOVER = "recover", "Send again what has failed since a time"
    REDELIVER = "redeliver", "Send chosen deliveries again"
    CANCEL = "cancel", "Cancel chosen deliveries"
    REPLAY = "replay", "Send the events of a time to an endpoint"


class OperationState(models.TextChoices):
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class OperationQuerySet(WorkspaceScopedQuerySet["Operation"]):
    pass


class Operation(models.Model):
    """Its place is saved with what each slice has done, in one transaction: a crash repeats nothing, skips nothing."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=9, choices=OperationKind.choices)
    endpoint = models.ForeignKey(Endpoint, null=True, on_delete=models.CASCADE, related_name="operations")
    chosen = models.JSONField(default=dict, help_text="The filter, as the API took it.")
    state = models.CharField(max_length=9, choices=OperationState.choices, default=OperationState.RUNNING)
    total = models.PositiveBigIntegerField(default=0, help_text="As counted when it began.")
    done = models.PositiveBigIntegerField(default=0)
    left_out = models.PositiveBigIntegerField(default=0, help_text="What had changed meanwhile.")
    place = models.TextField(blank=True, help_text="How far it has come.")
    error = models.CharField(max_length=500, blank=True)
    queued_at = models.DateTimeField(null=True, help_text="When a job was last queued that nobody has taken yet.")
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
