"""Data that code keeps from one execution of a workflow to the next."""

from __future__ import annotations

from django.db import models

from executions.models.workflow import Workflow
from workflow_platform.core.accounts.models import WorkspaceScopedQuerySet


class StaticDataQuerySet(WorkspaceScopedQuerySet["StaticData"]):
    workspace_path = "workflow__workspace"


class StaticData(models.Model):
    """The static data of a workflow, or of one of its nodes. Written in the transaction that ends a node run."""

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="static_data", db_index=False)
    node_id = models.CharField(max_length=100, blank=True, help_text="Empty: the data of the whole workflow.")
    data = models.TextField(help_text="A JSON object.")
    updated_at = models.DateTimeField()

    objects = StaticDataQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "node_id"], name="one_static_data_per_node")]

    def __str__(self) -> str:
        return self.node_id or "global"
