"""Adds up the totals of connections that have ended, so that a scrape reads few rows."""

from __future__ import annotations

from django.db import connection

_ADD_UP = """
WITH ended AS (
  DELETE FROM webhooks_deliverytotal t
  WHERE backend <> 0 AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.pid = t.backend) RETURNING name, count
)
INSERT INTO webhooks_deliverytotal AS t (backend, name, count)
SELECT 0, name, sum(count) FROM ended GROUP BY name ORDER BY name
ON CONFLICT (backend, name) DO UPDATE SET count = t.count + EXCLUDED.count
"""


def add_up_ended() -> None:
    """Add the totals of ended connections to those of backend 0."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD_UP)
