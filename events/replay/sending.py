"""A replay to an endpoint: one POST for each event, a CloudEvent, in order and at the replay's pace. One that names a
receiver by its id hands each event over instead, and has done with it.

A job sends for a while and leaves a later one to go on. It holds a lease, kept alive while it works; the position is
saved after each delivery, so that when a worker dies the next one repeats at most the event that was under way.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from events.log.cloud_events import CONTENT_TYPE, cloud_event
from events.log.recorded import RecordedEvent
from events.replay import jobs, reading, receivers
from events.replay.models import Replay, ReplayQuerySet, State
from workflow_platform.core import leases, outbound
from workflow_platform.core.outbound import OutboundCancelled, OutboundFailed, OutboundRefused
from workflow_platform.core.secrets import encryption
from workflow_platform.core.secrets.secret_names import masked_text

logger = logging.getLogger(__name__)

SLICE_SECONDS = 20.0
"""A job goes on for so long, then makes room for others."""
PATIENCE_SECONDS = 2.0
"""For the next event a job waits so long; the sweep wakes another one when more time has passed."""
LOOK_SECONDS = 0.2
TIMEOUT_SECONDS = 15.0
MAX_ATTEMPTS = 5
FIRST_DELAY, LONGEST_DELAY = 0.5, 60.0
MAX_ANSWER_BYTES = 64 * 1024
SECRET_PREFIX = "whsec_"  # noqa: S105 - how a secret in Base64 is told


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the events go, and what only the receiver may know."""

    url: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    secret: str = field(default="", repr=False)

    def sealed(self) -> bytes:
        """Return URL, headers and secret, encrypted."""
        held = {"url": self.url, "headers": self.headers, "secret": self.secret}
        return encryption.encrypt(orjson.dumps(held))

    @classmethod
    def of(cls, replay: Replay) -> Endpoint:
        """Return that of a replay. Raises encryption.CannotDecrypt."""
        found = orjson.loads(encryption.decrypt(bytes(replay.secrets or b"")))
        return cls(found.get("url") or replay.url, found["headers"], found["secret"])


def key_of(secret: str) -> bytes:
    """Return the key that a signing secret means: Base64 after `whsec_`, else its own bytes. Raises ValueError."""
    if secret.startswith(SECRET_PREFIX):
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    return secret.encode()


def body_of(replay: Replay, sequence: int, event: RecordedEvent) -> bytes:
    """Return the event as a CloudEvent that is marked as replayed."""
    original = {"originalstream": event.stream, "originalsequence": event.sequence}
    return cloud_event(event.forwarded(), replay.stream, sequence, replay=True, **original).encode()


def headers_of(replay: Replay, endpoint: Endpoint, sequence: int, body: bytes, at: datetime) -> dict[str, str]:
    """Return the request's headers: the endpoint's, those of Standard Webhooks, and the mark."""
    message_id, stamp = f"{replay.pk}.{sequence}", str(int(at.timestamp()))
    ours = {
        "Content-Type": CONTENT_TYPE,
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "x-replay": str(replay.pk),
    }
    if endpoint.secret:
        signed = f"{message_id}.{stamp}.".encode() + body
        digest = hmac.new(key_of(endpoint.secret), signed, hashlib.sha256).digest()
        ours["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return endpoint.headers | ours


# --- the job ---------------------------------------------------------------------------------------------------------


def send(replay_id: UUID, stop: threading.Event) -> None:
    """Deliver what is due of a replay, until nothing is for a while, it is changed, or `stop` is set."""
    token = _claim(replay_id)
    if token is None:
        return
    try:
        with leases.kept(f"replay {replay_id}", lambda: _renew(replay_id, token)) as lost:
            until = time.monotonic() + SLICE_SECONDS
            while not stop.is_set() and not lost.is_set() and _step(replay_id, token, stop, lost):
                if time.monotonic() > until:
                    break
    finally:
        # Whoever has something left to send is found by its `next_at`.
        Replay.objects.filter(pk=replay_id, lease_token=token).update(lease_expires_at=None, queued_at=None)
        if Replay.objects.filter(pk=replay_id, lease_token=token, state=State.RUNNING, next_at__lte=Now()).exists():
            jobs.sweep_due()


def _claim(replay_id: UUID) -> int | None:
    """Take the lease. Returns its token; None if somebody else holds it, or there is nothing to send."""
    free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=Now())
    found = Replay.objects.filter(free, pk=replay_id, state=State.RUNNING, next_at__lte=Now(), expires_at__gt=Now())
    lease = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    if not found.update(lease_token=F("lease_token") + 1, lease_expires_at=lease):
        return None
    return Replay.objects.values_list("lease_token", flat=True).get(pk=replay_id)


def _renew(replay_id: UUID, token: int) -> bool:
    lease = Now() + timedelta(seconds=settings.LEASE_SECONDS)
    return bool(Replay.objects.filter(pk=replay_id, lease_token=token).update(lease_expires_at=lease))


