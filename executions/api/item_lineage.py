"""Reads where the items of a node run came from and where they went, for `…/output/?lineage=true`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import QuerySet

from executions.domain.ancestry import Line
from executions.domain.item_links import Links, consumers_of, destinations_of, lines_of, origins_of
from executions.domain.stored_ancestry import StoredRun
from executions.models import Execution, NodeRun

MOST_LINKS = 10_000
"""The most origins, and the most destinations, in one answer."""
MOST_RUNS = 10_000
"""The most runs of a node that are searched for the items."""
MOST_CONSUMERS = 200
"""The most node runs whose lineage is read to find destinations."""


def item_lineage(execution: Execution, run: NodeRun, windows: Mapping[str, range]) -> dict[str, Any]:
    """Return the links of the items in the windows of the outputs: `{lineage, destinations, totals}`."""
    origins = origins_of(*_with_line(execution, run), windows, Links(MOST_LINKS))
    key = (run.node_id, run.run_index)
    went = destinations_of(key, _consumers(execution, run), windows, Links(MOST_LINKS))
    return {
        "lineage": origins.lists,
        "destinations": went.lists,
        "totals": {"lineage": origins.totals, "destinations": went.totals},
    }


def _with_line(execution: Execution, run: NodeRun) -> tuple[StoredRun, Line | None]:
    """Return the run with its input items, in a loop over the iterations since it opened."""
    earlier = NodeRun.objects.filter(execution=execution, node_id=run.node_id, run_index__lt=run.run_index)
    closed = earlier.filter(keep_open=False).order_by("-run_index").values_list("run_index", flat=True).first()
    opened = earlier if closed is None else earlier.filter(run_index__gt=closed)
    *_, found = lines_of([*_stored(opened), _stored_run(run, run.lineage)])
    return found


def _consumers(execution: Execution, run: NodeRun) -> Iterator[tuple[StoredRun, Line]]:
    """Yield the runs that used the items of the run, with their lineage."""
    left = MOST_CONSUMERS
    targets = {edge["target"] for edge in execution.version.edges if edge["source"] == run.node_id}
    for node_id in sorted(targets):
        runs = NodeRun.objects.filter(execution=execution, node_id=node_id, output__isnull=False)
        for found, line in consumers_of((run.node_id, run.run_index), _stored(runs)):
            if not left:
                return
            left -= 1
            lineage = runs.filter(run_index=found.key[1]).values_list("lineage", flat=True).get()
            yield StoredRun(found.key, found.inputs, lineage, found.keep_open), line


def _stored(runs: QuerySet[NodeRun]) -> Iterator[StoredRun]:
    """Yield runs of one node in order, without their lineage."""
    for run in runs.only("node_id", "run_index", "inputs", "keep_open").order_by("run_index")[:MOST_RUNS]:
        yield _stored_run(run, None)


def _stored_run(run: NodeRun, lineage: Any) -> StoredRun:
    return StoredRun((run.node_id, run.run_index), run.inputs, lineage, run.keep_open)
