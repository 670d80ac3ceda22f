"""The ends of child executions of items: each is recorded once, and starts the next child or resumes the parent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from events import log
from executions import lifecycle
from executions.domain.statuses import ExecutionStatus
from executions.lifecycle.base import OUTSIDE
from executions.models import Execution, ItemChild, Wait
from executions.nodes.children import Outcome
from executions.waits.child_counts import counts_of, locked_parent, record_end, room, save_counts
from executions.waits.item_children import start_planned

logger = logging.getLogger(__name__)

BATCH = 500
PROGRESS_STEPS = 100
"""About the most reports of the progress of a node run."""


def child_has_ended(child: Execution, outcome_of: Callable[[Execution, UUID], Outcome]) -> None:
    """Record the end of an execution that was started for an item, and start the next one. May be called again.
    `outcome_of` returns its outcome for the parent with this id."""
    row = ItemChild.objects.select_related("node_run").only("attempt", "ended_at", *_OF_RUN).filter(child=child).first()
    if row is None:
        return
    run = row.node_run
    if row.ended_at is None:
        _record(row.pk, run.execution_id, outcome_of(child, run.execution_id))
    attempt = {"node_id": run.node_id, "run_index": run.run_index, "attempt": row.attempt}
    unresolved = Wait.objects.filter(execution=run.execution_id, children__isnull=False, resolved_at=None, **attempt)
    for wait_id in list(unresolved.values_list("pk", flat=True)):
        start_planned(wait_id)


_OF_RUN = ("node_run__execution_id", "node_run__node_id", "node_run__run_index")


@transaction.atomic
def _record(row_id: int, parent_id: UUID, outcome: Outcome) -> None:
    parent = locked_parent(parent_id)
    row = ItemChild.objects.select_for_update(of=("self",)).select_related("node_run").defer(*_LARGE).get(pk=row_id)
    if row.ended_at is not None:
        return
    run = row.node_run
    attempt = {"node_id": run.node_id, "run_index": run.run_index, "attempt": row.attempt}
    wait = Wait.objects.select_for_update().filter(execution=parent, children__isnull=False, **attempt).first()
    record_end(row, wait, outcome)
    if run.ended_at is not None:
        row.outcome = None  # no longer read
    row.save(update_fields=["ended_at", "outcome"])
    if wait is None:
        return
    if wait.resolved_at is None and not ExecutionStatus(parent.status).ended:
        _report_progress(parent, wait)
    save_counts(wait)


_LARGE = ("node_run__output", "node_run__inputs", "node_run__lineage", "node_run__exchange")


def _report_progress(parent: Execution, wait: Wait) -> None:
    """Append an event about a hundred times in all; the end of the node run reports the last ones."""
    counts = counts_of(wait)
    step = max(1, counts["total"] // PROGRESS_STEPS)
    if counts["ended"] % step or counts["ended"] == counts["total"]:
        return
    items = {"node": wait.node_id, "run_index": wait.run_index, "total": counts["total"]}
    items |= {"completed": counts["ended"], "failed": counts["failed"]}
    log.append([lifecycle.event(parent, "progress", _progress(parent) | {"items": items}, OUTSIDE)])


def _progress(parent: Execution) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE NOT busy), count(*) FILTER (WHERE busy) FROM (SELECT bool_or(ended_at IS"
            " NULL) AS busy FROM executions_noderun WHERE execution_id = %s GROUP BY node_id) AS nodes",
            [parent.pk],
        )
        done, busy = cursor.fetchone()
    return {"completed": done, "total": parent.nodes_total, "in_progress": busy, "estimated_remaining_ms": None}


def cancel_children(execution: Execution, reason: str) -> None:
    """Cancel the children of items that a node run of this execution waited for."""
    running = ItemChild.objects.filter(node_run__execution=execution, child__isnull=False, ended_at=None)
    for row in running.select_related("child").defer("child__input", "child__response").order_by("pk"):
        if row.child is not None:
            lifecycle.request_cancel(row.child, reason=reason)


def sweep() -> int:
    """Start children that may start and that nothing starts: their parent was paused, or a process died. Returns the
    number of parents' waits."""
    waiting = Wait.objects.filter(children__isnull=False, resolved_at=None)
    waiting = waiting.filter(execution__ended_at=None, execution__pause_request__isnull=True)
    count = 0
    for wait in waiting.only("children", "resolved_at").order_by("pk")[:BATCH]:
        if room(wait) > 0:
            count += 1
            try:
                start_planned(wait.pk)
            except Exception:
                logger.exception("children of items not started; the next sweep tries again")
    return count
