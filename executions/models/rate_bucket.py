"""The recent starts of rate-limited workflows."""

from __future__ import annotations

from django.db import models

from executions.models.workflow import Workflow


class RateBucket(models.Model):
    """Starts in a small part of a workflow's span. Written only under the admission lock. A separate table: saving a
    workflow locks its row before streams, while admission runs after them."""

    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    began_at = models.DateTimeField()
    starts = models.PositiveIntegerField(help_text="Of live executions.")
    test_starts = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Of test and debug executions, which count only for each other."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "began_at"], name="one_rate_bucket_per_time")]

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.began_at}: {self.starts}"
