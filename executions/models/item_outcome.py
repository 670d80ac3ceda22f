"""What came of the items of node runs that have not ended."""

from __future__ import annotations

from django.db import models

from executions.models.node_run import NodeRun
from workflow_platform.core.accounts.models import WorkspaceScopedQuerySet


class ItemOutcomeQuerySet(WorkspaceScopedQuerySet["ItemOutcome"]):
    workspace_path = "node_run__execution__workspace"


class ItemOutcome(models.Model):
    """The outcome of one item of a node run that acts outside of the platform, so that neither a retry nor a crash
    repeats the item. Deleted when the node run ends, whose output then holds the outcomes."""

    node_run = models.ForeignKey(NodeRun, on_delete=models.CASCADE, related_name="item_outcomes", db_index=False)
    item = models.PositiveIntegerField(help_text="The number of the input item, from 0.")
    outcome = models.TextField(help_text='JSON: {"outputs": {output: [item]}} or {"error": {…}}.')

    objects = ItemOutcomeQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node_run", "item"], name="one_outcome_per_item")]

    def __str__(self) -> str:
        return f"item {self.item}"
