"""Deletes files that no execution uses: unfinished ones, and those whose executions were deleted."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from executions.models import Binary, BinaryChunk

KEPT = timedelta(days=1)
"""How long a file without uses is kept: it may still be written."""
AT_ONCE = 20
BATCHES = 50
"""The maximum number of transactions of one sweep, so that it does not delay the scheduler's other work."""


def sweep() -> int:
    """Delete files without uses that are older than KEPT. Returns the number."""
    count = 0
    for _ in range(BATCHES):
        deleted = _sweep_some()
        count += deleted
        if deleted < AT_ONCE:
            break
    return count


@transaction.atomic
def _sweep_some() -> int:
    unused = Binary.objects.filter(uses=None, created_at__lt=timezone.now() - KEPT).order_by("created_at")
    locked = unused.select_for_update(of=("self",), skip_locked=True)
    # With the lock nobody can add a use. A use that was added before it is seen by this second query.
    ids = [row.pk for row in locked[:AT_ONCE]]
    ids = list(Binary.objects.filter(pk__in=ids, uses=None).values_list("pk", flat=True))
    BinaryChunk.objects.filter(binary__in=ids).delete()
    Binary.objects.filter(pk__in=ids).delete()
    return len(ids)
