"""What was counted since the beginning, for counters that retention must not shrink."""

from __future__ import annotations

from django.db import models


class DeliveryTotal(models.Model):
    """How many rows of a kind a connection to the database has written: deliveries, attempts, inbound requests.

    Triggers of migration 0009 count every INSERT in its own transaction. Each connection has rows of its own, so that
    none waits for another; those of connections that have ended are added up in backend 0 (`maintenance.totals`).
    """

    pk = models.CompositePrimaryKey("backend", "name")
    backend = models.IntegerField(help_text="The server process of the connection; 0: of those that have ended.")
    name = models.CharField(max_length=30)
    count = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"{self.name}: {self.count} of {self.backend}"
