"""The recorder's SQL: many rows in one statement, without the ORM's cost per row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

import orjson
from psycopg.types.json import Json, set_json_dumps

from executions.domain.digests import AT_ONCE_BYTES, digest_of_outputs
from executions.domain.items import fragment
from executions.models import NodeRun
from workflow_platform.core import exact_json
from workflow_platform.core.postgresql import prepared

set_json_dumps(exact_json.write)

_FIELDS = NodeRun._meta.concrete_fields
_COLUMNS = [str(field.column) for field in _FIELDS]
_columns_of = attrgetter(*(field.attname for field in _FIELDS))
_KEY = {"id", "execution_id", "node_id", "run_index"}
# All rows are sent as one JSON text: in arrays, each value would be quoted separately.
_UPSERT = (
    f"INSERT INTO executions_noderun ({', '.join(_COLUMNS)})"  # noqa: S608 - names of our own columns
    f" SELECT {', '.join(_COLUMNS)} FROM json_populate_recordset(NULL::executions_noderun, %s::json)"
    " ON CONFLICT (execution_id, node_id, run_index) DO UPDATE SET "
    + ", ".join(f"{c} = EXCLUDED.{c}" for c in _COLUMNS if c not in _KEY)
)


def upsert_node_runs(runs: Sequence[NodeRun]) -> None:
    """Insert the node runs, or update those that exist."""
    if not runs:
        return
    for run in runs:
        if run.output and not run.digest and run.output_bytes <= AT_ONCE_BYTES:
            run.digest = digest_of_outputs(run.output)
    values = [dict(zip(_COLUMNS, _columns_of(run), strict=True)) for run in runs]
    prepared.fetch(_UPSERT, [orjson.dumps(values, default=fragment).decode()])


_EXPRESSIONS = {
    # A wait may have been resolved in the meantime.
    "resume_by": "resume_at = LEAST(resume_at, %s::timestamptz)",
    # The pause may have been withdrawn in the meantime; waits resolved until now are read when the execution resumes.
    "resume_unless_paused": "resume_at = CASE WHEN pause_request IS NULL THEN %s::timestamptz END",
}


def update_executions(fields: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Set columns of executions: `{id: {column: value}}`. A name of `_EXPRESSIONS` may be used instead of a column."""
    by_columns: dict[tuple[str, ...], list[list[Any]]] = {}
    for execution_id, values in fields.items():
        row = [Json(v) if isinstance(v, dict) else v for v in values.values()]
        by_columns.setdefault(tuple(values), []).append([*row, execution_id])
    for columns, parameters in by_columns.items():
        parts = [_EXPRESSIONS.get(c, f"{c} = %s") for c in columns]
        statement = f"UPDATE executions_execution SET {', '.join(parts)} WHERE id = %s"  # noqa: S608
        prepared.run_each(statement, parameters)
