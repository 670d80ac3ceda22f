"""Deliveries of a node run, and the wait for their ends: each exactly once, whatever process dies in between."""

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


def deliver(run: NodeRun, messages: Sequence[Message], wait: bool) -> list[Delivery]:
    """Make a delivery of each message for a node run, in their order. Raises NodeError.

    A node run that comes again after a crash gets those that it has, by their keys. With `wait` its end is waited for
    from the same transaction on, so that none can end unheard.
    """
    with transaction.atomic():
        # Under the execution's lock: a worker that has lost it sends nothing, and nothing is sent after its end.
        execution = _locked(run.execution_id)
        if execution.status != ExecutionStatus.RUNNING.value or execution.fencing_token != run.execution.fencing_token:
            raise NodeError(NOT_HELD)
        if execution.cancel_requested_at is not None:
            raise NodeError("Cancelled.")
        deliveries = _made(execution, run, messages, wait)
        if wait and deliveries:
            _await(execution, run, deliveries)
    return deliveries


def _locked(execution_id: UUID) -> Execution:
    """Lock the execution's row, and read only the columns that are used: its input can be large."""
    wanted = ("workspace_id", "workflow_id", "status", "fencing_token", "cancel_requested_at")
    return Execution.objects.select_for_update().only(*wanted).get(pk=execution_id)


def _made(execution: Execution, run: NodeRun, messages: Sequence[Message], awaited: bool) -> list[Delivery]:
    common: dict[str, Any] = {
        "execution_id": execution.pk, "workflow_id": execution.workflow_id, "node_id": run.node_id,
        "run_index": run.run_index, "origin": Origin.NODE, "awaited": awaited,
    }  # fmt: skip
    ad_hoc = [(i, _ad_hoc(execution.workspace_id, m, common)) for i, m in enumerate(messages) if m.endpoint is None]
    others = [(i, _to_endpoint(m.endpoint, m, common)) for i, m in enumerate(messages) if m.endpoint is not None]
    found: dict[int, Delivery] = {}
    try:
        found |= zip((i for i, _ in ad_hoc), create_ad_hoc([each for _, each in ad_hoc]), strict=True)
    except BadAdHoc as error:
        raise NodeError(f"parameters.{error.field}: {error.why}") from None
    found |= zip((i for i, _ in others), create_for_endpoints([each for _, each in others]), strict=True)
    return [found[i] for i in range(len(messages))]


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


_heard: deque[UUID] = deque()


def hear(ended: Collection[Delivery]) -> None:
    """Resume node runs that wait for these deliveries, in a thread of this process. The sweep finds those that this
    misses."""
    _heard.extend(delivery.pk for delivery in ended)
    after_commit.deliveries_have_ended()


def go_on_with_what_was_heard() -> None:
    """Resolve the waits for the deliveries that have ended."""
    ids = [_heard.popleft() for _ in range(min(len(_heard), BATCH))]
    found = Wait.objects.filter(delivery_id__in=ids, resolved_at__isnull=True).order_by("pk")
    for wait_id in list(found.values_list("pk", flat=True)):
        _go_on(wait_id)
    if _heard:
        after_commit.deliveries_have_ended()


def sweep() -> int:
    """Resolve the waits whose delivery has ended or was deleted. Returns how many there were."""
    with connection.cursor() as cursor:
        # A subquery, and no join: the planner would read all deliveries for it.
        cursor.execute(
            "SELECT w.id FROM executions_wait w WHERE w.delivery_id IS NOT NULL AND w.resolved_at IS NULL AND"
            " (SELECT d.ended_at IS NULL FROM webhooks_delivery d WHERE d.id = w.delivery_id) IS NOT TRUE LIMIT %s",
            [BATCH],
        )
        found = [wait_id for (wait_id,) in cursor.fetchall()]
    for wait_id in found:
        try:
            _go_on(wait_id)
        except Exception:
            logger.exception("wait for deliveries not resolved; the next sweep tries again", extra={"wait_id": wait_id})
    return len(found)


@transaction.atomic
def _go_on(wait_id: UUID) -> None:
    """Resolve the wait if all of its deliveries have ended, else wait for the one that seems to end last."""
    known = Wait.objects.filter(pk=wait_id, resolved_at__isnull=True).first()
    if known is None:
        return
    # The execution before the wait, as everywhere.
    _locked(known.execution_id)
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
    """Return the delivery of these that is to be tried latest; None if all have ended.

    Its row is locked against an end before this is committed: a transaction that ends it afterwards finds the wait.
    """
    rows = Delivery.objects.filter(pk__in=ids, ended_at__isnull=True).order_by("-due_at", "-id")
    with connection.cursor() as cursor:
        while (found := rows.values_list("pk", flat=True).first()) is not None:
            cursor.execute(
                "SELECT ended_at IS NULL FROM webhooks_delivery WHERE id = %s FOR SHARE",
                [found],
            )
            if cursor.fetchone() == (True,):
                return UUID(str(found))
    return None


def outcome_of(wait: Wait) -> dict[str, Any]:
    """Return how the deliveries of a wait ended, in their order: `{"deliveries": [about]}`."""
    ids = wait.deliveries or []
    there = {str(each.pk): each for each in Delivery.objects.filter(pk__in=ids).defer("body", "sealed")}
    return {"deliveries": [about(there[each]) if each in there else gone(each) for each in ids]}
