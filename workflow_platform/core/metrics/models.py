"""What the counters of processes have reached, so that no restart and no lost Redis lowers a total."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class ProcessMetrics(models.Model):
    """The latest known report of a process. The row with the id `REMAINDER` has the sum of the folded ones."""

    id = models.UUIDField(primary_key=True, editable=False)
    kind = models.CharField(max_length=20, help_text="web, worker or scheduler; empty: the remainder.")
    host = models.CharField(max_length=200)
    sequence = models.BigIntegerField(help_text="The number of the report: a later one replaces an earlier one.")
    cumulative = models.JSONField(help_text="Counters and histograms: {series: [numbers]}.")
    seen_at = models.DateTimeField(db_default=Now(), help_text="When a new report was last read.")
    folded = models.BooleanField(
        default=False, db_default=False, help_text="Added to the remainder. Later reports with this id do not count."
    )

    class Meta:
        verbose_name_plural = "process metrics"
        indexes = [models.Index(fields=["seen_at"], name="process_metrics_seen")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
