"""Cancels, withdraws and redelivers deliveries."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from events.catalogue.event_types import TERMINAL
from webhooks import dispatcher
from webhooks.models import Delivery, Origin
from webhooks.sending import outcomes

_STILL_DELIVERED = sorted({*TERMINAL, "execution.cancel_requested"})
"""Deliveries of these events are not withdrawn: endpoints that saw an execution also see its end."""
MAX_REASON = 500
MOST_NAMED = 100


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The deliveries of executions after a withdrawal."""

    withdrawn: int = 0
    """Cancelled before they arrived."""
    sent: int = 0
    """Already delivered."""
    sending: int = 0
    """In flight: they may arrive, and are not retried."""
    left: list[UUID] = field(default_factory=list)
    """The ids of those two groups, up to MOST_NAMED."""


@dataclass(frozen=True, slots=True)
class CancelResult:
    """The result of a cancellation. Deliveries that had ended are in neither list."""

    cancelled: list[UUID]
    requested: list[UUID]
    """In flight: they may arrive, and are not retried."""


# Rows are locked by id, to avoid deadlocks.
_TAKE_BACK = """
WITH found AS (
 SELECT id, status FROM webhooks_delivery WHERE {which} AND status IN ('pending', 'sending') ORDER BY id FOR UPDATE
)
UPDATE webhooks_delivery d SET
 status = CASE WHEN found.status = 'pending' THEN 'cancelled' ELSE d.status END,
 ended_at = CASE WHEN found.status = 'pending' THEN clock_timestamp() END,
 cancel_requested = found.status = 'sending',
 error = CASE WHEN found.status = 'pending' THEN %(reason)s ELSE d.error END,
 operation_id = COALESCE(%(operation)s::uuid, d.operation_id)
FROM found WHERE d.id = found.id RETURNING d.id, d.status, d.awaited
"""
_REDELIVER = """
WITH found AS (
 SELECT d.id FROM webhooks_delivery d WHERE d.id = ANY(%(ids)s::uuid[])
  AND d.status IN ('delivered', 'failed', 'cancelled') AND NOT (d.origin = 'trace' AND d.body = '')
  AND (d.endpoint_id IS NULL
   OR EXISTS (SELECT 1 FROM webhooks_endpoint e WHERE e.id = d.endpoint_id AND e.deleted_at IS NULL))
 ORDER BY d.id FOR UPDATE OF d
)
UPDATE webhooks_delivery d SET
 status = 'pending', due_at = clock_timestamp(), ended_at = NULL, attempts_before = attempts_made,
 cancel_requested = false, error = '', operation_id = COALESCE(%(operation)s::uuid, d.operation_id)
FROM found WHERE d.id = found.id RETURNING d.id
"""


def withdraw(execution_ids: Collection[UUID], reason: str) -> Withdrawn:
    """Cancel the unsent deliveries of these executions: those of their events and of their nodes.

    Deliveries of the cancellation and of terminal events stay, as do those that people sent. Runs in the transaction
    that cancels the executions, or in its own.
    """
    if not execution_ids:
        return Withdrawn()
    which = (
        "execution_id = ANY(%(executions)s::uuid[]) AND origin = ANY(%(origins)s) AND event_type <> ALL(%(reporting)s)"
    )
    values: dict[str, Any] = {
        "executions": list(execution_ids),
        "origins": [Origin.EVENT.value, Origin.NODE.value],
        "reporting": _STILL_DELIVERED,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        withdrawn = _cancel_deliveries(which, values, reason, None)
        cursor.execute(
            f"SELECT id, count(*) OVER () FROM webhooks_delivery WHERE {which} AND status = 'delivered'"  # noqa: S608
            " ORDER BY id LIMIT %(most)s",
            values | {"most": MOST_NAMED},
        )
        arrived = cursor.fetchall()
        left = [*withdrawn.requested, *(pk for pk, _ in arrived)][:MOST_NAMED]
        return Withdrawn(len(withdrawn.cancelled), arrived[0][1] if arrived else 0, len(withdrawn.requested), left)


def cancel(
    deliveries: Sequence[Delivery | UUID], reason: str = "Cancelled.", operation_id: UUID | None = None
) -> CancelResult:
    """Cancel deliveries that have not ended. Those in flight are not retried.

    Runs in the caller's transaction, or in its own.
    """
    return _cancel_deliveries("id = ANY(%(ids)s::uuid[])", {"ids": _ids(deliveries)}, reason, operation_id)


def redeliver(deliveries: Sequence[Delivery | UUID], operation_id: UUID | None = None) -> list[UUID]:
    """Send deliveries that have ended again now, with the same `webhook-id` and a new set of attempts.

    Returns their ids; those that have not ended, or whose endpoint was deleted, are left out. Runs in the caller's
    transaction, or in its own.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_REDELIVER, {"ids": _ids(deliveries), "operation": operation_id})
        redelivered = [pk for (pk,) in cursor.fetchall()]
        if redelivered:
            dispatcher.wake_on_commit()
    return redelivered


def _cancel_deliveries(which: str, values: dict[str, Any], reason: str, operation_id: UUID | None) -> CancelResult:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _TAKE_BACK.format(which=which), values | {"reason": reason[:MAX_REASON], "operation": operation_id}
        )
        rows = cursor.fetchall()
        if awaited := [pk for pk, status, awaited in rows if awaited and status == "cancelled"]:
            transaction.on_commit(lambda: outcomes.notify_ended(awaited))
    cancelled = [pk for pk, status, _ in rows if status == "cancelled"]
    return CancelResult(cancelled, [pk for pk, status, _ in rows if status == "sending"])


def _ids(deliveries: Sequence[Delivery | UUID]) -> list[UUID]:
    return [each.pk if isinstance(each, Delivery) else each for each in deliveries]
