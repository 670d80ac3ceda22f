"""Removes deliveries of spans that arrived: there can be one in a second, and retention would count them."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from webhooks.maintenance.cleanup import BATCH, remove_deliveries
from webhooks.models import Delivery, DeliveryStatus, Origin

KEPT = timedelta(hours=1)
"""How long those that arrived are kept. Failed ones stay as long as other deliveries, and can be sent again."""


def remove_old() -> int:
    """Remove the deliveries of spans that arrived a while ago. Returns how many."""
    old = Delivery.objects.filter(
        origin=Origin.TRACE, status=DeliveryStatus.DELIVERED, ended_at__lt=timezone.now() - KEPT
    )
    removed = 0
    while ids := list(old.order_by("ended_at").values_list("pk", flat=True)[:BATCH]):
        if not (count := remove_deliveries(ids)):
            break
        removed += count
    return removed
