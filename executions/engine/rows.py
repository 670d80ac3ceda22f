"""The recorder's SQL: many rows in one statement, without the ORM's cost per row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from psycopg.types.json import Jsonb, set_json_dumps

from executions.models import NodeRun

set_json_dumps(orjson.dumps)

_FIELDS = NodeRun._meta.concrete_fields
_COLUMNS = [str(field.column) for field in _FIELDS]
_JSON = {"inputs", "output", "error"}
_KEY = {"id", "execution_id", "node_id", "run_index"}
_TYPES = {
    str(field.column): "text" if field.column in _JSON else str(field.db_type(connection)).split(" CHECK")[0]
    for field in _FIELDS
}
_UPSERT = (
    f"INSERT INTO executions_noderun ({', '.join(_COLUMNS)})"  # noqa: S608 - names of our own columns
    f" SELECT {', '.join(f'{c}::jsonb' if c in _JSON else c for c in _COLUMNS)}"
    f" FROM unnest({', '.join(f'%s::{_TYPES[c]}[]' for c in _COLUMNS)}) AS t({', '.join(_COLUMNS)})"
    " ON CONFLICT (execution_id, node_id, run_index) DO UPDATE SET "
    + ", ".join(f"{c} = EXCLUDED.{c}" for c in _COLUMNS if c not in _KEY)
)


def upsert_node_runs(runs: Sequence[NodeRun]) -> None:
    """Insert the node runs, or bring those that are there up to date."""
    if not runs:
        return
    values = [[_column_value(field.attname, run) for run in runs] for field in _FIELDS]
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, values)


def _column_value(name: str, run: NodeRun) -> Any:
    value = getattr(run, name)
    if name not in _JSON or value is None:
        return value
    return orjson.dumps(value).decode()


_SETS = {
    # What is waited for may have come in the meantime.
    "resume_by": "resume_at = LEAST(resume_at, %s)",
    # The pause may have been taken back in the meantime; what has come until now is found when it goes on.
    "resume_unless_paused": "resume_at = CASE WHEN pause_request IS NULL THEN %s END",
}


def update_executions(fields: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Set columns of executions: `{id: {column: value}}`. Besides columns there are the names of `_SETS`."""
    by_columns: dict[tuple[str, ...], list[list[Any]]] = {}
    for execution_id, values in fields.items():
        row = [Jsonb(v) if isinstance(v, dict) else v for v in values.values()]
        by_columns.setdefault(tuple(values), []).append([*row, execution_id])
    with connection.cursor() as cursor:
        for columns, found in by_columns.items():
            parts = [_SETS.get(c, f"{c} = %s") for c in columns]
            statement = f"UPDATE executions_execution SET {', '.join(parts)} WHERE id = %s"  # noqa: S608
            cursor.executemany(statement, found)
