"""Makes the search documents of ended executions from their rows."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
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
MAX_OUTPUT_BYTES = 512 * 1024
"""Of an execution, the last outputs together: a batch of executions is read at once."""
MAX_TURNS = 5
"""Of a node in a loop, the first runs."""

MOST_WORDS = 10_000
"""PostgreSQL limits a document to 1 MiB."""

_EXECUTIONS = """
SELECT id, workspace_id, workflow_id, CASE WHEN pg_column_size(input) <= %(bytes)s THEN input::text END, error::text
FROM executions_execution WHERE id = ANY(%(ids)s) AND ended_at IS NOT NULL
"""
_NODES = """
SELECT execution_id, node_id, bool_or(status = 'failed') FROM executions_noderun
WHERE execution_id = ANY(%s) AND status NOT IN ('skipped', 'pending') AND taken_from IS NULL GROUP BY 1, 2
"""
_OUTPUTS = """
SELECT e.id, r.output::text FROM unnest(%(ids)s::uuid[]) AS e (id) CROSS JOIN LATERAL (
    SELECT last.id, last.output, sum(last.output_bytes) OVER (ORDER BY last.id DESC) AS bytes FROM (
        SELECT id, output, output_bytes FROM executions_noderun
        WHERE execution_id = e.id AND run_index < %(turns)s AND output_bytes BETWEEN 3 AND %(bytes)s
        ORDER BY id DESC LIMIT %(runs)s
    ) AS last
) AS r WHERE r.bytes <= %(total)s ORDER BY r.id DESC
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
        found = [pk for pk, *_ in rows]
        cursor.execute(_NODES, [found])
        nodes = _by_execution(cursor.fetchall())
        limits = {"turns": MAX_TURNS, "bytes": MAX_BYTES, "runs": MAX_RUNS, "total": MAX_OUTPUT_BYTES}
        cursor.execute(_OUTPUTS, {"ids": found, **limits})
        outputs = _by_execution(cursor.fetchall())
    documents: list[tuple[UUID, str]] = []
    for pk, workspace, workflow, given, error in rows:
        try:
            document = _document(workspace, workflow, given, error, nodes[pk], outputs[pk])
        except ValueError:
            logger.exception("execution not indexed for search; it is left out", extra={"execution_id": str(pk)})
        else:
            documents.append((pk, document))
    if documents:
        with connection.cursor() as cursor:
            cursor.execute(_INSERT, [[pk for pk, _ in documents], [text for _, text in documents]])
    return len(documents)


def _by_execution(rows: Iterable[tuple[Any, ...]]) -> dict[UUID, list[tuple[Any, ...]]]:
    """Return the other columns of rows by the first, the execution."""
    found: dict[UUID, list[tuple[Any, ...]]] = defaultdict(list)
    for pk, *values in rows:
        found[pk].append(tuple(values))
    return found


def _document(
    workspace: UUID,
    workflow: UUID,
    given: str | None,
    error: str | None,
    nodes: Iterable[tuple[str, bool]],
    outputs: Iterable[tuple[str]],
) -> str:
    vector = SearchVector(min(settings.SEARCH_MAX_WORDS, MOST_WORDS))
    vector.mark(search_words.in_workspace(workspace))
    for node, failed in nodes:
        vector.mark(search_words.node_ran(workflow, node))
        if failed:
            vector.mark(search_words.node_failed(workflow, node))
    if given and len(given) <= MAX_BYTES:
        vector.add(_read(given))
    if error:
        vector.add(_read(error).get("message"))
    for (output,) in outputs:
        if vector.is_full:
            break
        vector.add(_read(output))
    return str(vector)


def _read(text: str) -> Any:
    return exact_json.read(text.encode())
