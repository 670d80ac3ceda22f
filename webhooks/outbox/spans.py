"""Deliveries of spans to the operator's collector. They belong to the installation: no workspace sees them.

A row has neither the collector's address nor its headers: `sending.collector` reads them from the settings for each
attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid5

from django.db import transaction
from django.utils import timezone

from webhooks import dispatcher
from webhooks.models import Delivery, Lane, Origin, Rank
from webhooks.outbox.ad_hoc import INSTALLATION
from webhooks.retry_schedule import RetryPolicy

LANE = uuid5(INSTALLATION, "collector of traces")
DELAYS_SECONDS = [1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0] + [300.0] * 12 + [1_800.0] * 10 + [7_200.0] * 19
"""About 44 hours of attempts. While the collector is away, the circuit breaker lets only one delivery in five minutes
try, so that the others have nearly all attempts left when it is back."""
RETRIES = RetryPolicy(preset="custom", delays_seconds=DELAYS_SECONDS)
EVENT_TYPE = "spans"


@transaction.atomic
def create_for_collector(batches: Sequence[str]) -> list[Delivery]:
    """Create a delivery for each batch: an ExportTraceServiceRequest as OTLP JSON. Runs in the caller's transaction."""
    now = timezone.now()
    if not batches:
        return []
    Lane.objects.bulk_create([Lane(id=LANE, host="collector of traces")], ignore_conflicts=True)
    rows = [
        Delivery(
            lane_id=LANE,
            origin=Origin.TRACE,
            rank=Rank.LOW,
            due_at=now,
            event_type=EVENT_TYPE,
            options={"retry_policy": RETRIES.model_dump(exclude_defaults=True)},
            content_type="application/json",
            body=batch,
            prepared=True,
            created_at=now,
        )
        for batch in batches
    ]
    Delivery.objects.bulk_create(rows)
    dispatcher.wake_on_commit()
    return rows
