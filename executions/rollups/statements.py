"""The SQL of the rollups. Everything is counted in the database: no object is made for an event."""

from __future__ import annotations

from collections.abc import Iterable

from executions.domain.histograms import BINS, BOUNDS_MS

ENDS = ("completed", "failed", "cancelled", "timed_out")
EXECUTION_EVENTS = ("queued", "started", *ENDS)
TOTALLED = (*EXECUTION_EVENTS, "admitted", "recovered")
"""What totals count. There is no event of an admission: it is counted with the start."""
NODE_EVENTS = ("node_completed", "node_failed", "node_retrying")
VALUES = {
    "types": [f"execution.{name}" for name in (*EXECUTION_EVENTS, "recovered", *NODE_EVENTS)],
    "of_nodes": list(NODE_EVENTS),
    "ends": list(ENDS),
    "only_totalled": ["admitted", "recovered"],
    # For width_bucket: how many bounds are not below a duration.
    "bounds": [-float(bound) for bound in reversed(BOUNDS_MS)],
}


def _bin(value: str) -> str:
    """Return the number of the bin of a duration, from 1."""
    return f"{len(BOUNDS_MS)} - width_bucket(-({value}), %(bounds)s::float8[]) + 1"


def _histogram(number: str, condition: str = "true") -> str:
    """Return the array of how many rows are in each bin."""
    counts = (f"count(*) FILTER (WHERE {number} = {n} AND {condition})" for n in range(1, BINS + 1))
    return f"ARRAY[{', '.join(counts)}]"


def added(left: str, right: str) -> str:
    """Return the sum of two histograms."""
    return f"ARRAY[{', '.join(f'{left}[{n}] + {right}[{n}]' for n in range(1, BINS + 1))}]"


def summed(column: str) -> str:
    """Return the sum of the histograms of several rows."""
    return f"ARRAY[{', '.join(f'COALESCE(sum({column}[{n}]), 0)' for n in range(1, BINS + 1))}]::bigint[]"


def total(column: str) -> str:
    """Return the sum of a column over several rows."""
    return f"COALESCE(sum({column}), 0)::{'float8' if column.endswith('_ms') else 'bigint'}"


def upsert(keys: Iterable[str], sums: Iterable[str], histograms: Iterable[str], others: str = "") -> str:
    """Return the end of an INSERT that adds to the row that is there."""
    changes = [f"{name} = r.{name} + EXCLUDED.{name}" for name in sums]
    changes += [f"{name} = {added(f'r.{name}', f'EXCLUDED.{name}')}" for name in histograms]
    changes += [others] if others else []
    return f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(changes)}"


EXECUTION_KEYS = ("workflow_id", "began_at", "seconds", "trigger")
EXECUTION_SUMS = ("queued", "started", *ENDS, "cached", "duration_ms", "wait_ms")
EXECUTION_BINS = ("durations", "waits")
NODE_KEYS = ("workflow_id", "node", "began_at", "seconds")
NODE_SUMS = ("runs", "failed", "retries", "cached", "items", "failed_items", "bytes", "cpu_ms", "duration_ms")
NODE_BINS = ("durations",)
NODE_OTHERS = "node_type = EXCLUDED.node_type, memory_bytes = GREATEST(r.memory_bytes, EXCLUDED.memory_bytes)"


def columns(*groups: Iterable[str]) -> str:
    """Return the names of columns as a list."""
    return ", ".join(name for group in groups for name in group)


_OF_EVENT = {name: f"count(*) FILTER (WHERE event = '{name}')" for name in EXECUTION_EVENTS}
_RAN = "event = 'completed' AND NOT cached"
_NODE_FIGURES = f"""
  count(*) FILTER (WHERE event <> 'node_retrying') AS runs, count(*) FILTER (WHERE event = 'node_failed') AS failed,
  count(*) FILTER (WHERE event = 'node_retrying') AS retries, count(*) FILTER (WHERE from_cache) AS cached,
  COALESCE(sum(output_items), 0) AS items, COALESCE(sum(failed_items), 0) AS failed_items,
  COALESCE(sum(output_bytes), 0) AS bytes, COALESCE(sum(cpu_ms), 0) AS cpu_ms,
  COALESCE(sum(duration_ms) FILTER (WHERE ran), 0) AS duration_ms, {_histogram("bin", "ran")} AS durations,
  max(memory_bytes) AS memory_bytes
"""

