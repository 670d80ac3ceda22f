"""What a node run waits for that is no time: a call, a person's decision, another execution's end."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from executions.models.execution import Execution
from workflow_platform.accounts.models import WorkspaceScopedQuerySet
from workflow_platform.identifiers import uuid7


class WaitKind(models.TextChoices):
    WEBHOOK = "webhook", "A call to its URL"
    APPROVAL = "approval", "A person's decision"
    EXECUTION = "execution", "The end of another execution"


class WaitQuerySet(WorkspaceScopedQuerySet["Wait"]):
    workspace_path = "execution__workspace"


class Wait(models.Model):
    """Resolved exactly once: by whoever sets `resolved_at` first, under the row's lock."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="waits")
    node_id = models.CharField(max_length=100)
    run_index = models.PositiveIntegerField(default=0)
    kind = models.CharField(max_length=10, choices=WaitKind.choices)
    message = models.TextField(blank=True, max_length=5000, help_text="What is to be decided.")
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Empty: any editor."
    )
    child = models.ForeignKey(Execution, null=True, on_delete=models.SET_NULL, related_name="+")
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    outcome = models.JSONField(null=True, help_text="What the node run goes on with.")

    objects = WaitQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["execution", "node_id", "run_index"], name="one_wait_per_node_run"),
        ]
        indexes = [
            models.Index(fields=["kind", "-id"], name="wait_open", condition=models.Q(resolved_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.node_id}[{self.run_index}]"
