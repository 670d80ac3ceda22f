"""What is taken back, and what is sent again."""

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

_STILL_TOLD = sorted({*TERMINAL, "execution.cancel_requested"})
"""Who was to hear of an execution is to hear of its end as well."""
MAX_REASON = 500
MOST_NAMED = 100


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What became of the deliveries of executions."""

    withdrawn: int = 0
    """They were not sent yet, or failed to arrive up to now, and are cancelled."""
    sent: int = 0
    """They had arrived."""
    sending: int = 0
    """They are under way at this moment: they may arrive, and are not tried again."""
    left: list[UUID] = field(default_factory=list)
    """Which those two are, up to MOST_NAMED."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What became of deliveries that were to be cancelled; those that had ended are in neither."""

    cancelled: list[UUID]
    requested: list[UUID]
    """Under way at this moment: they may arrive, and are not tried again."""


# Rows are locked in one order, whoever does it, so that nobody waits in a circle.
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
  AND d.status IN ('delivered', 'failed', 'cancelled')
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
    """Cancel what these executions caused and what has not arrived: their events' deliveries, and their nodes'.

    Not those that tell of the cancellation and of the end, nor what people sent by hand. In the caller's transaction,
    the one that cancels the executions, or in one of its own.
    """
    if not execution_ids:
        return Withdrawn()
    which = "execution_id = ANY(%(executions)s::uuid[]) AND origin = ANY(%(origins)s) AND event_type <> ALL(%(told)s)"
    values: dict[str, Any] = {
        "executions": list(execution_ids),
        "origins": [Origin.EVENT.value, Origin.NODE.value],
        "told": _STILL_TOLD,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        taken = _take_back(which, values, reason, None)
        cursor.execute(
            f"SELECT id, count(*) OVER () FROM webhooks_delivery WHERE {which} AND status = 'delivered'"  # noqa: S608
            " ORDER BY id LIMIT %(most)s",
            values | {"most": MOST_NAMED},
        )
        arrived = cursor.fetchall()
        left = [*taken.requested, *(pk for pk, _ in arrived)][:MOST_NAMED]
        return Withdrawn(len(taken.cancelled), arrived[0][1] if arrived else 0, len(taken.requested), left)


def cancel(
    deliveries: Sequence[Delivery | UUID], reason: str = "Cancelled.", operation_id: UUID | None = None
) -> Cancelled:
    """Cancel deliveries that have not ended. Those that are being sent are not tried again.

    In the caller's transaction, or in one of its own.
    """
    return _take_back("id = ANY(%(ids)s::uuid[])", {"ids": _ids(deliveries)}, reason, operation_id)


def redeliver(deliveries: Sequence[Delivery | UUID], operation_id: UUID | None = None) -> list[UUID]:
    """Have deliveries that have ended sent again, now, with the same `webhook-id` and all their attempts anew.

    Returns which: not those that have not ended, nor those whose endpoint was deleted. In the caller's transaction, or
    in one of its own.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_REDELIVER, {"ids": _ids(deliveries), "operation": operation_id})
        found = [pk for (pk,) in cursor.fetchall()]
        if found:
            dispatcher.wake_on_commit()
    return found


def _take_back(which: str, values: dict[str, Any], reason: str, operation_id: UUID | None) -> Cancelled:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _TAKE_BACK.format(which=which), values | {"reason": reason[:MAX_REASON], "operation": operation_id}
        )
        rows = cursor.fetchall()
        if awaited := [pk for pk, status, awaited in rows if awaited and status == "cancelled"]:
            transaction.on_commit(lambda: outcomes.tell_of_ends(awaited))
    by_status = {wanted: [pk for pk, status, _ in rows if status == wanted] for wanted in ("cancelled", "sending")}
    return Cancelled(by_status["cancelled"], by_status["sending"])


def _ids(deliveries: Sequence[Delivery | UUID]) -> list[UUID]:
    return [each.pk if isinstance(each, Delivery) else each for each in deliveries]
