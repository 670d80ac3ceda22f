"""The jobs and the sweep of replays to endpoints and URLs, and the expiry of all replays."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Now

from events.replay import receivers
from events.replay.models import Replay, ReplayEvent, ReplayStatus
from workflow_platform.core import jobs

KIND = "replay"
QUEUED_GRACE = timedelta(seconds=5)
"""A queued job that no worker takes within this time is queued again."""
KEPT = timedelta(days=30)
"""The row of an expired replay is kept this long without its events."""
BATCH = 200
SWEEP_SECONDS = 1.0
NEXT_DUE = f"""
SELECT min(CASE WHEN queued_at IS NULL OR queued_at < next_at THEN next_at
  ELSE queued_at + interval '{QUEUED_GRACE.total_seconds()} seconds' END)
FROM events_replay WHERE next_at IS NOT NULL AND state = 'running'
"""  # noqa: S608 - constants of ours
"""When `sweep_due` has something to do, as SQL."""


def enqueue(ids: Collection[UUID]) -> None:
    """Queue a job for each replay, which continues at its position."""
    if ids:
        jobs.enqueue(KIND, ids)


def sweep_due() -> int:
    """Queue a job for each replay whose next step is due and that has no job. Returns how many."""
    unqueued = Q(queued_at__isnull=True) | Q(queued_at__lte=Now() - QUEUED_GRACE) | Q(queued_at__lt=F("next_at"))
    due = Replay.objects.filter(unqueued, next_at__lte=Now(), state=ReplayStatus.RUNNING).order_by("next_at")
    ids = list(due.values_list("pk", flat=True)[:BATCH])
    if ids:
        Replay.objects.filter(pk__in=ids).update(queued_at=Now())
        enqueue(ids)
    return len(ids)


def sweep_expired() -> int:
    """Expire replays, and delete rows that expired long ago, for at most a second. Returns how many expired."""
    until = time.monotonic() + SWEEP_SECONDS
    over = Replay.objects.filter(expires_at__lte=Now())
    ids = list(over.exclude(state=ReplayStatus.EXPIRED).values_list("pk", flat=True)[:BATCH])
    done = 0
    for replay_id in ids:
        if time.monotonic() > until:
            break
        ReplayEvent.objects.filter(replay_id=replay_id)._raw_delete(connection.alias)
        Replay.objects.filter(pk=replay_id, ended_at__isnull=True).update(ended_at=F("expires_at"))
        _withdraw_delivery(replay_id)
        Replay.objects.filter(pk=replay_id).update(
            state=ReplayStatus.EXPIRED, next_at=None, secrets=None, delivery_id=None
        )
        done += 1
    over.filter(expires_at__lte=Now() - KEPT).order_by().delete()
    return done


def _withdraw_delivery(replay_id: UUID) -> None:
    delivery_id = Replay.objects.values_list("delivery_id", flat=True).get(pk=replay_id)
    if delivery_id is not None:
        receivers.port().withdraw(delivery_id, "The replay has expired.")
