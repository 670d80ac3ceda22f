"""How many executions of a rate-limited workflow started lately."""

from __future__ import annotations

from django.db import models

from executions.models.workflow import Workflow


class RateBucket(models.Model):
    """Starts in a small part of a workflow's span. Written under admission's lock only, and apart from the workflow's
    row, which saving a workflow locks before streams while admission comes after them."""

    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    began_at = models.DateTimeField()
    starts = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "began_at"], name="one_rate_bucket_per_time")]

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.began_at}: {self.starts}"
