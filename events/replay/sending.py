"""Sending a replay to an endpoint or a URL: each event becomes a delivery when it is due, in order.

To an endpoint, the delivery and the replay's position are written in one transaction, and the replay continues at once.
To a URL, the replay waits for the end of each delivery before it writes the next one. `advance` does one step under the
lock of the replay's row, so that any number of jobs and processes may call it. Jobs wait for events that are due within
PATIENCE_SECONDS; what is due later is left to the scheduler's sweep (`jobs.sweep_due`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from events.log.cloud_events import CONTENT_TYPE, cloud_event
from events.log.recorded import RecordedEvent
from events.replay import jobs, reading, receivers
from events.replay.models import Replay, ReplayStatus
from events.replay.receivers import CannotDeliver, UrlMessage
from events.replay.url_target import UrlTarget
from workflow_platform.core.secrets import encryption

logger = logging.getLogger(__name__)

SLICE_SECONDS = 4.0
"""A job ends after this time and queues another one: shorter than `jobs.QUEUED_GRACE`, so that no two work at once."""
PATIENCE_SECONDS = 2.0
"""A job waits for the next event up to this long; the sweep queues another job for what is due later."""
LOOK_SECONDS = 0.2
PROGRESS_SECONDS = 2.0
"""How often the progress of a delivery is read, which also makes up for a lost report of its end."""


def send(replay_id: UUID, stop: threading.Event) -> None:
    """Advance a replay until nothing is due for a while, it is changed, or `stop` is set. The work of an RQ job."""
    until = time.monotonic() + SLICE_SECONDS
    while not stop.is_set() and time.monotonic() < until:
        wait = advance(replay_id)
        if wait is None:
            break
        stop.wait(min(wait, LOOK_SECONDS))  # in short steps: the replay may be paused meanwhile
    Replay.objects.filter(pk=replay_id).update(queued_at=None)
    if Replay.objects.filter(pk=replay_id, state=ReplayStatus.RUNNING, next_at__lte=Now()).exists():
        jobs.sweep_due()


def on_deliveries_ended(delivery_ids: Collection[UUID]) -> None:
    """Advance the replays whose deliveries to a URL have ended. Call it after the commit of the ends."""
    waiting = Replay.objects.filter(delivery_id__in=list(delivery_ids))
    for replay_id in list(waiting.values_list("pk", flat=True)):
        if advance(replay_id) is not None:
            jobs.enqueue([replay_id])


def advance(replay_id: UUID) -> float | None:
    """Do the next step of a replay.

    Returns the seconds until the next step, up to PATIENCE_SECONDS; None if the replay has ended or is paused, waits
    for a delivery, or has nothing due soon.
    """
    with transaction.atomic():
        loaded = reading.load(replay_id, lock=True)
        if loaded is None:
            return None
        replay, now = loaded
        wait = _step(replay, now)
        replay.save()
    return wait


def _step(replay: Replay, now: datetime) -> float | None:
    if replay.delivery_id is not None and not _delivery_has_ended(replay, replay.delivery_id, now):
        return None
    if replay.state != ReplayStatus.RUNNING or replay.expires_at <= now:
        return None
    ahead = reading.positions(replay.pk, replay.position, 1)
    if not ahead:
        _complete(replay, now)
        return None
    (position,) = ahead
    if not replay.clock.is_due(position.sequence, position.offset_ms, now):
        wait = replay.clock.seconds_until(position.offset_ms, now) or 0.0
        replay.next_at = now + timedelta(seconds=wait)
        return wait if wait <= PATIENCE_SECONDS else None
    event = reading.events_at(ahead).get(position.sequence)
    if event is None:  # removed by retention
        _pass(replay, position.sequence, now)
        return 0.0
    try:
        return _deliver(replay, position.sequence, event, now)
    except (CannotDeliver, encryption.CannotDecrypt) as error:
        _fail(replay, position.sequence, str(error), now)
        return None


def _deliver(replay: Replay, sequence: int, event: RecordedEvent, now: datetime) -> float | None:
    """Write the delivery of an event. Returns what `advance` does."""
    if replay.receiver_id is not None:
        receivers.port().deliver_to_endpoint(replay.receiver_id, event)
        _pass(replay, sequence, now)
        return 0.0
    message = UrlMessage(
        event, UrlTarget.of(replay), f"{replay.pk}.{sequence}", body_of(replay, sequence, event), CONTENT_TYPE,
        {"x-replay": str(replay.pk)},
    )  # fmt: skip
    replay.delivery_id = receivers.port().deliver_to_url(message)
    replay.delivery_sequence, replay.delivery_revision = sequence, replay.revision
    replay.attempt, replay.error = 0, ""
    replay.next_at = now + timedelta(seconds=PROGRESS_SECONDS)
    return None


def body_of(replay: Replay, sequence: int, event: RecordedEvent) -> str:
    """Return the event as a CloudEvent that is marked as replayed."""
    original = {"originalstream": event.stream, "originalsequence": event.sequence}
    return cloud_event(event.forwarded(), replay.stream, sequence, replay=True, **original)


def _delivery_has_ended(replay: Replay, delivery_id: UUID, now: datetime) -> bool:
    """Take over the progress of the delivery that the replay waits for.

    A delivery that was written before the latest change of the replay does not fail it: the event is delivered again.
    After a seek it does not move the position either.
    """
    progress = receivers.port().progress(delivery_id)
    running = replay.state == ReplayStatus.RUNNING
    if progress is not None and not progress.ended:
        if running:
            replay.attempt, replay.error = progress.failed_attempts, progress.error
            replay.next_at = now + timedelta(seconds=PROGRESS_SECONDS)
        return False
    sequence, unchanged = replay.delivery_sequence, replay.delivery_revision == replay.revision
    replay.delivery_id = None
    if progress is not None and sequence == replay.position + 1:
        if progress.delivered:
            _pass(replay, sequence, now)
        elif running and unchanged:
            _fail(replay, sequence, progress.error, now)
    return True


def _pass(replay: Replay, sequence: int, now: datetime) -> None:
    """Note that the replay has come past an event."""
    replay.position, replay.attempt, replay.error = sequence, 0, ""
    replay.expires_at = max(replay.expires_at, now + timedelta(hours=settings.REPLAY_KEEP_HOURS))


def _complete(replay: Replay, now: datetime) -> None:
    replay.state, replay.ended_at, replay.next_at = ReplayStatus.COMPLETED, now, None
    replay.anchor_sequence, replay.anchor_offset_ms = replay.total, float(replay.duration_ms)


def _fail(replay: Replay, sequence: int, why: str, now: datetime) -> None:
    logger.warning("replay %s: failed at event %d: %s", replay.pk, sequence, why)
    replay.state, replay.error, replay.ended_at, replay.next_at = ReplayStatus.FAILED, why, now, None
    replay.anchor_sequence = sequence - 1
    replay.anchor_offset_ms = float(reading.offset_of(replay.pk, sequence))
