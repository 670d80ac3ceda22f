"""The jobs and sweeps of replays that go to an endpoint, and the end of all replays' time."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Now

from events.replay.models import Replay, ReplayEvent, State
from workflow_platform.core import jobs

KIND = "replay"
QUEUED_GRACE = timedelta(seconds=5)
"""So long a job may take to be taken; then another one is queued."""
KEPT = timedelta(days=30)
"""So long the row of an ended replay is kept, after its events have gone."""
BATCH = 200
SWEEP_SECONDS = 1.0


def enqueue(ids: Collection[UUID]) -> None:
    """Queue a job for each replay, to be sent from where it stands."""
    if ids:
        jobs.enqueue(KIND, ids)


def sweep_due() -> int:
    """Queue a job for each replay that has something to send, and neither a job nor a worker. Returns how many."""
    free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())
    unqueued = Q(queued_at__isnull=True) | Q(queued_at__lte=Now() - QUEUED_GRACE) | Q(queued_at__lt=F("next_at"))
    found = Replay.objects.filter(free, unqueued, next_at__lte=Now(), state=State.RUNNING).order_by("next_at")
    ids = list(found.values_list("pk", flat=True)[:BATCH])
    if ids:
        Replay.objects.filter(pk__in=ids).update(queued_at=Now())
        enqueue(ids)
    return len(ids)


def sweep_expired() -> int:
    """Forget the events of replays whose time is over, and rows that are long ended, for a second at most. Returns how
    many expired."""
    until = time.monotonic() + SWEEP_SECONDS
    over = Replay.objects.filter(expires_at__lte=Now())
    ids = list(over.exclude(state=State.EXPIRED).values_list("pk", flat=True)[:BATCH])
    done = 0
    for replay_id in ids:
        if time.monotonic() > until:
            break
        ReplayEvent.objects.filter(replay_id=replay_id)._raw_delete(connection.alias)
        Replay.objects.filter(pk=replay_id, ended_at__isnull=True).update(ended_at=F("expires_at"))
        Replay.objects.filter(pk=replay_id).update(state=State.EXPIRED, next_at=None, secrets=None)
        done += 1
    over.filter(expires_at__lte=Now() - KEPT).order_by().delete()
    return done
