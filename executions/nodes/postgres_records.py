"""What is recorded of the statements of the postgres node, and of the errors of its server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from executions.domain.digests import digest_of
from executions.nodes.exchanges import SentData
from executions.nodes.postgres_connection import PostgresTarget
from executions.nodes.responses import response_of
from workflow_platform.core import exact_json

if TYPE_CHECKING:
    from executions.nodes.postgres import PostgresParameters

RECORDED_ROWS = 50
"""The rows of a result that are recorded, as far as the limits of an exchange go."""


def statement_of(target: PostgresTarget, parameters: PostgresParameters) -> SentData:
    """Return the statement of one item. Its digest is that of the database, the query and all values."""
    content = {
        "server": f"{target.host}:{target.port}",
        "database": target.dbname,
        "query": parameters.query,
        "parameters": parameters.parameters,
        "read_only": parameters.read_only,
    }
    return SentData(content, digest_of(exact_json.normal(content)))


def server_error(error: psycopg.Error) -> dict[str, Any] | None:
    """Return what the server said, with its SQLSTATE as the status; None if it did not say anything."""
    if not error.sqlstate:
        return None
    said = error.diag
    lines = {
        said.severity or "ERROR": said.message_primary,
        "DETAIL": said.message_detail,
        "HINT": said.message_hint,
        "POSITION": said.statement_position,
        "CONTEXT": said.context,
    }
    text = "\n".join(f"{name}: {line}" for name, line in lines.items() if line)
    return response_of(error.sqlstate, {}, text.encode(errors="replace"))
