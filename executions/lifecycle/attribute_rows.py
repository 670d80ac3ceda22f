"""Writes the rows by which executions are found by their attributes."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db import connection


def write_attributes(attributes: Mapping[UUID, Mapping[str, str]]) -> None:
    """Write attributes of executions, in the transaction that sets them on the executions."""
    rows = [(pk, key, value) for pk, values in attributes.items() for key, value in values.items()]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO executions_executionattribute (execution_id, workspace_id, key, value)"
            " SELECT e.id, e.workspace_id, a.key, a.value FROM unnest(%s::uuid[], %s::text[], %s::text[])"
            " AS a (id, key, value) JOIN executions_execution e ON e.id = a.id"
            " ON CONFLICT (execution_id, key) DO UPDATE SET value = EXCLUDED.value"
            " WHERE executions_executionattribute.value <> EXCLUDED.value",
            [[pk for pk, _, _ in rows], [key for _, key, _ in rows], [value for _, _, value in rows]],
        )
