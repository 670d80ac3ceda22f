"""Recovers deliveries of lost workers and wakes the workers. Runs in the scheduler."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from webhooks import dispatcher
from webhooks.models import AttemptOutcome, DeliveryAttempt, DeliveryStatus
from webhooks.sending import claiming, outcomes
from workflow_platform.core import jobs
from workflow_platform.core.outbound.addresses import shown_url
from workflow_platform.core.telemetry import exporting

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 500
MOST_LOSSES = 20
"""A delivery fails after its worker was lost this often: the delivery itself may kill the workers."""
MOST_JOBS_WAITING = 20
LOST = "The worker was lost during the attempt. The receiver may have received the request."

NEXT_DUE = f"""
SELECT LEAST(({claiming.NEXT_DUE}),
  (SELECT min(lease_expires_at) FROM webhooks_delivery WHERE status = 'sending'))
"""  # noqa: S608 - constants of ours
"""When `sweep` has something to do, as SQL."""


def sweep() -> int:
    """Make the deliveries of lost workers pending again, and wake the workers if something is due.

    Returns how many leases had expired.
    """
    lost = _recover_lost()
    claiming.open_missing_lanes()
    if claiming.is_something_due() and jobs.waiting(dispatcher.KIND) < MOST_JOBS_WAITING:
        dispatcher.wake()
    return lost


@dataclass(frozen=True, slots=True)
class _Lost:
    """A delivery whose worker was lost."""

    id: UUID
    workspace_id: UUID | None
    endpoint_id: UUID | None
    attempts_made: int
    seen_at: datetime
    """When the lease was last renewed, which is about when the attempt started."""
    cancel_requested: bool
    awaited: bool
    url: str
    losses: int
    is_of_trace: bool

    @property
    def status(self) -> DeliveryStatus:
        if self.cancel_requested:
            return DeliveryStatus.CANCELLED
        return DeliveryStatus.FAILED if self.losses + 1 >= MOST_LOSSES else DeliveryStatus.PENDING


def _recover_lost() -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOST, [settings.LEASE_SECONDS, MOST_AT_ONCE])
        lost = [_Lost(*row) for row in cursor.fetchall()]
        if not lost:
            return 0
        now = timezone.now()
        DeliveryAttempt.objects.bulk_create([_attempt(each, now) for each in lost])
        cursor.execute(
            _GIVE_BACK,
            {"ids": [each.id for each in lost], "statuses": [str(each.status) for each in lost], "error": LOST},
        )
    logger.warning(
        "%d delivery attempts lost: their worker stopped while it sent; deliveries with attempts left are sent again",
        len(lost),
        extra={"count": len(lost)},
    )
    outcomes.notify_ended([each.id for each in lost if each.awaited and each.status != DeliveryStatus.PENDING])
    return len(lost)


def _attempt(lost: _Lost, now: datetime) -> DeliveryAttempt:
    return DeliveryAttempt(
        workspace_id=lost.workspace_id,
        delivery_id=lost.id,
        endpoint_id=lost.endpoint_id,
        number=lost.attempts_made,
        outcome=AttemptOutcome.LOST,
        started_at=lost.seen_at,
        url=shown_url(lost.url),
        error_class="lost",
        error=LOST,
        next_attempt_at=now if lost.status == DeliveryStatus.PENDING else None,
        span_due=lost.is_of_trace and exporting.is_on(),
    )


_LOST = """
SELECT d.id, d.workspace_id, d.endpoint_id, d.attempts_made, d.lease_expires_at - make_interval(secs => %s),
  d.cancel_requested, d.awaited, COALESCE(NULLIF(d.url, ''), e.url, ''),
  (SELECT count(*) FROM webhooks_deliveryattempt a WHERE a.delivery_id = d.id AND a.outcome = 'lost'),
  d.execution_id IS NOT NULL AND d.origin IN ('event', 'node')
FROM webhooks_delivery d LEFT JOIN webhooks_endpoint e ON e.id = d.endpoint_id
WHERE d.status = 'sending' AND d.lease_expires_at < statement_timestamp()
ORDER BY d.lease_expires_at LIMIT %s FOR NO KEY UPDATE OF d SKIP LOCKED
"""
# A lost attempt does not count for the retry policy, since it may have succeeded.
_GIVE_BACK = """
UPDATE webhooks_delivery d SET status = n.status, due_at = clock_timestamp(), lease_expires_at = NULL,
  ended_at = CASE WHEN n.status <> 'pending' THEN clock_timestamp() END, lease_token = d.lease_token + 1,
  attempts_before = d.attempts_before + 1, error = %(error)s
FROM unnest(%(ids)s::uuid[], %(statuses)s::text[]) AS n(id, status) WHERE d.id = n.id
"""
