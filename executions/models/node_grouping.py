"""How a user has grouped the nodes of a workflow in the monitor."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from executions.models.workflow import Workflow
from workflow_platform.core.identifiers import uuid7


class NodeGrouping(models.Model):
    """A user's own groups of nodes of a workflow, and which groups are collapsed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="+")
    own = models.JSONField(default=list, help_text="[{id, name, nodes}]")
    collapsed = models.JSONField(default=list, help_text="The ids of groups, own and offered.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "user"], name="one_node_grouping_per_user")]

    def __str__(self) -> str:
        return f"{len(self.own)} groups, {len(self.collapsed)} collapsed"
