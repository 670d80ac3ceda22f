"""Requests to /hooks/, including rejected ones with the reason, and the ids of messages for deduplication."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7


class InboundRequestQuerySet(WorkspaceScopedQuerySet["InboundRequest"]):
    pass


class InboundRequest(models.Model):
    """One request to /hooks/. A request without a matching workflow has no workspace; only staff see it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.CASCADE, related_name="+", db_index=False)
    workflow_id = models.UUIDField(null=True)
    node_id = models.CharField(max_length=100, blank=True, help_text="The webhook trigger.")
    execution_id = models.UUIDField(null=True, help_text="The execution that it started.")
    received_at = models.DateTimeField(default=timezone.now)
    method = models.CharField(max_length=20)
    path = models.CharField(max_length=300)
    address = models.GenericIPAddressField(null=True)
    headers = models.JSONField(default=dict, help_text="Secret headers are masked.")
    query = models.JSONField(default=dict)
    body = models.TextField(blank=True, help_text="The beginning of the body, as text.")
    body_bytes = models.PositiveIntegerField(default=0)
    content_type = models.CharField(max_length=200, blank=True)
    message_id = models.CharField(max_length=200, blank=True, help_text="The id for deduplication.")
    test = models.BooleanField(default=False, help_text="Sent to the test URL, which starts no execution.")
    accepted = models.BooleanField()
    status_code = models.PositiveSmallIntegerField(help_text="Status code of the response.")
    reason = models.CharField(max_length=500, blank=True, help_text="Why it was rejected.")

    objects = InboundRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="inbound_listed"),
            models.Index(fields=["workflow_id", "-id"], name="inbound_of_workflow"),
            models.Index(
                fields=["execution_id"], name="inbound_of_execution", condition=models.Q(execution_id__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} /hooks/{self.path} → {self.status_code}"


class SeenMessage(models.Model):
    """A message that a trigger has accepted. A repetition gets the same response and starts no execution."""

    id = models.BigAutoField(primary_key=True)
    path = models.CharField(max_length=200)
    """The trigger: the id of its workflow and its own."""
    message_id = models.CharField(max_length=200)
    execution_id = models.UUIDField()
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["path", "message_id"], name="one_message_per_path")]
        indexes = [models.Index(fields=["seen_at"], name="seen_message_old")]

    def __str__(self) -> str:
        return self.message_id
