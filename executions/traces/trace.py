"""Loads a trace: inbound request → execution → node run → event → delivery → attempt. One query with limits; rows
beyond the limits are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

MAX_EXECUTIONS = 60
MAX_RUNS = 400
MAX_DELIVERIES = 300
MAX_ATTEMPTS = 10
MAX_OTHERS = 50
"""The limit of inbound requests, and of reruns."""
COUNTED = 10_000
"""Rows beyond the limits are counted up to this number."""

# The query covers the execution with its ancestors and descendants. `up` and `down` use the index on the parent; only
# the ids of rows that are not shown are read.
_QUERY = """
WITH RECURSIVE
up AS (
  SELECT id, parent_id, 0 AS height FROM executions_execution
  WHERE id = %(execution)s::uuid AND workspace_id = %(workspace)s
  UNION ALL
  SELECT p.id, p.parent_id, up.height + 1 FROM up
  JOIN executions_execution p ON p.id = up.parent_id AND p.workspace_id = %(workspace)s WHERE up.height < 100
),
down AS (
  SELECT id, 0 AS level FROM (SELECT id FROM up ORDER BY height DESC LIMIT 1) AS root
  UNION ALL
  SELECT c.id, down.level + 1 FROM down
  JOIN executions_execution c ON c.parent_id = down.id AND c.workspace_id = %(workspace)s WHERE down.level < 100
),
reached AS MATERIALIZED (SELECT id, level FROM down LIMIT %(counted)s),
chosen AS MATERIALIZED (
  SELECT id, min(level) AS level FROM (
    SELECT id, -1 AS level FROM up UNION ALL SELECT id, level FROM reached
  ) AS every GROUP BY id ORDER BY min(level), id LIMIT %(executions)s
),
executions AS (
  SELECT e.id, e.parent_id AS parent, pr.node_id AS parent_node, pr.run_index AS parent_run_index,
    e.workflow_id AS workflow, w.name AS workflow_name, v.number AS workflow_version, e.status, e.mode, e.trigger,
    e.trigger_node, e.queued_at, e.started_at, e.ended_at, e.error->>'message' AS error,
    e.rerun_of_id AS rerun_of, e.rerun_from
  FROM chosen JOIN executions_execution e USING (id)
  JOIN executions_workflow w ON w.id = e.workflow_id JOIN executions_workflowversion v ON v.id = e.version_id
  LEFT JOIN executions_noderun pr ON pr.id = e.parent_run_id
),
reruns AS (
  SELECT r.id, r.rerun_of_id AS rerun_of, r.rerun_from, r.status, r.queued_at FROM executions_execution r
  WHERE r.rerun_of_id = ANY(ARRAY(SELECT id FROM chosen)) AND r.workspace_id = %(workspace)s
  ORDER BY r.id LIMIT %(others)s
),
inbound AS (
  SELECT i.id, i.execution_id AS execution, i.node_id AS node, i.method, i.path, host(i.address) AS address,
    i.received_at, i.accepted, i.status_code, i.reason, i.body_bytes, i.message_id
  FROM webhooks_inboundrequest i WHERE i.workspace_id = %(workspace)s AND i.id = ANY(ARRAY(
    (SELECT id FROM webhooks_inboundrequest WHERE id = %(inbound)s::uuid) UNION
    (SELECT id FROM webhooks_inboundrequest WHERE execution_id = ANY(ARRAY(SELECT id FROM chosen)) LIMIT %(others)s)))
),
found_deliveries AS MATERIALIZED (
  (SELECT id FROM webhooks_delivery WHERE id = %(delivery)s::uuid AND workspace_id = %(workspace)s)
  UNION (SELECT id FROM webhooks_delivery WHERE execution_id = ANY(ARRAY(SELECT id FROM chosen))
    AND workspace_id = %(workspace)s LIMIT %(counted)s)
  UNION (SELECT id FROM webhooks_delivery WHERE event_id = %(event)s::uuid AND workspace_id = %(workspace)s
    LIMIT %(counted)s)
),
shown_deliveries AS MATERIALIZED (
  SELECT id FROM found_deliveries
  ORDER BY (id IS NOT DISTINCT FROM %(delivery)s::uuid) DESC, id LIMIT %(deliveries)s
),
deliveries AS MATERIALIZED (
  SELECT d.id, d.execution_id AS execution, d.node_id AS node, d.run_index, d.event_id AS event, d.event_type,
    d.stream, d.sequence, d.origin, d.status, d.status_code, d.error, d.method, d.attempts_made, d.due_at,
    d.created_at, d.ended_at, d.endpoint_id AS endpoint, p.name AS endpoint_name,
    split_part(COALESCE(NULLIF(d.url, ''), p.url, ''), '?', 1) AS url
  FROM shown_deliveries JOIN webhooks_delivery d USING (id) LEFT JOIN webhooks_endpoint p ON p.id = d.endpoint_id
),
attempts AS (
  SELECT a.* FROM shown_deliveries s CROSS JOIN LATERAL (
    SELECT a.id, a.delivery_id AS delivery, a.number, a.outcome, a.started_at, a.status_code, a.error_class, a.error,
      a.total_ms, a.next_attempt_at, left(a.response_body, 200) AS response
    FROM webhooks_deliveryattempt a WHERE a.delivery_id = s.id ORDER BY a.number DESC LIMIT %(attempts)s) AS a
),
events AS MATERIALIZED (
  SELECT e.id, s.name AS stream, e.sequence, e.type, e.time, e.execution_id AS execution, e.data->>'node' AS node,
    (e.data->>'run_index')::int AS run_index
  FROM (SELECT event FROM deliveries WHERE event IS NOT NULL UNION SELECT %(event)s::uuid) AS requested
  JOIN events_event e ON e.id = requested.event
  JOIN events_stream s ON s.id = e.stream_id AND e.sequence > s.removed_through
  WHERE e.workspace_id = %(workspace)s
),
found_runs AS MATERIALIZED (
  SELECT id FROM executions_noderun WHERE execution_id = ANY(ARRAY(SELECT id FROM chosen)) LIMIT %(counted)s
),
pointed_at AS (
  SELECT n.id FROM (
    SELECT execution, node, run_index FROM deliveries WHERE node <> '' AND run_index IS NOT NULL
    UNION SELECT execution, node, run_index FROM events WHERE node IS NOT NULL AND run_index IS NOT NULL
    UNION SELECT parent, parent_node, parent_run_index FROM executions WHERE parent_node IS NOT NULL
  ) AS p JOIN executions_noderun n
    ON n.execution_id = p.execution AND n.node_id = p.node AND n.run_index = p.run_index
  WHERE n.execution_id = ANY(ARRAY(SELECT id FROM chosen))
),
runs AS (
  SELECT n.id, n.execution_id AS execution, n.node_id AS node, n.name, n.node_type, n.run_index, n.attempt, n.status,
    n.started_at, n.ended_at, n.duration_ms, n.error->>'message' AS error, n.taken_from, n.from_cache
  FROM executions_noderun n WHERE n.id = ANY(ARRAY(
    SELECT id FROM (SELECT id, min(place) AS place FROM (
      SELECT id, 0 AS place FROM pointed_at UNION ALL SELECT id, 1 FROM found_runs) AS every GROUP BY id
    ) AS ranked ORDER BY place, id LIMIT %(runs)s))
)
SELECT json_build_object(
  'executions', (SELECT COALESCE(json_agg(x ORDER BY x.id), '[]') FROM executions x),
  'reruns', (SELECT COALESCE(json_agg(x ORDER BY x.id), '[]') FROM reruns x),
  'inbound', (SELECT COALESCE(json_agg(x ORDER BY x.id), '[]') FROM inbound x),
  'node_runs', (SELECT COALESCE(json_agg(x ORDER BY x.id), '[]') FROM runs x),
  'events', (SELECT COALESCE(json_agg(x ORDER BY x.stream, x.sequence), '[]') FROM events x),
  'deliveries', (SELECT COALESCE(json_agg(x ORDER BY x.id), '[]') FROM deliveries x),
  'attempts', (SELECT COALESCE(json_agg(x ORDER BY x.delivery, x.number), '[]') FROM attempts x),
  'counts', json_build_object(
    'executions', (SELECT count(*) FROM reached), 'node_runs', (SELECT count(*) FROM found_runs),
    'deliveries', (SELECT count(*) FROM found_deliveries))
)::text
"""


@dataclass(frozen=True, slots=True)
class Focus:
    """The object that a trace is requested for. The trace contains only rows of its workspace."""

    workspace_id: UUID
    execution_id: UUID | None = None
    delivery_id: UUID | None = None
    inbound_id: UUID | None = None
    event_id: UUID | None = None


def trace(focus: Focus) -> dict[str, Any]:
    """Return all connected objects, nested by cause: `{executions: [{inbound, node_runs: [{events, deliveries}],
    events, deliveries}], reruns, loose, left_out}`.

    `loose` contains objects outside the executions shown: a refused request, a workflow's event, an ad-hoc delivery.
    `left_out` counts the rows beyond the limits, up to COUNTED.
    """
    values = {
        "workspace": focus.workspace_id, "execution": focus.execution_id, "delivery": focus.delivery_id,
        "inbound": focus.inbound_id, "event": focus.event_id, "executions": MAX_EXECUTIONS, "runs": MAX_RUNS,
        "deliveries": MAX_DELIVERIES, "attempts": MAX_ATTEMPTS, "others": MAX_OTHERS, "counted": COUNTED,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_QUERY, values)
        rows: dict[str, Any] = orjson.loads(cursor.fetchone()[0])
    return _nested(rows)


def _nested(rows: dict[str, Any]) -> dict[str, Any]:
    executions = {x["id"]: x | {"inbound": [], "node_runs": [], **_holder()} for x in rows["executions"]}
    loose: dict[str, Any] = {"inbound": [], **_holder()}
    for request in rows["inbound"]:
        executions.get(request["execution"], loose)["inbound"].append(request)
    runs: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows["node_runs"]:
        run = row | {"children": [], **_holder()}
        runs[row["execution"], row["node"], row["run_index"]] = run
        executions[row["execution"]]["node_runs"].append(run)
    for execution in executions.values():
        parent = (execution["parent"], execution["parent_node"], execution["parent_run_index"])
        if parent in runs:
            runs[parent]["children"].append(execution["id"])

    def holder(row: dict[str, Any]) -> dict[str, Any]:
        run = runs.get((row["execution"], row["node"], row["run_index"]))
        return run or executions.get(row["execution"], loose)

    attempts: dict[str, list[dict[str, Any]]] = {}
    for attempt in rows["attempts"]:
        attempts.setdefault(attempt["delivery"], []).append(attempt)
    events = {}
    for row in rows["events"]:
        events[row["id"]] = row | {"deliveries": []}
        holder(row)["events"].append(events[row["id"]])
    for row in rows["deliveries"]:
        tried = attempts.get(row["id"], [])
        delivery = row | {"attempts": tried, "earlier_attempts": max(0, row["attempts_made"] - len(tried))}
        (events.get(row["event"]) or holder(row))["deliveries"].append(delivery)
    left_out = {name: max(0, count - len(rows[name])) for name, count in rows["counts"].items()}
    return {"executions": list(executions.values()), "reruns": rows["reruns"], "loose": loose, "left_out": left_out}


def _holder() -> dict[str, list[Any]]:
    return {"events": [], "deliveries": []}
