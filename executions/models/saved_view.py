"""Saved views of the list of executions: filters and order under a name."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from workflow_platform.core.accounts.models import User, Workspace, WorkspaceScopedQuerySet
from workflow_platform.core.identifiers import uuid7


class SavedViewQuerySet(WorkspaceScopedQuerySet["SavedView"]):
    def readable_by(self, user: User) -> SavedViewQuerySet:
        """Return the user's own views, and the shared ones of the user's workspaces."""
        return self.visible_to(user).filter(models.Q(owner=user.pk) | models.Q(shared=True))


class SavedView(models.Model):
    """A query of the list of executions under a name. A shared one is shown to all members of its workspace."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    query = models.TextField(max_length=2000, blank=True, help_text="The query of the page, without its position.")
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "owner", "name"], name="one_saved_view_per_name"),
        ]

    def __str__(self) -> str:
        return self.name