COUNT = f"""
WITH found AS MATERIALIZED (
  SELECT substr(e.type, 11) AS event, e.execution_id, e.workflow_id, e.time, date_trunc('minute', e.time) AS began_at,
    d.*
  FROM {{source}}
  CROSS JOIN LATERAL json_to_record(e.data) AS d (trigger text, reason text, summary json, cached_from text,
    taken_from text, node text, node_type text, duration_ms float8, cpu_ms float8, memory_bytes bigint,
    output_items bigint, output_bytes bigint, failed_items bigint, from_cache boolean)
  WHERE d.taken_from IS NULL AND (e.type <> 'execution.recovered' OR d.reason = 'lease_lost')
    -- Not a join: without statistics of a new day's events, one was planned that read all of them for each stream.
    AND (SELECT s.mode FROM events_stream s WHERE s.id = e.stream_id) = 'live'
),
of_executions AS (
  SELECT f.*, x.id IS NULL AS is_gone, x.trigger AS its_trigger, x.queued_at, x.started_at, x.admitted_at
  FROM found f LEFT JOIN executions_execution x ON x.id = f.execution_id WHERE f.event <> ALL(%(of_nodes)s)
),
executions AS MATERIALIZED (
  SELECT *, {_bin("ms")} AS bin FROM (
    SELECT event, workflow_id, began_at, COALESCE(its_trigger, trigger, 'unknown') AS trigger,
      cached_from IS NOT NULL AS cached,
      CASE
        WHEN event = 'started' AND NOT is_gone THEN GREATEST(extract(epoch FROM time - queued_at)::float8 * 1000, 0)
        WHEN event = ANY(%(ends)s) AND cached_from IS NULL AND (is_gone OR started_at IS NOT NULL)
          THEN (summary->>'duration_ms')::float8
      END AS ms
    FROM of_executions
    UNION ALL SELECT 'admitted', workflow_id, began_at, its_trigger, false,
      GREATEST(extract(epoch FROM admitted_at - queued_at)::float8 * 1000, 0)
    FROM of_executions WHERE event = 'started' AND admitted_at <= time
  ) e
),
nodes AS MATERIALIZED (
  SELECT *, {_bin("duration_ms")} AS bin,
    event = 'node_completed' AND NOT COALESCE(from_cache, false) AS ran
  FROM found WHERE event = ANY(%(of_nodes)s)
),
by_workflow AS (
  INSERT INTO executions_executionrollup AS r ({columns(EXECUTION_KEYS, EXECUTION_SUMS, EXECUTION_BINS)})
  SELECT workflow_id, began_at, 60, trigger, {", ".join(_OF_EVENT.values())}, count(*) FILTER (WHERE cached),
    COALESCE(sum(ms) FILTER (WHERE {_RAN}), 0), COALESCE(sum(ms) FILTER (WHERE event = 'started'), 0),
    {_histogram("bin", _RAN)}, {_histogram("bin", "event = 'started'")}
  FROM executions WHERE event <> ALL(%(only_totalled)s) AND workflow_id IN (SELECT id FROM executions_workflow)
  GROUP BY 1, 2, 4 ORDER BY 1, 2, 4
  {upsert(EXECUTION_KEYS, EXECUTION_SUMS, EXECUTION_BINS)}
),
by_trigger AS (
  INSERT INTO executions_executiontotal AS r (trigger, event, count, milliseconds, histogram)
  SELECT trigger, event, count(*), COALESCE(sum(ms), 0), {_histogram("bin")} FROM executions GROUP BY 1, 2 ORDER BY 1, 2
  {upsert(("trigger", "event"), ("count", "milliseconds"), ("histogram",))}
),
by_node AS (
  INSERT INTO executions_noderollup AS r ({columns(NODE_KEYS, NODE_SUMS, NODE_BINS)}, node_type, memory_bytes)
  SELECT workflow_id, node, began_at, 60, {columns(NODE_SUMS, NODE_BINS)}, node_type, memory_bytes
  FROM (
    SELECT workflow_id, node, began_at, max(node_type) AS node_type, {_NODE_FIGURES}
    FROM nodes WHERE workflow_id IN (SELECT id FROM executions_workflow) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
  ) n
  {upsert(NODE_KEYS, NODE_SUMS, NODE_BINS, NODE_OTHERS)}
)
INSERT INTO executions_nodetotal AS r (node_type, runs, failed, retries, cached, items, bytes, duration_ms, histogram)
SELECT node_type, runs, failed, retries, cached, items, bytes, duration_ms, durations
FROM (SELECT node_type, {_NODE_FIGURES} FROM nodes GROUP BY 1 ORDER BY 1) n
{
    upsert(
        ("node_type",),
        ("runs", "failed", "retries", "cached", "items", "bytes", "duration_ms"),
        ("histogram",),
    )
}
"""  # noqa: S608 - constants of ours
"""Counts the events of a source. `{source}` is what `Workspaces.source` returns."""
