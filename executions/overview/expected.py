"""How long an execution and its nodes are expected to take: percentiles over earlier executions of the workflow."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from executions.models import Execution

SAMPLED = 20
"""Executions that the percentiles are over."""
ENOUGH = 3
"""So many of the same version are enough; if there are fewer, other versions count too."""
READ = 300
"""Older executions than the newest so many are not looked at."""
RUNS_PER_NODE = 10
"""Runs of one node that count in each execution: a loop does not need all of its turns."""
MAX_RUNS = 10_000
"""Node runs that are read at most: a large graph counts fewer runs of each node."""

_EXECUTIONS = """
SELECT id, version_id, extract(epoch FROM ended_at - started_at)::float8 * 1000 FROM (
  SELECT id, version_id, started_at, ended_at, status, mode, cached_from, rerun_from
  FROM executions_execution WHERE workflow_id = %s AND id < %s ORDER BY id DESC LIMIT %s
) AS newest
WHERE status = 'completed' AND mode = 'live' AND started_at IS NOT NULL AND cached_from IS NULL
  AND rerun_from = ''
ORDER BY version_id = %s DESC, id DESC LIMIT %s
"""
# `run_index` leads: the index on (execution, node, run_index) finds both the first runs and the last.
_NODES = """
WITH pairs AS (SELECT e AS execution, n AS node FROM unnest(%(executions)s::uuid[]) e, unnest(%(nodes)s::text[]) n),
counts AS (
  SELECT node, percentile_cont(0.5) WITHIN GROUP (ORDER BY last.run_index + 1) AS runs
  FROM pairs CROSS JOIN LATERAL (
    SELECT run_index FROM executions_noderun
    WHERE execution_id = execution AND node_id = node ORDER BY run_index DESC LIMIT 1
  ) AS last GROUP BY node
)
SELECT node, runs, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), percentile_cont(0.95) WITHIN GROUP (ORDER BY ms)
FROM pairs JOIN counts USING (node) CROSS JOIN LATERAL (
  SELECT extract(epoch FROM ended_at - started_at)::float8 * 1000 AS ms FROM executions_noderun
  WHERE execution_id = execution AND node_id = node AND run_index < %(per_node)s
    AND status IN ('completed', 'failed') AND NOT from_cache AND taken_from IS NULL AND started_at IS NOT NULL
) AS timed GROUP BY node, runs
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class ExpectedNode:
    """What is usual for a node."""

    runs: float
    """How often it runs in an execution, the median."""
    samples: int
    """The node runs that the percentiles are over."""
    duration_ms: Percentiles
    """Of one run."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is usual for the executions of a workflow."""

    executions: int
    """The executions that the figures are over; 0: nothing is known."""
    same_version: bool
    """Whether all of them are of the version of the execution."""
    duration_ms: Percentiles | None
    """Of a whole execution, from its start to its end."""
    nodes: dict[str, ExpectedNode]
    """By the id of the node; without those that did not run."""


def expected(execution: Execution) -> Expected:
    """Return what is usual, from completed live executions of the workflow that were queued before this one."""
    chosen, same_version = _sample(execution)
    if not chosen:
        return Expected(0, same_version=True, duration_ms=None, nodes={})
    nodes = _nodes([row[0] for row in chosen], [node["id"] for node in execution.version.nodes])
    return Expected(len(chosen), same_version, _percentiles([row[2] for row in chosen]), nodes)


def whole_durations(execution: Execution) -> Percentiles | None:
    """Return how long such executions take; None if nothing is known."""
    chosen, _ = _sample(execution)
    return _percentiles([row[2] for row in chosen]) if chosen else None


def _sample(execution: Execution) -> tuple[list[tuple[UUID, UUID, float]], bool]:
    """Return id, version and duration of earlier executions, and whether all are of the version of this one."""
    version = execution.version_id
    with connection.cursor() as cursor:
        cursor.execute(_EXECUTIONS, [execution.workflow_id, execution.pk, READ, version, SAMPLED])
        found = cursor.fetchall()
    same = [row for row in found if row[1] == version]
    return (same, True) if len(same) >= ENOUGH or len(same) == len(found) else (found, False)


def _nodes(executions: list[UUID], nodes: list[str]) -> dict[str, ExpectedNode]:
    per_node = max(1, min(RUNS_PER_NODE, MAX_RUNS // (len(executions) * len(nodes))))
    with connection.cursor() as cursor:
        cursor.execute(_NODES, {"executions": executions, "nodes": nodes, "per_node": per_node})
        rows = cursor.fetchall()
    return {
        node: ExpectedNode(float(runs), samples, Percentiles(_rounded(p50), _rounded(p95)))
        for node, runs, samples, p50, p95 in rows
    }


def _percentiles(values: list[float]) -> Percentiles:
    """Return percentiles as PostgreSQL's `percentile_cont` does, between the two nearest values."""
    ordered = sorted(values)

    def at(share: float) -> float:
        place = share * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        return _rounded(ordered[below] + (ordered[above] - ordered[below]) * (place - below))

    return Percentiles(at(0.5), at(0.95))


def _rounded(milliseconds: float) -> float:
    return round(milliseconds, 3)
