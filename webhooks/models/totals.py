"""What retention has removed, for figures that count since the beginning."""

from __future__ import annotations

from django.db import models


class RemovedTotals(models.Model):
    """The one row that says how many rows of each kind retention has removed."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    deliveries = models.PositiveBigIntegerField(default=0)
    delivered = models.PositiveBigIntegerField(default=0, help_text="Attempts that delivered.")
    failed = models.PositiveBigIntegerField(default=0, help_text="Attempts after which a delivery failed for good.")
    retries = models.PositiveBigIntegerField(default=0, help_text="Attempts after the first one of their delivery.")
    inbound = models.PositiveBigIntegerField(default=0)
    cleaned_at = models.DateTimeField(null=True)
    report = models.JSONField(default=dict, help_text="What the last cleanup removed.")

    class Meta:
        verbose_name_plural = "removed totals"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_row_of_removed_totals")]

    def __str__(self) -> str:
        return f"{self.deliveries} deliveries removed"
