"""The child executions that a node run starts for its items, one for each."""

from __future__ import annotations

from django.db import models

from executions.models.execution import Execution
from executions.models.node_run import NodeRun
from workflow_platform.core.accounts.models import WorkspaceScopedQuerySet
from workflow_platform.core.ordered_json import OrderedJSONField


class ItemChildQuerySet(WorkspaceScopedQuerySet["ItemChild"]):
    workspace_path = "node_run__execution__workspace"


class ItemChild(models.Model):
    """The child execution of one item in one attempt of a node run: planned, then started, then ended.

    All are planned in one transaction, so that a crash neither loses one nor starts one twice.
    """

    node_run = models.ForeignKey(NodeRun, on_delete=models.CASCADE, related_name="item_children", db_index=False)
    attempt = models.PositiveIntegerField()
    item = models.PositiveIntegerField(help_text="The number of the input item, from 0.")
    workflow_id = models.UUIDField(help_text="The workflow to start.")
    input = OrderedJSONField(null=True, help_text="The item, until its child starts.")
    child = models.ForeignKey(Execution, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(
        null=True, help_text="When the child ended, or could not start. If nothing waits for it, when it started."
    )
    outcome = OrderedJSONField(null=True, help_text="How the child ended, until the node run ends.")

    objects = ItemChildQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["node_run", "attempt", "item"], name="one_child_per_item_and_attempt"),
        ]
        indexes = [
            models.Index(
                fields=["node_run", "attempt", "item"],
                name="item_child_planned",
                condition=models.Q(started_at__isnull=True, ended_at__isnull=True),
            ),
            models.Index(fields=["child"], name="item_child_started", condition=models.Q(child__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"item {self.item}, attempt {self.attempt}"
