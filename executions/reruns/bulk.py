"""Reruns of many executions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from executions import lifecycle
from executions.lifecycle import CannotStart, NewExecution
from executions.models import Execution, Mode
from executions.reruns.acting import ActingNode
from executions.reruns.planning import plan, preview
from executions.reruns.requests import CannotRerun, NotEnded, RerunRequest
from workflow_platform.core.accounts.models import User
from workflow_platform.core.sandbox.short_tasks import SandboxUnavailable

MAX_IN_BULK = 1000
MAX_PREVIEWED = 100
"""The most executions of a dry run whose acting nodes are looked up."""
BATCH, BATCH_REUSED = 25, 2000
"""The most executions, and node runs that they reuse, in one transaction."""


@dataclass(frozen=True, slots=True)
class RerunFilter:
    """A filter of executions. It matches only ended live ones unless `ids` is given."""

    workflow: UUID | None = None
    status: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    ids: Sequence[UUID] = ()
    skip_rerun: bool = False
    """Skip executions that were rerun already."""

    def matching(self, executions: QuerySet[Execution]) -> QuerySet[Execution]:
        """Return the executions that match, oldest first."""
        condition = Q()
        for name, value in (
            ("workflow_id", self.workflow),
            ("status__in", list(self.status)),
            ("queued_at__gte", self.since),
            ("queued_at__lt", self.until),
            ("pk__in", list(self.ids)),
        ):
            condition &= Q(**{name: value}) if value else Q()
        if not self.ids:
            condition &= Q(ended_at__isnull=False, mode=Mode.LIVE)
        if self.skip_rerun:
            condition &= Q(reruns__isnull=True)
        return executions.filter(condition).order_by("id")


@dataclass(slots=True)
class RerunReport:
    """The result of a bulk rerun."""

    started: list[Execution] = field(default_factory=list)
    failed: list[tuple[UUID, str]] = field(default_factory=list)
    """Executions that could not be rerun, with the reason."""


def rerun_many(ids: Iterable[UUID], request: RerunRequest, by: User | None) -> Iterator[RerunReport]:
    """Rerun executions in the given order, one transaction per batch. Yields a report per batch."""
    batch: list[tuple[Execution, NewExecution]] = []
    report = RerunReport()
    for pk in ids:
        execution = Execution.objects.select_related("workflow__latest_version", "version").filter(pk=pk).first()
        if execution is None:  # deleted meanwhile
            continue
        try:
            batch.append((execution, plan(execution, request, by)))
        except (NotEnded, CannotRerun, CannotStart) as error:
            report.failed.append((pk, str(error)))
        if len(batch) >= BATCH or sum(len(new.reused) for _, new in batch) >= BATCH_REUSED:
            yield _create_batch(batch, report)
            batch, report = [], RerunReport()
    yield _create_batch(batch, report)


def _create_batch(batch: Sequence[tuple[Execution, NewExecution]], report: RerunReport) -> RerunReport:
    """Create the executions of a batch in one transaction, and add them to the report."""
    try:
        results = lifecycle.create_executions([new for _, new in batch])
    except SandboxUnavailable as error:
        report.failed += [(execution.pk, str(error)) for execution, _ in batch]
        return report
    for (execution, _), result in zip(batch, results, strict=True):
        if isinstance(result, CannotStart):
            report.failed.append((execution.pk, str(result)))
        else:
            report.started.append(result)
    return report


@dataclass(frozen=True, slots=True)
class ActingInBulk:
    """A node that would act again in some of the executions."""

    workflow: UUID
    node: ActingNode
    executions: int


def preview_many(ids: Iterable[UUID], request: RerunRequest) -> list[ActingInBulk]:
    """Return the nodes that would act again if these executions were rerun. Executions that cannot be rerun are left
    out."""
    counts: dict[tuple[UUID, str], tuple[ActingNode, int]] = {}
    for pk in ids:
        execution = Execution.objects.select_related("workflow__latest_version", "version").filter(pk=pk).first()
        if execution is None:  # deleted meanwhile
            continue
        try:
            nodes = preview(execution, request)
        except (NotEnded, CannotRerun, CannotStart):
            continue
        for node in nodes:
            key = execution.workflow_id, node.node
            counts[key] = node, counts.get(key, (node, 0))[1] + 1
    return [ActingInBulk(workflow, node, count) for (workflow, _), (node, count) in counts.items()]
