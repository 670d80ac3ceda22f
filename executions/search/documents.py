"""Makes the search documents of ended executions from their rows."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from executions.domain import search_words
from executions.domain.search_words import SearchVector
from workflow_platform.core import exact_json

logger = logging.getLogger(__name__)

MAX_BYTES = 64 * 1024
"""The largest input, or output of a node run, whose words are found."""
MAX_RUNS = 40
"""Node runs of an execution, the last ones, whose outputs are read."""
MAX_TURNS = 5
"""Of a node in a loop, the first runs."""

MOST_WORDS = 10_000
"""PostgreSQL limits a document to 1 MiB."""

_EXECUTIONS = """
SELECT id, workspace_id, workflow_id, CASE WHEN pg_column_size(input) <= %(bytes)s THEN input::text END, error::text
FROM executions_execution WHERE id = ANY(%(ids)s) AND ended_at IS NOT NULL
"""
_NODES = """
SELECT node_id, bool_or(status = 'failed') FROM executions_noderun
WHERE execution_id = %s AND status NOT IN ('skipped', 'pending') AND taken_from IS NULL GROUP BY node_id
"""
_OUTPUTS = """
SELECT output::text FROM executions_noderun
WHERE execution_id = %s AND run_index < %s AND output_bytes BETWEEN 3 AND %s ORDER BY id DESC LIMIT %s
"""
_INSERT = """
INSERT INTO executions_searchdocument (execution_id, document)
SELECT e.id, d.document::tsvector FROM unnest(%s::uuid[], %s::text[]) AS d (id, document)
JOIN executions_execution e ON e.id = d.id
ON CONFLICT (execution_id) DO UPDATE SET document = EXCLUDED.document
"""


def write_documents(ids: Collection[UUID]) -> int:
    """Write the search documents of those executions that have ended. Returns how many. One whose rows cannot be read
    as expected is logged and left out."""
    with connection.cursor() as cursor:
        cursor.execute(_EXECUTIONS, {"ids": list(ids), "bytes": MAX_BYTES})
        rows = cursor.fetchall()
    documents: list[tuple[UUID, str]] = []
    for row in rows:
        try:
            documents.append((row[0], _document(*row)))
        except ValueError:
            logger.exception("execution not indexed for search; it is left out", extra={"execution_id": str(row[0])})
    if documents:
        with connection.cursor() as cursor:
            cursor.execute(_INSERT, [[pk for pk, _ in documents], [text for _, text in documents]])
    return len(documents)


def _document(pk: UUID, workspace: UUID, workflow: UUID, given: str | None, error: str | None) -> str:
    vector = SearchVector(min(settings.SEARCH_MAX_WORDS, MOST_WORDS))
    vector.mark(search_words.in_workspace(workspace))
    with connection.cursor() as cursor:
        cursor.execute(_NODES, [pk])
        for node, failed in cursor.fetchall():
            vector.mark(search_words.node_ran(workflow, node))
            if failed:
                vector.mark(search_words.node_failed(workflow, node))
        if given and len(given) <= MAX_BYTES:
            vector.add(_read(given))
        if error:
            vector.add(_read(error).get("message"))
        cursor.execute(_OUTPUTS, [pk, MAX_TURNS, MAX_BYTES, MAX_RUNS])
        for (output,) in cursor.fetchall():
            if vector.is_full:
                break
            vector.add(_read(output))
    return str(vector)


def _read(text: str) -> Any:
    return exact_json.read(text.encode())
