"""Reads the rollups of a span of time: by workflow, by node, and in steps for charts.

Callers decide which workflows may be seen. What is older than ROLLUP_MINUTES_DAYS is known by hour: a span or a step
that begins within an hour does not include the beginning of that hour. Figures are as recent as the last `advance`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from executions.domain.histograms import BINS, quantile
from executions.rollups import statements
from executions.rollups.statements import summed, total


@dataclass(frozen=True, slots=True)
class ExecutionSums:
    """What live executions did in a span of time. An end counts when it happened."""

    queued: int
    started: int
    completed: int
    """Including those with a cached result."""
    failed: int
    cancelled: int
    timed_out: int
    cached: int
    duration_ms: float
    """The sum of the durations of the completed ones that ran."""
    wait_ms: float
    """The sum of the times from queueing to start."""
    durations: list[int]
    waits: list[int]

    @property
    def ended(self) -> int:
        """Return how many ended."""
        return self.completed + self.failed + self.cancelled + self.timed_out

    @property
    def mean_ms(self) -> float | None:
        """Return the average duration of the completed ones that ran."""
        return self.duration_ms / ran if (ran := self.completed - self.cached) else None

    @property
    def mean_wait_ms(self) -> float | None:
        """Return the average time from queueing to start."""
        return self.wait_ms / self.started if self.started else None

    def duration_quantile(self, share: float) -> float | None:
        """Return the duration in ms that a share of the completed ones did not exceed (`histograms.quantile`)."""
        return quantile(self.durations, share)

    def wait_quantile(self, share: float) -> float | None:
        """Return the time in the queue in ms that a share of the started ones did not exceed."""
        return quantile(self.waits, share)


@dataclass(frozen=True, slots=True)
class NodeSums:
    """What the runs of a node did in a span of time, in live executions."""

    node_type: str
    memory_bytes: int | None
    runs: int
    failed: int
    retries: int
    cached: int
    items: int
    failed_items: int
    bytes: int
    cpu_ms: float
    duration_ms: float
    """The sum of the durations of completed runs that were not cached."""
    durations: list[int]

    @property
    def mean_ms(self) -> float | None:
        """Return the average duration of completed runs that were not cached."""
        return self.duration_ms / counted if (counted := sum(self.durations)) else None

    def duration_quantile(self, share: float) -> float | None:
        """Return the duration in ms that a share of these runs did not exceed (`histograms.quantile`)."""
        return quantile(self.durations, share)


@dataclass(frozen=True, slots=True)
class RollupSpan:
    """From `since` (inclusive) to `until` (exclusive)."""

    since: datetime
    until: datetime

    @classmethod
    def last(cls, age: timedelta) -> RollupSpan:
        """Return the span that ends with the current minute."""
        now = datetime.now(UTC)
        return cls(now - age, now + timedelta(minutes=1))


_EXECUTIONS = ", ".join([*map(total, statements.EXECUTION_SUMS), *map(summed, statements.EXECUTION_BINS)])
_NODES = ", ".join(
    ["max(node_type), max(memory_bytes)", *map(total, statements.NODE_SUMS), *map(summed, statements.NODE_BINS)]
)
_WITHIN = "r.began_at >= %(since)s AND r.began_at < %(until)s"
_OF = "AND (%(workflows)s::uuid[] IS NULL OR r.workflow_id = ANY(%(workflows)s::uuid[]))"
_TRIGGERS = "AND (%(triggers)s::text[] IS NULL OR r.trigger = ANY(%(triggers)s::text[]))"


def by_workflow(
    span: RollupSpan, workflows: Collection[UUID] | None, triggers: Collection[str] | None = None
) -> dict[UUID, ExecutionSums]:
    """Return the figures of each workflow that did something; None: of all workflows, or by all triggers."""
    rows = _executions("r.workflow_id", span, workflows, triggers)
    return {row[0]: ExecutionSums(*row[1:]) for row in rows}


def by_step(
    span: RollupSpan,
    step: timedelta,
    workflows: Collection[UUID] | None,
    triggers: Collection[str] | None = None,
) -> dict[datetime, ExecutionSums]:
    """Return the figures of all these workflows together, by the beginning of the step. Steps in which nothing happened
    are missing. Steps are multiples of `step`, counted from 1970."""
    begin = "date_bin(%(step)s, r.began_at, '1970-01-01T00:00Z')"
    return {row[0]: ExecutionSums(*row[1:]) for row in _executions(begin, span, workflows, triggers, step=step)}


def together(span: RollupSpan, workflows: Collection[UUID] | None) -> ExecutionSums:
    """Return the figures of all these workflows together."""
    rows = _executions("1", span, workflows, None)
    return ExecutionSums(*rows[0][1:]) if rows else ExecutionSums(0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, [0] * BINS, [0] * BINS)


def by_node(span: RollupSpan, workflows: Collection[UUID] | None) -> dict[tuple[UUID, str], NodeSums]:
    """Return the figures of each node that ran, by workflow and node id."""
    return {(row[0], row[1]): NodeSums(*row[2:]) for row in _nodes("r.workflow_id, r.node", span, workflows)}


def node_by_step(span: RollupSpan, step: timedelta, workflow: UUID, node: str) -> dict[datetime, NodeSums]:
    """Return the figures of one node by the beginning of the step, as `by_step` does."""
    begin = "date_bin(%(step)s, r.began_at, '1970-01-01T00:00Z')"
    rows = _nodes(begin, span, [workflow], condition="AND r.node = %(node)s", step=step, node=node)
    return {row[0]: NodeSums(*row[1:]) for row in rows}


def _executions(
    key: str, span: RollupSpan, workflows: Collection[UUID] | None, triggers: Collection[str] | None, **values: Any
) -> list[tuple[Any, ...]]:
    statement = (
        f"SELECT {key}, {_EXECUTIONS} FROM executions_executionrollup r"  # noqa: S608 - constants of ours
        f" WHERE {_WITHIN} {_OF} {_TRIGGERS} GROUP BY 1 ORDER BY 1"
    )
    values["triggers"] = None if triggers is None else list(triggers)
    return _rows(statement, span, workflows, values)


def _nodes(
    key: str, span: RollupSpan, workflows: Collection[UUID] | None, condition: str = "", **values: Any
) -> list[tuple[Any, ...]]:
    statement = (
        f"SELECT {key}, {_NODES} FROM executions_noderollup r"  # noqa: S608 - constants of ours
        f" WHERE {_WITHIN} {_OF} {condition} GROUP BY {key} ORDER BY {key}"
    )
    return _rows(statement, span, workflows, values)


def _rows(
    statement: str, span: RollupSpan, workflows: Collection[UUID] | None, values: dict[str, Any]
) -> list[tuple[Any, ...]]:
    values |= {"since": span.since, "until": span.until, "workflows": None if workflows is None else list(workflows)}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
