"""The digests of the outputs of node runs: those of large outputs are made when they are first asked for."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from executions.domain.digests import digest_of_outputs, workspace_key
from executions.models import Execution, NodeRun

MAX_BYTES = 8 * 2**20
"""The most output that one call reads; at least one node run."""


def ensure_digests(runs: Iterable[NodeRun]) -> None:
    """Make and store the digests of node runs that have an output and no digest, up to MAX_BYTES of output; those of
    further ones stay empty until the next call."""
    left = MAX_BYTES
    for run in runs:
        if run.digest or not run.output_items:
            continue
        if left <= 0:
            return
        left -= run.output_bytes
        output = NodeRun.objects.values_list("output", flat=True).get(pk=run.pk)
        run.digest = digest_of_outputs(output or {})
        # Unless the node run has another output by now, as that of a loop can have.
        unchanged = NodeRun.objects.filter(pk=run.pk, output_bytes=run.output_bytes, output_items=run.output_items)
        unchanged.update(digest=run.digest)


def key_of(execution: Execution) -> bytes:
    """Return the key with which the digests of the execution's workspace are shown."""
    return workspace_key(settings.SECRET_KEY, str(execution.workspace_id))
