"""The jobs and sweeps of replays that go to an endpoint, and the end of all replays' time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Now

from events.replay.models import Replay, ReplayEvent, State
from workflow_platform import jobs

KIND = "replay"
QUEUED_GRACE = timedelta(seconds=5)
"""So long a job may take to be taken; then another one is queued."""
KEPT = timedelta(days=30)
"""So long the row of an ended replay is kept, after its events have gone."""
BATCH = 200


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
    """Forget the events of replays whose time is over, and rows that are long ended. Returns how many expired."""
    over = Replay.objects.filter(expires_at__lte=Now())
    ids = list(over.exclude(state=State.EXPIRED).values_list("pk", flat=True)[:BATCH])
    if ids:
        running = Replay.objects.filter(pk__in=ids).exclude(state__in=[State.CANCELLED, State.FAILED, State.COMPLETED])
        running.update(ended_at=Now())
        Replay.objects.filter(pk__in=ids).update(state=State.EXPIRED, next_at=None, secrets=None)
        ReplayEvent.objects.filter(replay_id__in=ids)._raw_delete(connection.alias)
    over.filter(expires_at__lte=Now() - KEPT).order_by().delete()
    return len(ids)
