"""The deliveries of a node run and the wait for their ends: each exactly once, even if a process dies in between."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from executions.admission import after_commit
from executions.domain.errors import NodeError
from executions.domain.statuses import ExecutionStatus
from executions.lifecycle.base import NOT_HELD
from executions.models import Execution, NodeRun, Wait, WaitKind
from executions.nodes.deliveries import Message, about, gone
from executions.waits import waits
from webhooks.models import Delivery, Endpoint, Origin
from webhooks.outbox import AdHoc, BadAdHoc, create_ad_hoc
from webhooks.outbox.to_endpoints import ToEndpoint, create_for_endpoints

logger = logging.getLogger(__name__)

BATCH = 500
NEXT_DUE = """
SELECT statement_timestamp() FROM executions_wait WHERE delivery_id IS NOT NULL AND resolved_at IS NULL LIMIT 1
"""
"""When `sweep` has something to look at, as SQL."""


def deliver(run: NodeRun, messages: Sequence[Message], wait: bool) -> list[Delivery]:
    """Create a delivery of each message for a node run, in their order. Raises NodeError.

    A node run that is repeated after a crash gets its existing deliveries, by their keys. With `wait` the wait is
    written in the same transaction, so that no end is missed.
    """
    with transaction.atomic():
        # Under the execution's lock: a worker that lost the lease sends nothing, and nothing is sent after the end.
        execution = _locked(run.execution_id)
        if execution.status != ExecutionStatus.RUNNING.value or execution.fencing_token != run.execution.fencing_token:
            raise NodeError(NOT_HELD)
        if execution.cancel_requested_at is not None:
            raise NodeError("Cancelled.")
        deliveries = _create(execution, run, messages, wait)
        if wait and deliveries:
            _await(execution, run, deliveries)
    return deliveries


def _locked(execution_id: UUID) -> Execution:
    """Lock the execution's row, and read only the columns that are used: its input can be large."""
    columns = ("workspace_id", "workflow_id", "status", "fencing_token", "cancel_requested_at")
    return Execution.objects.select_for_update().only(*columns).get(pk=execution_id)


def _create(execution: Execution, run: NodeRun, messages: Sequence[Message], awaited: bool) -> list[Delivery]:
    common: dict[str, Any] = {
        "execution_id": execution.pk, "workflow_id": execution.workflow_id, "node_id": run.node_id,
        "run_index": run.run_index, "origin": Origin.NODE, "awaited": awaited,
    }  # fmt: skip
    ad_hoc = [(i, _ad_hoc(execution.workspace_id, m, common)) for i, m in enumerate(messages) if m.endpoint is None]
    others = [(i, _to_endpoint(m.endpoint, m, common)) for i, m in enumerate(messages) if m.endpoint is not None]
    deliveries: dict[int, Delivery] = {}
    try:
        deliveries |= zip((i for i, _ in ad_hoc), create_ad_hoc([each for _, each in ad_hoc]), strict=True)
    except BadAdHoc as error:
        raise NodeError(f"parameters.{error.field}: {error.why}") from None
    deliveries |= zip((i for i, _ in others), create_for_endpoints([each for _, each in others]), strict=True)
    return [deliveries[i] for i in range(len(messages))]


def _ad_hoc(workspace_id: UUID, message: Message, common: dict[str, Any]) -> AdHoc:
    return AdHoc(
        workspace_id=workspace_id,
        url=message.url,
        method=message.method,
        headers=message.headers,
        body=message.body,
        content_type=message.content_type,
        auth=message.auth,
        secret=message.secret,
        timeout_seconds=message.timeout_seconds,
        retry_policy=message.retry_policy,
        rank=message.rank,
        idempotency_key=message.idempotency_key,
        **common,
    )


def _to_endpoint(endpoint: Endpoint, message: Message, common: dict[str, Any]) -> ToEndpoint:
    return ToEndpoint(
        endpoint=endpoint,
        body=message.body,
        content_type=message.content_type,
        rank=message.rank,
        idempotency_key=message.idempotency_key,
        **common,
    )


