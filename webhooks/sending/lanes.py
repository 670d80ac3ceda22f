"""Creates lanes with their endpoints, resets them, and creates missing ones."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from django.db import connection, transaction

from webhooks.models import Delivery, Endpoint, Lane

CAREFUL_WINDOW = 1.0


def open_lane(endpoint: Endpoint) -> Lane:
    """Create the lane of an endpoint. An existing lane stays unchanged."""
    return Lane.objects.get_or_create(
        pk=endpoint.pk, defaults={"endpoint": endpoint, "workspace_id": endpoint.workspace_id}
    )[0]


def reset_lane(endpoint_id: UUID) -> None:
    """Reset the health of a lane, with a window of 1: after a pause, or when an endpoint is enabled again."""
    Lane.objects.filter(endpoint_id=endpoint_id).update(
        window=CAREFUL_WINDOW,
        failures=0,
        failing_since=None,
        open_until=None,
        opened_times=0,
        not_before=None,
        slow_ms=0,
    )


@transaction.atomic
def open_missing_lanes() -> int:
    """Create missing lanes of pending deliveries, and cancel deliveries whose endpoint was deleted.

    Returns how many lanes were missing.
    """
    with connection.cursor() as cursor:
        cursor.execute(_MISSING)
        missing: list[tuple[UUID, UUID, UUID | None, str, datetime]] = cursor.fetchall()
    for lane_id, workspace_id, endpoint_id, url, now in missing:
        if endpoint_id is None:
            parts = urlsplit(url)
            Lane.objects.get_or_create(pk=lane_id, defaults={"workspace_id": workspace_id, "host": parts.netloc[-300:]})
        elif (endpoint := Endpoint.objects.filter(pk=endpoint_id, deleted_at=None).first()) is not None:
            open_lane(endpoint)
        else:
            Delivery.objects.filter(lane_id=lane_id, status="pending").update(
                status="cancelled", ended_at=now, error="The endpoint was deleted."
            )
    return len(missing)


_MISSING = """
WITH RECURSIVE ids(lane_id) AS (
  (SELECT lane_id FROM webhooks_delivery WHERE status = 'pending' ORDER BY lane_id LIMIT 1)
  UNION ALL
  (SELECT next.lane_id FROM ids, LATERAL (
     SELECT d.lane_id FROM webhooks_delivery d WHERE d.status = 'pending' AND d.lane_id > ids.lane_id
     ORDER BY d.lane_id LIMIT 1) next)
)
SELECT d.lane_id, d.workspace_id, d.endpoint_id, d.url, clock_timestamp() FROM ids, LATERAL (
  SELECT * FROM webhooks_delivery d WHERE d.status = 'pending' AND d.lane_id = ids.lane_id LIMIT 1) d
WHERE NOT EXISTS (SELECT 1 FROM webhooks_lane l WHERE l.id = ids.lane_id) LIMIT 100
"""
