"""Workflows and their immutable versions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Cast
from django.utils import timezone

from events.log.models import Stream
from workflow_platform.core.accounts.models import Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.ordered_json import OrderedJSONField


class NoSuchWorkflow(Exception):
    """The workspace has no workflow with the id or name, or several with the name."""


class WorkflowQuerySet(WorkspaceScopedQuerySet["Workflow"]):
    def named(self, workspace_id: UUID, text: str) -> Workflow:
        """Return the workflow with the id, or the unique name, `text`. Raises NoSuchWorkflow."""
        workflows = self.filter(workspace=workspace_id, deleted_at__isnull=True).select_related("latest_version")
        try:
            rows = list(workflows.filter(pk=UUID(text)))
        except ValueError:
            rows = list(workflows.filter(name=text)[:2])
        if len(rows) > 1:
            raise NoSuchWorkflow(f"Several workflows of this workspace have the name {text!r}. Use the id instead.")
        if not rows:
            raise NoSuchWorkflow(f"This workspace has no workflow with the id or name {text!r}.")
        return rows[0]


class Workflow(models.Model):
    """A named definition, owned by a workspace. Its graph is in its versions."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="workflows")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, max_length=10_000)
    active = models.BooleanField(default=False, help_text="Whether its triggers (webhook, schedule) are active.")
    latest_version = models.ForeignKey("WorkflowVersion", null=True, on_delete=models.RESTRICT, related_name="+")
    stream = models.OneToOneField(Stream, on_delete=models.PROTECT, related_name="+")
    # The limits from the latest version's settings, in columns that admission can join.
    max_concurrent = models.PositiveIntegerField(null=True, help_text="Executions that may run at a time.")
    max_concurrent_per_key = models.PositiveIntegerField(
        null=True, help_text="Executions that may run at a time for each key."
    )
    rate_limit = models.PositiveIntegerField(null=True, help_text="Starts in any `rate_seconds`.")
    rate_seconds = models.FloatField(null=True)
    created_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = WorkflowQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        indexes = [models.Index(fields=["workspace", "-updated_at"])]

    def __str__(self) -> str:
        return self.name


class WorkflowVersionQuerySet(WorkspaceScopedQuerySet["WorkflowVersion"]):
    workspace_path = "workflow__workspace"


NAMED_PATHS = models.Func(
    Cast("nodes", models.JSONField()), models.Value("$[*].parameters.path"), function="jsonb_path_query_array"
)
"""The values of the parameter `path` of a version's nodes."""


class WorkflowVersionImmutable(Exception):
    """A workflow version never changes; create a new version instead."""


class WorkflowVersion(models.Model):
    """The graph of a workflow that executions are pinned to. Never changes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    nodes = OrderedJSONField()
    edges = OrderedJSONField()
    settings = OrderedJSONField(default=dict)
    created_by = models.ForeignKey(
        django_settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = WorkflowVersionQuerySet.as_manager()

    class Meta:
        ordering = ["workflow", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["workflow", "number"], name="one_version_per_number"),
        ]
        # The workflows with a path, also inactive ones (test URL); WebhookRoute has the active ones.
        indexes = [GinIndex(NAMED_PATHS, name="workflowversion_paths")]

    def __str__(self) -> str:
        return f"{self.workflow} v{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise WorkflowVersionImmutable(WorkflowVersionImmutable.__doc__)
        super().save(*args, **kwargs)

    @property
    def timezone(self) -> str:
        """Return the IANA name of the zone for `$now`, dates without an offset and schedules without a time zone."""
        return str(self.settings.get("timezone") or django_settings.WORKFLOW_TIME_ZONE)


class WebhookRoute(models.Model):
    """A path under /hooks/ that is reserved for a workspace, and the active trigger that responds to it, if any.

    It exists as long as a workflow that was active with it (`WebhookClaim`).
    """

    path = models.CharField(max_length=300, primary_key=True, help_text="The part of the URL after /hooks/.")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    trigger_path = models.CharField(max_length=200, help_text="The path that its trigger sets.")
    workflow = models.ForeignKey(Workflow, null=True, on_delete=models.SET_NULL, related_name="routes")
    node_id = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "trigger_path"], name="one_webhook_path_per_trigger_path"),
        ]

    def __str__(self) -> str:
        return f"/hooks/{self.path}"


class WebhookClaim(models.Model):
    """A workflow that was active with a path. The path stays reserved until the workflow is deleted."""

    route = models.ForeignKey(WebhookRoute, on_delete=models.CASCADE, related_name="claims")
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="claims")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["route", "workflow"], name="one_claim_per_path_and_workflow"),
        ]

    def __str__(self) -> str:
        return f"{self.route} of {self.workflow}"
