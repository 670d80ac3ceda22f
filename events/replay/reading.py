"""Reads the events and the snapshot of a replay."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from events.log.reading import by_ids
from events.log.recorded import RecordedEvent
from events.replay.models import Replay, ReplayEvent, ReplayStatus, ReplayTarget

ENDED = frozenset({ReplayStatus.COMPLETED, ReplayStatus.FAILED, ReplayStatus.CANCELLED, ReplayStatus.EXPIRED})


class ReplayPosition(NamedTuple):
    """The position of an event in a replay."""

    sequence: int
    event_id: UUID
    offset_ms: int


@dataclass(frozen=True, slots=True)
class ReplaySnapshot:
    """The state of a replay at one moment."""

    state: ReplayStatus
    sequence: int
    """The last event that is due or, for an endpoint or URL, was delivered."""
    offset_ms: float
    time: datetime | None
    """The time of the clock: the first event's time plus the offset. Only at the original pace."""


def database_now() -> datetime:
    """Return the database's time, which all clocks use."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        (now,) = cursor.fetchone()
    return now  # type: ignore[no-any-return]


def load(replay_id: UUID | str, *, lock: bool = False) -> tuple[Replay, datetime] | None:
    """Return a replay and the database's time; None if it does not exist."""
    rows = Replay.objects.filter(pk=replay_id)
    if lock:
        rows = rows.select_for_update()
    replay = rows.annotate(at=Now()).first()
    return None if replay is None else (replay, replay.at)  # type: ignore[attr-defined]


def positions(replay_id: UUID, after: int, limit: int) -> list[ReplayPosition]:
    """Return up to `limit` positions after a sequence, in order."""
    rows = ReplayEvent.objects.filter(replay=replay_id, sequence__gt=after).order_by("sequence")
    return [ReplayPosition(*row) for row in rows.values_list("sequence", "event_id", "offset_ms")[:limit]]


def events_at(positions: Collection[ReplayPosition]) -> dict[int, RecordedEvent]:
    """Return the events of positions by sequence, without those that retention has removed."""
    by_id = {event.id: event for event in by_ids([position.event_id for position in positions])}
    return {
        position.sequence: by_id[str(position.event_id)] for position in positions if str(position.event_id) in by_id
    }


def sequence_at(replay_id: UUID, offset_ms: float) -> int:
    """Return the last sequence with at most this offset; 0 if there is none."""
    rows = ReplayEvent.objects.filter(replay=replay_id, offset_ms__lte=offset_ms)
    return rows.order_by("-offset_ms", "-sequence").values_list("sequence", flat=True).first() or 0


def offset_of(replay_id: UUID, sequence: int) -> int:
    """Return an event's offset in ms; 0 before the first."""
    rows = ReplayEvent.objects.filter(replay=replay_id, sequence=sequence)
    return rows.values_list("offset_ms", flat=True).first() or 0


def snapshot(replay: Replay, now: datetime) -> ReplaySnapshot:
    """Return the snapshot of a replay at a moment."""
    offset = min(replay.clock.offset_ms(now), float(replay.duration_ms))
    state = ReplayStatus(replay.state)
    sequence = replay.position
    if replay.target == ReplayTarget.STREAM:
        sequence = replay.anchor_sequence
        if state is ReplayStatus.RUNNING:
            sequence = max(sequence, sequence_at(replay.pk, offset))
            state = ReplayStatus.COMPLETED if sequence >= replay.total else state
    if replay.expires_at <= now and state not in {ReplayStatus.FAILED, ReplayStatus.CANCELLED}:
        state = ReplayStatus.EXPIRED
    return ReplaySnapshot(state, sequence, offset, _time(replay, offset))


def _time(replay: Replay, offset_ms: float) -> datetime | None:
    if replay.first_time is None or replay.mode != "speed":
        return None
    return replay.first_time + timedelta(milliseconds=offset_ms)


def envelope_text(replay: Replay, sequence: int, event: RecordedEvent) -> str:
    """Return the envelope of an event in the replay's stream as JSON text, with its original stream and sequence."""
    execution = f'"{event.execution_id}"' if event.execution_id else "null"
    workflow = f'"{event.workflow_id}"' if event.workflow_id else "null"
    mode = "" if event.is_live else f'"mode":"{event.mode}",'
    return (
        f'{{"id":"{event.id}","type":"{event.type}","source":"{event.source}","stream":"{replay.stream}",'
        f'"sequence":{sequence},"time":"{event.time}","execution_id":{execution},"workflow_id":{workflow},{mode}'
        f'"replay":true,"original":{{"stream":"{event.stream}","sequence":{event.sequence}}},"data":{event.payload}}}'
    )


def facts(replay: Replay, now: datetime) -> dict[str, Any]:
    """Return the frame with the state of the replay for watchers."""
    current = snapshot(replay, now)
    return {
        "type": "replay",
        "stream": replay.stream,
        "state": current.state.value,
        "sequence": current.sequence,
        "total": replay.total,
        "offset_ms": round(current.offset_ms, 1),
        "duration_ms": replay.duration_ms,
        "speed": replay.speed,
        "mode": replay.mode,
    }