def _await(execution: Execution, run: NodeRun, deliveries: Sequence[Delivery]) -> None:
    """Write the attempt's wait for these deliveries, unless it has one."""
    ids = [delivery.pk for delivery in deliveries]
    # A key may name an existing delivery that no node run waits for.
    Delivery.objects.filter(pk__in=ids, awaited=False).update(awaited=True)
    attempt = {"execution": execution, "node_id": run.node_id, "run_index": run.run_index, "attempt": run.attempt}
    following = _next_to_end(ids)
    wait = Wait(
        **attempt, kind=WaitKind.DELIVERY, delivery_id=following or ids[-1], deliveries=[str(each) for each in ids]
    )
    if following is None:
        wait.resolved_at, wait.outcome = timezone.now(), outcome_of(wait)
    Wait.objects.bulk_create([wait], ignore_conflicts=True)


# --- ends -----------------------------------------------------------------------------------------------------------


_ended: deque[UUID] = deque()


def on_deliveries_ended(ended: Collection[Delivery]) -> None:
    """Resume the node runs that wait for these deliveries, in a thread of this process. The sweep resumes any that
    are missed."""
    _ended.extend(delivery.pk for delivery in ended)
    after_commit.deliveries_have_ended()


def resume_ended() -> None:
    """Resolve the waits for the deliveries that have ended."""
    ids = [_ended.popleft() for _ in range(min(len(_ended), BATCH))]
    rows = Wait.objects.filter(delivery_id__in=ids, resolved_at__isnull=True).order_by("pk")
    for wait_id in list(rows.values_list("pk", flat=True)):
        _resolve_or_follow(wait_id)
    if _ended:
        after_commit.deliveries_have_ended()


def sweep() -> int:
    """Resolve the waits whose delivery has ended or was deleted. Returns how many there were."""
    with connection.cursor() as cursor:
        # A subquery: for a join the planner would read all deliveries.
        cursor.execute(
            "SELECT w.id FROM executions_wait w WHERE w.delivery_id IS NOT NULL AND w.resolved_at IS NULL AND"
            " (SELECT d.ended_at IS NULL FROM webhooks_delivery d WHERE d.id = w.delivery_id) IS NOT TRUE LIMIT %s",
            [BATCH],
        )
        wait_ids = [wait_id for (wait_id,) in cursor.fetchall()]
    for wait_id in wait_ids:
        try:
            _resolve_or_follow(wait_id)
        except Exception:
            logger.exception("wait for deliveries not resolved; the next sweep tries again", extra={"wait_id": wait_id})
    return len(wait_ids)


@transaction.atomic
def _resolve_or_follow(wait_id: UUID) -> None:
    """Resolve the wait if all its deliveries have ended; otherwise follow the one that will probably end last."""
    unlocked = Wait.objects.filter(pk=wait_id, resolved_at__isnull=True).first()
    if unlocked is None:
        return
    # Lock the execution before the wait, as everywhere.
    _locked(unlocked.execution_id)
    wait = Wait.objects.select_for_update().get(pk=wait_id)
    if wait.resolved_at is not None:
        return
    following = _next_to_end([UUID(each) for each in wait.deliveries or []])
    if following is not None:
        wait.delivery_id = following
        wait.save(update_fields=["delivery_id"])
        return
    try:
        waits.resolve(wait_id, outcome_of(wait))
    except waits.NotWaiting:  # its execution has ended
        wait.resolved_at = timezone.now()
        wait.save(update_fields=["resolved_at"])


def _next_to_end(ids: Sequence[UUID]) -> UUID | None:
    """Return the delivery with the latest next attempt; None if all have ended.

    Its row is locked, so that it cannot end before this transaction commits: a later end finds the wait.
    """
    rows = Delivery.objects.filter(pk__in=ids, ended_at__isnull=True).order_by("-due_at", "-id")
    with connection.cursor() as cursor:
        while (delivery_id := rows.values_list("pk", flat=True).first()) is not None:
            cursor.execute(
                "SELECT ended_at IS NULL FROM webhooks_delivery WHERE id = %s FOR SHARE",
                [delivery_id],
            )
            if cursor.fetchone() == (True,):
                return UUID(str(delivery_id))
    return None


def outcome_of(wait: Wait) -> dict[str, Any]:
    """Return how the deliveries of a wait ended, in their order: `{"deliveries": [about]}`."""
    ids = wait.deliveries or []
    rows = {str(each.pk): each for each in Delivery.objects.filter(pk__in=ids).defer("body", "sealed")}
    return {"deliveries": [about(rows[each]) if each in rows else gone(each) for each in ids]}
