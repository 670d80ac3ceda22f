"""The totals since the beginning, as `/metrics` shows them: a few rows, at any size of the history."""

from __future__ import annotations

from datetime import UTC, datetime

from executions.models import ExecutionTotal, NodeTotal, RollupPosition

__all__ = ["by_trigger", "executions", "lag_seconds", "node_types"]


def executions() -> list[ExecutionTotal]:
    """Return the totals by trigger and event (`statements.TOTALLED`)."""
    return list(ExecutionTotal.objects.order_by("event", "trigger"))


def by_trigger(rows: list[ExecutionTotal], event: str) -> dict[str, int]:
    """Return how many executions had an event, by trigger."""
    return {row.trigger: row.count for row in rows if row.event == event}


def node_types() -> list[NodeTotal]:
    """Return the totals by node type."""
    return list(NodeTotal.objects.order_by("pk"))


def lag_seconds() -> float:
    """Return how long ago all events that could be read were counted."""
    counted_at = RollupPosition.objects.values_list("counted_at", flat=True).get(pk=1)
    return (datetime.now(UTC) - counted_at).total_seconds() if counted_at else 0.0
