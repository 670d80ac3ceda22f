"""What lost workers and lost jobs have left: the scheduler's share in sending."""

from __future__ import annotations

import logging
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from webhooks import claiming, dispatch, outcomes
from workflow_platform import jobs

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 500
MOST_LOSSES = 20
"""A delivery whose sender was lost so often is given up: perhaps it is what kills them."""
MOST_JOBS_WAITING = 20


def sweep() -> int:
    """Make pending again what lost workers were sending, and wake the workers if something is due.

    Returns how many leases had run out.
    """
    lost = _take_from_the_lost()
    claiming.open_missing_lanes()
    if claiming.is_something_due() and jobs.waiting(dispatch.KIND) < MOST_JOBS_WAITING:
        dispatch.wake()
    return lost


def _take_from_the_lost() -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOST, {"most": MOST_AT_ONCE, "losses": MOST_LOSSES, "lease": settings.LEASE_SECONDS})
        found: list[tuple[UUID, str, bool]] = cursor.fetchall()
    if found:
        logger.warning("the senders of %d deliveries were lost", len(found))
        outcomes.tell_of_ends([pk for pk, status, awaited in found if awaited and status != "pending"])
    return len(found)


# A lost attempt does not count for the retry policy: nobody knows that it failed. When it began is not known either,
# but that it was under way when the lease was last renewed.
_LOST = """
WITH lost AS (
  SELECT d.*, (SELECT count(*) FROM webhooks_deliveryattempt a WHERE a.delivery_id = d.id AND a.outcome = 'lost')
    AS losses
  FROM webhooks_delivery d WHERE d.status = 'sending' AND d.lease_expires_at < clock_timestamp()
  ORDER BY d.id LIMIT %(most)s FOR NO KEY UPDATE OF d SKIP LOCKED
), attempts AS (
  INSERT INTO webhooks_deliveryattempt (id, workspace_id, delivery_id, endpoint_id, number, outcome, started_at, url,
    request_headers, response_headers, response_body, response_truncated, error_class, error, next_attempt_at)
  SELECT gen_random_uuid(), workspace_id, id, endpoint_id, attempts_made, 'lost',
    lease_expires_at - make_interval(secs => %(lease)s), '', '{}', '{}', '', false, 'lost',
    'The worker was lost; whether it arrived is not known.',
    CASE WHEN losses + 1 < %(losses)s AND NOT cancel_requested THEN clock_timestamp() END
  FROM lost
)
UPDATE webhooks_delivery d SET
  status = CASE WHEN d.cancel_requested THEN 'cancelled' WHEN lost.losses + 1 >= %(losses)s THEN 'failed'
    ELSE 'pending' END,
  ended_at = CASE WHEN d.cancel_requested OR lost.losses + 1 >= %(losses)s THEN clock_timestamp() END,
  due_at = clock_timestamp(), lease_expires_at = NULL, lease_token = d.lease_token + 1,
  attempts_before = d.attempts_before + 1, error = 'The worker was lost; whether it arrived is not known.'
FROM lost WHERE d.id = lost.id
RETURNING d.id, d.status, d.awaited
"""
