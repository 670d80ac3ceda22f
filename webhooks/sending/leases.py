"""Deliveries that this process has claimed: held for longer, given back, or kept as scripts have made them. All of it
in the caller's transaction, and only while the lease holds."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.db import connection

from webhooks.models import Delivery, DeliveryStatus
from webhooks.sending.message import Claimed
from webhooks.transforms import Prepared


def give_back(claimed: Sequence[Claimed]) -> None:
    """Make deliveries pending again that were claimed and not sent, as if nothing had been."""
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


def renew(claimed: Sequence[Claimed]) -> set[UUID]:
    """Hold deliveries for longer. Returns those whose lease still held."""
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


def keep_prepared(prepared: Sequence[tuple[Claimed, Prepared | None]]) -> None:
    """Keep what scripts made of deliveries, so that every attempt sends the same."""
    for claimed, made in prepared:
        own = Delivery.objects.filter(pk=claimed.id, lease_token=claimed.lease_token, status=DeliveryStatus.SENDING)
        if made is None:
            own.update(prepared=True)
            continue
        own.update(
            prepared=True, body=made.body, content_type=made.content_type, options=made.within(claimed.options),
            method=made.method or claimed.verb,
        )  # fmt: skip
