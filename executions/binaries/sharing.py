"""Lets further executions use a file: reruns, sub-workflows and their parents. No content is copied."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from django.db import connection

from executions.models import Binary, BinaryUse

# A file is locked before its use is written: the sweep either sees the use or does not get the file.
_COPY = """
INSERT INTO executions_binaryuse (execution_id, binary_id)
SELECT new.id, used.binary_id
FROM unnest(%s::uuid[], %s::uuid[]) AS new(id, old_id)
JOIN executions_binaryuse used ON used.execution_id = new.old_id
JOIN executions_binary file ON file.id = used.binary_id
WHERE %s::uuid[] IS NULL OR used.binary_id = ANY(%s::uuid[])
ORDER BY used.binary_id FOR KEY SHARE OF file
ON CONFLICT DO NOTHING
"""


def copy_uses(pairs: Sequence[tuple[UUID, UUID]]) -> None:
    """Let each new execution use all files of its old one: pairs of (new, old)."""
    if pairs:
        _copy(pairs, None)


def share(source: UUID, target: UUID, references: Collection[UUID]) -> None:
    """Let `target` use those of the files that `source` uses."""
    if references:
        _copy([(target, source)], list(references))


def _copy(pairs: Sequence[tuple[UUID, UUID]], references: list[UUID] | None) -> None:
    new, old = zip(*pairs, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_COPY, [list(new), list(old), references, references])


def adopt(execution_id: UUID, workspace_id: UUID, references: Collection[UUID]) -> None:
    """Let an execution use new complete files that no execution uses yet, such as those of the request that starts
    it."""
    files = Binary.objects.filter(pk__in=references, workspace=workspace_id, size__isnull=False, uses=None)
    locked = list(files.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))
    BinaryUse.objects.bulk_create([BinaryUse(execution_id=execution_id, binary_id=pk) for pk in locked])
