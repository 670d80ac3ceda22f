"""The keys of the attributes of executions, as suggestions."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import connection

MOST_KEYS = 50

# The index is walked from key to key, however many executions have each.
_KEYS = """
WITH RECURSIVE known (workspace_id, key) AS (
  SELECT w.id, (SELECT min(key) FROM executions_executionattribute WHERE workspace_id = w.id)
  FROM unnest(%s::uuid[]) AS w (id)
  UNION ALL
  SELECT known.workspace_id,
    (SELECT min(a.key) FROM executions_executionattribute a WHERE a.workspace_id = known.workspace_id AND a.key > known.key)
  FROM known WHERE known.key IS NOT NULL
)
SELECT key FROM (SELECT key FROM known WHERE key IS NOT NULL LIMIT %s) found GROUP BY key ORDER BY key
"""  # noqa: E501


def attribute_keys(workspaces: Sequence[UUID]) -> list[str]:
    """Return the keys in use in the workspaces, at most MOST_KEYS."""
    with connection.cursor() as cursor:
        cursor.execute(_KEYS, [list(workspaces), MOST_KEYS])
        return [key for (key,) in cursor.fetchall()]
