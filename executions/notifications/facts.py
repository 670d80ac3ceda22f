"""Facts that are worth a notification, found among the events of the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from events.log.recorded import RecordedEvent
from executions.domain.workflow_health import after_end
from executions.models import Execution, NotificationKind, Wait, Workflow, WorkflowHealth
from webhooks.models import Endpoint
from webhooks.sending import disabling
from workflow_platform.core.accounts.models import Role

ENDS = frozenset({"execution.completed", "execution.failed", "execution.timed_out"})
TYPES = (*sorted(ENDS), "execution.node_waiting", "system.error")
"""The events to read. Cancelled executions send no notifications."""

_POSITION = ("transaction", "stream_id", "sequence")


@dataclass(frozen=True, slots=True)
class NotableFact:
    """What happened, to whom it belongs, and who may see it."""

    kind: NotificationKind
    event_id: UUID
    at: datetime
    workspace_id: UUID
    subject: str
    needs: Role = Role.VIEWER
    workflow_id: UUID | None = None
    owner_id: int | None = None
    """The user who created the workflow."""
    assignee_id: int | None = None
    execution_id: UUID | None = None
    wait_id: UUID | None = None
    endpoint_id: UUID | None = None
    node: str = ""
    failures: int = 0


def found_in(events: Sequence[RecordedEvent]) -> list[NotableFact]:
    """Return the facts among events, in their order, and save the health of their workflows.

    Events of test and debug executions, and of deleted workflows and endpoints, are no facts. Events that were handled
    before change no health.
    """
    live = [event for event in events if event.is_live]
    workflows = _workflows(live)
    health = _WorkflowHealths(workflows.values())
    facts = {
        event.id: fact
        for event in live
        if event.type in ENDS and event.workflow_id in workflows
        if (fact := health.after(event, workflows[event.workflow_id]))
    }
    facts |= _approvals([event for event in live if event.type == "execution.node_waiting"], workflows)
    facts |= _disabled_endpoints(live)
    health.save()
    return _with_node_names([facts[event.id] for event in live if event.id in facts])


def _with_node_names(facts: list[NotableFact]) -> list[NotableFact]:
    """Replace the ids of the nodes that failed by their names in the version that ran."""
    failed = [fact.execution_id for fact in facts if fact.node and fact.kind is NotificationKind.FAILED]
    rows = Execution.objects.filter(pk__in=filter(None, failed)).order_by().values_list("pk", "version__nodes")
    names: dict[UUID | None, dict[str, str]]
    names = {pk: {node["id"]: node.get("name") or node["id"] for node in nodes} for pk, nodes in rows}
    return [replace(fact, node=names.get(fact.execution_id, {}).get(fact.node, fact.node)) for fact in facts]


def _workflows(events: Iterable[RecordedEvent]) -> dict[str | None, Workflow]:
    ids = {event.workflow_id for event in events if event.workflow_id}
    rows = Workflow.objects.filter(pk__in=ids, deleted_at=None).only("name", "workspace_id", "created_by_id")
    return {str(row.pk): row for row in rows.order_by()}


class _WorkflowHealths:
    """The health of the workflows of a batch, which only one consumer changes."""

    def __init__(self, workflows: Iterable[Workflow]) -> None:
        ids = [workflow.pk for workflow in workflows]
        self._rows = WorkflowHealth.objects.in_bulk(ids)
        self._changed: dict[UUID, WorkflowHealth] = {}

    def after(self, event: RecordedEvent, workflow: Workflow) -> NotableFact | None:
        """Take note of the end of an execution. Returns the fact if the workflow begins to fail, or has recovered."""
        row = self._rows.get(workflow.pk)
        position = (event.transaction, event.stream_id, event.sequence)
        if row is not None and position <= tuple(getattr(row, field) for field in _POSITION):
            return None
        change = after_end(row.failures if row else 0, event.type.removeprefix("execution."))
        if change.failures == change.before:
            return None
        row = row or WorkflowHealth(workflow=workflow)
        row.transaction, row.stream_id, row.sequence = position
        row.failures = change.failures
        if change.turn is not None:
            row.failing_since = event.happened_at if change.turn == "failed" else None
        self._rows[workflow.pk] = self._changed[workflow.pk] = row
        if change.turn is None:
            return None
        failed = change.turn == "failed"
        return NotableFact(
            NotificationKind.FAILED if failed else NotificationKind.RECOVERED,
            UUID(event.id),
            event.happened_at,
            workflow.workspace_id,
            workflow.name,
            workflow_id=workflow.pk,
            owner_id=workflow.created_by_id,
            execution_id=UUID(event.execution_id) if event.execution_id else None,
            node=((event.data.get("error") or {}).get("node") or "") if failed else "",
            failures=0 if failed else change.before,
        )

    def save(self) -> None:
        """Write what has changed."""
        WorkflowHealth.objects.bulk_create(
            sorted(self._changed.values(), key=lambda row: row.pk),
            update_conflicts=True,
            unique_fields=["workflow"],
            update_fields=["failures", "failing_since", *_POSITION],
        )


def _approvals(events: Iterable[RecordedEvent], workflows: dict[str | None, Workflow]) -> dict[str, NotableFact]:
    """Return the approvals that can still be decided."""
    asking = {data["wait"]: event for event in events if (data := event.data)["kind"] == "approval" and data["wait"]}
    waits: QuerySet[Wait] = Wait.objects.open().approvals().filter(pk__in=asking).only("node_id", "assignee_id")
    facts = {}
    for wait in waits.order_by():
        event = asking[str(wait.pk)]
        if (workflow := workflows.get(event.workflow_id)) is not None:
            facts[event.id] = NotableFact(
                NotificationKind.APPROVAL,
                UUID(event.id),
                event.happened_at,
                workflow.workspace_id,
                workflow.name,
                needs=Role.VIEWER if wait.assignee_id else Role.EDITOR,
                workflow_id=workflow.pk,
                owner_id=workflow.created_by_id,
                assignee_id=wait.assignee_id,
                execution_id=UUID(event.execution_id) if event.execution_id else None,
                wait_id=wait.pk,
                node=str(event.data["name"]),
            )
    return facts


def _disabled_endpoints(events: Iterable[RecordedEvent]) -> dict[str, NotableFact]:
    """Return the endpoints that the platform disabled and that are still disabled."""
    disabled = {endpoint: event for event in events if (endpoint := disabling.disabled_endpoint(event))}
    rows = Endpoint.objects.filter(pk__in=disabled, active=False, deleted_at=None).only("name", "workspace_id")
    return {
        disabled[row.pk].id: NotableFact(
            NotificationKind.ENDPOINT,
            UUID(disabled[row.pk].id),
            disabled[row.pk].happened_at,
            row.workspace_id,
            row.name,
            needs=Role.ADMIN,
            endpoint_id=row.pk,
        )
        for row in rows.order_by()
    }
