"""Leases of claimed deliveries: renewed, or released; and the results of scripts, stored.

All of it runs in the caller's transaction and changes a row only while the lease is valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.db import connection

from webhooks.models import Delivery, DeliveryStatus
from webhooks.sending.claimed_delivery import ClaimedDelivery
from webhooks.transforms import TransformResult


def release(claimed: Sequence[ClaimedDelivery]) -> None:
    """Make deliveries pending again that were claimed and not attempted. The claim does not count as an attempt."""
    if not claimed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH locked AS (SELECT d.id FROM webhooks_delivery d"
            "  JOIN unnest(%s::uuid[], %s::int[]) AS n(id, token) ON n.id = d.id AND n.token = d.lease_token"
            "  WHERE d.status = 'sending' ORDER BY d.id FOR NO KEY UPDATE OF d)"
            " UPDATE webhooks_delivery d SET attempts_made = d.attempts_made - 1, lease_expires_at = NULL,"
            " status = CASE WHEN d.cancel_requested THEN 'cancelled' ELSE 'pending' END,"
            " error = CASE WHEN d.cancel_requested THEN 'Cancelled.' ELSE d.error END,"
            " ended_at = CASE WHEN d.cancel_requested THEN clock_timestamp() END"
            " FROM locked WHERE d.id = locked.id",
            [[each.id for each in claimed], [each.lease_token for each in claimed]],
        )


def renew(claimed: Sequence[ClaimedDelivery]) -> set[UUID]:
    """Renew leases. Returns the deliveries whose lease was still valid."""
    if not claimed:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH locked AS (SELECT d.id FROM webhooks_delivery d"
            "  JOIN unnest(%s::uuid[], %s::int[]) AS n(id, token) ON n.id = d.id AND n.token = d.lease_token"
            "  WHERE d.status = 'sending' ORDER BY d.id FOR NO KEY UPDATE OF d)"
            " UPDATE webhooks_delivery d SET lease_expires_at = clock_timestamp() + make_interval(secs => %s)"
            " FROM locked WHERE d.id = locked.id RETURNING d.id",
            [[each.id for each in claimed], [each.lease_token for each in claimed], settings.LEASE_SECONDS],
        )
        return {pk for (pk,) in cursor.fetchall()}


def store_transforms(transformed: Sequence[tuple[ClaimedDelivery, TransformResult | None]]) -> None:
    """Store the results of scripts, so that every attempt sends the same."""
    for claimed, result in transformed:
        own = Delivery.objects.filter(pk=claimed.id, lease_token=claimed.lease_token, status=DeliveryStatus.SENDING)
        if result is None:
            own.update(prepared=True)
            continue
        own.update(
            prepared=True, body=result.body, content_type=result.content_type, options=result.within(claimed.options),
            method=result.method or claimed.verb,
        )  # fmt: skip
