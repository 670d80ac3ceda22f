"""Loads stored node runs for a worker that continues their execution. Large outputs stay text.

Parsing large outputs would hold the worker's interpreter lock each time such an execution continues after a wait, so
PostgreSQL splits them into chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from executions.domain.items import CHUNK_BYTES, PACKED_BYTES, SAMPLE_BYTES, SAMPLE_ITEMS, Items, PackedItems, sample_of
from executions.models import NodeRun

_LARGE = """
SELECT run.id, output.key, string_agg(item.value::text, ',' ORDER BY item.position), count(*)
FROM executions_noderun run, json_each(run.output) output,
  json_array_elements(output.value) WITH ORDINALITY item(value, position)
WHERE run.id = ANY(%s)
GROUP BY run.id, output.key, (item.position - 1) * run.output_bytes / (%s::bigint * greatest(run.output_items, 1))
ORDER BY run.id, output.key, min(item.position)
"""


def node_runs(execution_ids: Sequence[UUID]) -> list[NodeRun]:
    """Return the node runs of the executions, in the order in which they were recorded."""
    stored = NodeRun.objects.filter(execution__in=execution_ids)
    runs = list(stored.defer("output").order_by("id"))
    small = dict(stored.filter(output_bytes__lte=PACKED_BYTES).values_list("pk", "output"))
    large = _large([run.pk for run in runs if run.output_bytes > PACKED_BYTES])
    for run in runs:
        run.output = large.get(run.pk, {}) if run.output_bytes > PACKED_BYTES else small.get(run.pk)
    return runs


def _large(ids: list[Any]) -> dict[Any, dict[str, Items]]:
    """Return the outputs of node runs, by id and output."""
    chunks: dict[Any, dict[str, tuple[list[bytes], list[int]]]] = {}
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(_LARGE, [ids, CHUNK_BYTES])
            for run, output, text, count in cursor.fetchall():
                texts, counts = chunks.setdefault(run, {}).setdefault(output, ([], []))
                texts.append(f"[{text}]".encode())
                counts.append(count)
    return {
        run: {output: PackedItems(texts, counts, _sample(texts[0])) for output, (texts, counts) in outputs.items()}
        for run, outputs in chunks.items()
    }


def _sample(chunk: bytes) -> list[dict[str, Any]]:
    """Return the first items of a chunk; none if too much would have to be parsed."""
    return sample_of(orjson.loads(chunk)[:SAMPLE_ITEMS]) if len(chunk) <= CHUNK_BYTES + SAMPLE_BYTES else []