def _step(replay_id: UUID, token: int, stop: threading.Event, lost: threading.Event) -> bool:
    """Deliver the next event, or wait a little for it. Returns whether to go on."""
    found = reading.load(replay_id)
    if found is None:
        return False
    replay, now = found
    if replay.state != State.RUNNING or replay.lease_token != token:
        return False
    ahead = reading.places(replay.pk, replay.position, 1)
    if not ahead:
        _mine(replay, token).filter(position=replay.position).update(
            state=State.COMPLETED, ended_at=Now(), next_at=None, anchor_sequence=F("total"),
            anchor_offset_ms=F("duration_ms"),
        )  # fmt: skip
        return False
    (place,) = ahead
    if not replay.clock.is_due(place.sequence, place.offset_ms, now):
        wait = replay.clock.seconds_until(place.offset_ms, now) or 0.0
        if wait > PATIENCE_SECONDS:
            _mine(replay, token).update(next_at=now + timedelta(seconds=wait))
            return False
        stop.wait(min(wait, LOOK_SECONDS))  # in short steps: it may be paused meanwhile
        return True
    event = reading.events_at(ahead).get(place.sequence)
    if event is None:  # removed by retention
        return _advance(replay, token, place.sequence)
    return _deliver(replay, token, place.sequence, event, now, lost)


def _deliver(
    replay: Replay, token: int, sequence: int, event: RecordedEvent, now: datetime, lost: threading.Event
) -> bool:
    if replay.receiver_id is not None:
        return _hand_over(replay, replay.receiver_id, token, sequence, event)
    connection.close()  # none is held while the receiver thinks
    try:
        endpoint = Endpoint.of(replay)
        body = body_of(replay, sequence, event)
        answer = outbound.send(
            "POST",
            endpoint.url,
            headers=headers_of(replay, endpoint, sequence, body, now),
            body=body,
            timeout_seconds=TIMEOUT_SECONDS,
            max_body_bytes=MAX_ANSWER_BYTES,
            cancelled=lost,
            repeatable=True,  # `webhook-id` tells the receiver
        )
    except OutboundCancelled:
        return False
    except (OutboundRefused, encryption.CannotDecrypt) as error:
        return _fail(replay, token, sequence, str(error))
    except OutboundFailed as error:
        return _retry(replay, token, sequence, masked_text(str(error).replace(endpoint.url, replay.url)))
    if 200 <= answer.status < 300:
        return _advance(replay, token, sequence)
    if answer.status == 410:
        return _fail(replay, token, sequence, "The endpoint answered 410: it is gone.")
    return _retry(replay, token, sequence, f"The endpoint answered {answer.status}.")


def _hand_over(replay: Replay, receiver_id: UUID, token: int, sequence: int, event: RecordedEvent) -> bool:
    """Give the event to who takes it over, with the position in one transaction: each is given once."""
    try:
        with transaction.atomic():
            if _at(replay, token, sequence).update(**_delivered(sequence)):
                receivers.give(receiver_id, event)
    except receivers.Gone as error:
        return _fail(replay, token, sequence, str(error))
    return True


def _advance(replay: Replay, token: int, sequence: int) -> bool:
    """Save that an event has been delivered, unless somebody has sought elsewhere meanwhile."""
    _at(replay, token, sequence).update(**_delivered(sequence))
    return True


def _at(replay: Replay, token: int, sequence: int) -> ReplayQuerySet:
    return _mine(replay, token).filter(position=sequence - 1)


def _delivered(sequence: int) -> dict[str, Any]:
    kept = Now() + timedelta(hours=settings.REPLAY_KEEP_HOURS)
    return {"position": sequence, "attempt": 0, "error": "", "expires_at": Greatest("expires_at", kept)}


def _retry(replay: Replay, token: int, sequence: int, why: str) -> bool:
    """Have the event sent again after a while; the replay fails when that was tried often enough."""
    attempt = replay.attempt + 1
    if attempt >= MAX_ATTEMPTS:
        return _fail(replay, token, sequence, why)
    delay = retry_delay(attempt)
    failed = _mine(replay, token).filter(position=sequence - 1, state=State.RUNNING, revision=replay.revision)
    failed.update(attempt=attempt, error=why, next_at=Now() + timedelta(seconds=delay))
    return False


def retry_delay(attempt: int) -> float:
    """Return the seconds before the next attempt: doubled each time, half of it by chance."""
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** (attempt - 1))
    return longest * (0.5 + random.random() / 2)  # noqa: S311 - spreads retries, hides nothing


def _fail(replay: Replay, token: int, sequence: int, why: str) -> bool:
    logger.warning("replay %s: failed at event %d: %s", replay.pk, sequence, why)
    failed = _mine(replay, token).filter(position=sequence - 1, state=State.RUNNING, revision=replay.revision)
    failed.update(
        state=State.FAILED, error=why, next_at=None, ended_at=Now(), anchor_sequence=sequence - 1,
        anchor_offset_ms=reading.offset_of(replay.pk, sequence),
    )  # fmt: skip
    return False


def _mine(replay: Replay, token: int) -> ReplayQuerySet:
    return Replay.objects.filter(pk=replay.pk, lease_token=token)
