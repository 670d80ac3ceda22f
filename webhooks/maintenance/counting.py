"""Counts, in one statement, the events of an hour that were due at each endpoint, and their deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import Q

from events.log.partitions import first_id
from webhooks.models import EndpointRevision
from webhooks.outbox.fanout import types_of

HOUR = timedelta(hours=1)
GRACE = timedelta(seconds=5)
"""An event this close to a change of the subscription may be due or not: clocks differ, and transactions overlap."""
MOST_NAMED = 1000
"""Events that are listed per kind of violation and hour of an endpoint; all are counted."""
_NO_END = UUID(int=2**128 - 1)


@dataclass(slots=True)
class EndpointHour:
    """The counts of one hour of an endpoint."""

    endpoint_id: UUID
    matched: int = 0
    """Events that were due and have a delivery."""
    delivered: int = 0
    pending: int = 0
    failed: int = 0
    cancelled: int = 0
    missing: int = 0
    missing_before: int = 0
    """Events without a delivery, up to the last event whose delivery was removed by retention."""
    surplus: int = 0
    doubled: int = 0
    """Duplicate deliveries."""
    missing_ids: list[UUID] = field(default_factory=list)
    surplus_ids: list[UUID] = field(default_factory=list)
    doubled_ids: list[UUID] = field(default_factory=list)


def count(hour: datetime, until: datetime, endpoint_id: UUID | None = None) -> list[EndpointHour]:
    """Count the events from `hour` up to and without `until`, at most an hour, at one endpoint or at all.

    Returns the endpoints with a subscription or deliveries in that time. An event that retention has removed counts as
    due if it has a delivery.
    """
    revisions = _revisions(hour, until, endpoint_id)
    listened = {revision.endpoint_id: EndpointHour(revision.endpoint_id) for revision in revisions}
    values: dict[str, Any] = {
        "listening": orjson.dumps([_listening(revision) for revision in revisions]).decode(),
        "hour": hour,
        "first": first_id(hour),
        "end": first_id(until),
        "near_first": first_id(hour - HOUR),
        "near_end": first_id(until + HOUR),
        "endpoint": endpoint_id,
        "most": MOST_NAMED,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        # With old statistics the planner would expect a few rows in the hour.
        cursor.execute("SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '64MB'")
        cursor.execute(_COUNT, values)
        counted = [EndpointHour(*row) for row in cursor.fetchall()]
        cursor.execute("SET LOCAL enable_nestloop = DEFAULT; SET LOCAL work_mem = DEFAULT")
    return list({**listened, **{each.endpoint_id: each for each in counted}}.values())


def _revisions(hour: datetime, until: datetime, endpoint_id: UUID | None) -> Sequence[EndpointRevision]:
    during = Q(began_at__lt=until + GRACE) & (Q(ended_at__isnull=True) | Q(ended_at__gt=hour - GRACE))
    revisions = EndpointRevision.objects.filter(during, listening=True).select_related("endpoint")
    return list(revisions.filter(endpoint=endpoint_id) if endpoint_id else revisions)


def _listening(revision: EndpointRevision) -> dict[str, Any]:
    ended = revision.ended_at
    return {
        "endpoint": revision.endpoint_id,
        "workspace": revision.endpoint.workspace_id,
        "low": first_id(revision.began_at - GRACE),
        "high": first_id(ended + GRACE) if ended else _NO_END,
        "surely_low": first_id(revision.began_at + GRACE),
        "surely_high": first_id(ended - GRACE) if ended else _NO_END,
        "types": sorted(types_of(orjson.dumps(revision.event_types).decode())),
        "workflow": revision.workflow_id,
    }


# Imported events have no transaction and are not delivered, nor are those of test and debug executions. A delivery
# whose event id is from another time belongs to no event; it is found by its own id.
_COUNT = """
WITH listening AS MATERIALIZED (
 SELECT * FROM jsonb_to_recordset(%(listening)s::jsonb) AS l(endpoint uuid, workspace uuid, low uuid, high uuid,
  surely_low uuid, surely_high uuid, types text[], workflow uuid), unnest(l.types) AS subscribed(type)
), due AS (
 SELECT l.endpoint, e.id AS event, bool_or(e.id >= l.surely_low AND e.id < l.surely_high) AS surely
 FROM events_event e
 JOIN events_stream s ON s.id = e.stream_id AND e.sequence > s.removed_through AND s.mode = 'live'
 JOIN listening l ON l.workspace = e.workspace_id AND e.id >= l.low AND e.id < l.high AND e.type = l.type
  AND (l.workflow IS NULL OR l.workflow = e.workflow_id)
 WHERE e.id >= %(first)s AND e.id < %(end)s AND e.transaction > 0
 GROUP BY 1, 2
), standing AS (
 SELECT endpoint_id, event_id, stream, sequence, status FROM webhooks_delivery
 WHERE origin = 'event' AND event_id >= %(first)s AND event_id < %(end)s
 UNION ALL
 SELECT endpoint_id, COALESCE(event_id, id), '-', 0, status FROM webhooks_delivery
 WHERE origin = 'event' AND id >= %(first)s AND id < %(end)s
  AND (event_id IS NULL OR event_id < %(near_first)s OR event_id >= %(near_end)s)
), made AS (
 SELECT d.endpoint_id AS endpoint, d.event_id AS event, count(*) AS n, min(d.stream) AS stream,
  min(d.sequence) AS sequence,
  count(*) FILTER (WHERE d.status = 'delivered') AS delivered,
  count(*) FILTER (WHERE d.status IN ('pending', 'sending')) AS pending,
  count(*) FILTER (WHERE d.status = 'failed') AS failed,
  count(*) FILTER (WHERE d.status = 'cancelled') AS cancelled
 FROM standing d
 WHERE d.endpoint_id IN (SELECT id FROM webhooks_endpoint WHERE %(endpoint)s::uuid IS NULL OR id = %(endpoint)s::uuid)
 GROUP BY 1, 2
), pair AS (
 SELECT endpoint, event, surely, n, delivered, pending, failed, cancelled,
  n IS NOT NULL AND (surely IS NOT NULL OR (stream <> '-' AND NOT EXISTS (
   SELECT 1 FROM events_stream s WHERE s.name = made.stream AND s.removed_through < made.sequence))) AS stands,
  n IS NULL AND surely AS lacks
 FROM due FULL JOIN made USING (endpoint, event)
), told AS (
 SELECT pair.*, lacks AND (h.removed_to IS NULL OR event > h.removed_to) AS missing
 FROM pair LEFT JOIN webhooks_hourcount h ON h.endpoint_id = pair.endpoint AND h.hour = %(hour)s
)
SELECT endpoint,
 count(*) FILTER (WHERE stands),
 COALESCE(sum(delivered), 0)::bigint, COALESCE(sum(pending), 0)::bigint, COALESCE(sum(failed), 0)::bigint,
 COALESCE(sum(cancelled), 0)::bigint,
 count(*) FILTER (WHERE missing), count(*) FILTER (WHERE lacks AND NOT missing),
 count(*) FILTER (WHERE n IS NOT NULL AND NOT stands),
 COALESCE(sum(n - 1) FILTER (WHERE stands), 0)::bigint,
 COALESCE((array_agg(event ORDER BY event) FILTER (WHERE missing))[1:%(most)s], '{}'),
 COALESCE((array_agg(event ORDER BY event) FILTER (WHERE n IS NOT NULL AND NOT stands))[1:%(most)s], '{}'),
 COALESCE((array_agg(event ORDER BY event) FILTER (WHERE stands AND n > 1))[1:%(most)s], '{}')
FROM told GROUP BY endpoint
"""
