"""The recorded executions and node runs that detectors look at: live ones of the latest version, recent and bounded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from django.utils import timezone

from events.log.partitions import first_id
from executions.domain.graph import Graph, Node
from executions.models import Execution, NodeRun, Workflow

SPAN = timedelta(days=1)
MOST_EXECUTIONS = 300
MOST_NODE_RUNS = 10_000


@dataclass(frozen=True, slots=True)
class SampledExecution:
    """The times of an execution."""

    id: UUID
    status: str
    queued_at: datetime
    rank_at: datetime
    admitted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    concurrency_key: str
    nodes_total: int


@dataclass(frozen=True, slots=True)
class SampledRun:
    """A node run without its output."""

    execution: UUID
    node: str
    run_index: int
    status: str
    attempt: int
    attempts: list[dict[str, Any]] | None
    inputs: dict[str, list[dict[str, Any]]]
    digest: str
    output_items: int
    from_cache: bool
    taken_from: UUID | None
    duration_ms: float | None
    ended_at: datetime | None
    cost: dict[str, Any] | None = None
    output_bytes: int = 0


@dataclass(frozen=True)
class WorkflowSample:
    """A workflow with its latest executions. Node runs are read when a detector asks for them."""

    workflow: Workflow
    executions: list[SampledExecution]

    @property
    def span_seconds(self) -> float:
        """Return the time from the first queued one to now."""
        first = min((each.queued_at for each in self.executions), default=timezone.now())
        return (timezone.now() - first).total_seconds()

    @cached_property
    def graph(self) -> Graph:
        """Return the graph of the latest version."""
        version = self.workflow.latest_version
        assert version is not None
        return Graph.parse(version.nodes, version.edges)

    @property
    def nodes(self) -> dict[str, Node]:
        """Return the nodes of the latest version by id."""
        return self.graph.nodes

    @cached_property
    def runs(self) -> list[SampledRun]:
        """Return the ended node runs of the executions that have ended, the newest executions first."""
        ids = [each.id for each in self.executions if each.ended_at is not None]
        names = [*SampledRun.__dataclass_fields__]
        columns = ["execution_id", "node_id", *names[2:]]
        rows = NodeRun.objects.filter(execution__in=ids, ended_at__isnull=False).order_by("-execution_id", "id")
        return [SampledRun(*row) for row in rows.values_list(*columns)[:MOST_NODE_RUNS]]

    def subject(self, node: str = "") -> dict[str, Any]:
        """Return what an insight about the workflow, or one of its nodes, is about."""
        subject: dict[str, Any] = {"workflow": str(self.workflow.pk), "name": self.workflow.name}
        return subject | ({"node": node, "label": self.nodes[node].label} if node else {})


def sample(workflow: Workflow) -> WorkflowSample:
    """Return the latest executions of a workflow with its latest version."""
    rows = Execution.objects.live().filter(workflow=workflow, cached_from__isnull=True, rerun_of__isnull=True)
    # Ids are in the order of creation: the walk ends where the span does.
    since = first_id(timezone.now() - SPAN)
    rows = rows.filter(version=workflow.latest_version_id, id__gte=since).order_by("-id")
    columns = [*SampledExecution.__dataclass_fields__]
    return WorkflowSample(workflow, [SampledExecution(*row) for row in rows.values_list(*columns)[:MOST_EXECUTIONS]])
