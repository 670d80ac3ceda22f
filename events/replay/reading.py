"""The events of a replay, and where a replay stands."""

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
from events.replay.models import Replay, ReplayEvent, State, Target

ENDED = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.EXPIRED})


class Place(NamedTuple):
    """An event's place in a replay."""

    sequence: int
    event_id: UUID
    offset_ms: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a replay stands."""

    state: State
    sequence: int
    """The last event that is due or, to an endpoint, was delivered."""
    offset_ms: float
    time: datetime | None
    """What the clock showed then: the first event's time and the offset, where the pace is the original one."""


def database_now() -> datetime:
    """Return the database's time, by which all clocks are read."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        (now,) = cursor.fetchone()
    return now  # type: ignore[no-any-return]


def load(replay_id: UUID | str, *, lock: bool = False) -> tuple[Replay, datetime] | None:
    """Return a replay and the database's time; None if there is none."""
    found = Replay.objects.filter(pk=replay_id)
    if lock:
        found = found.select_for_update()
    replay = found.annotate(at=Now()).first()
    return None if replay is None else (replay, replay.at)  # type: ignore[attr-defined]


def places(replay_id: UUID, after: int, limit: int) -> list[Place]:
    """Return up to `limit` places after a sequence, in sequence."""
    found = ReplayEvent.objects.filter(replay=replay_id, sequence__gt=after).order_by("sequence")
    return [Place(*row) for row in found.values_list("sequence", "event_id", "offset_ms")[:limit]]


def events_at(found: Collection[Place]) -> dict[int, RecordedEvent]:
    """Return the events of places by sequence; those that retention has removed meanwhile are left out."""
    by_id = {event.id: event for event in by_ids([place.event_id for place in found])}
    return {place.sequence: by_id[str(place.event_id)] for place in found if str(place.event_id) in by_id}


def sequence_at(replay_id: UUID, offset_ms: float) -> int:
    """Return the last event with at most this offset; 0 if there is none."""
    found = ReplayEvent.objects.filter(replay=replay_id, offset_ms__lte=offset_ms)
    return found.order_by("-offset_ms", "-sequence").values_list("sequence", flat=True).first() or 0


def offset_of(replay_id: UUID, sequence: int) -> int:
    """Return an event's offset in ms; 0 before the first."""
    found = ReplayEvent.objects.filter(replay=replay_id, sequence=sequence)
    return found.values_list("offset_ms", flat=True).first() or 0


def standing(replay: Replay, now: datetime) -> Standing:
    """Return where a replay stands at a moment."""
    offset = min(replay.clock.offset_ms(now), float(replay.duration_ms))
    state = State(replay.state)
    sequence = replay.position
    if replay.target == Target.STREAM:
        sequence = replay.anchor_sequence
        if state is State.RUNNING:
            sequence = max(sequence, sequence_at(replay.pk, offset))
            state = State.COMPLETED if sequence >= replay.total else state
    if replay.expires_at <= now and state not in {State.FAILED, State.CANCELLED}:
        state = State.EXPIRED
    return Standing(state, sequence, offset, _time(replay, offset))


def _time(replay: Replay, offset_ms: float) -> datetime | None:
    if replay.first_time is None or replay.mode != "speed":
        return None
    return replay.first_time + timedelta(milliseconds=offset_ms)


def envelope_text(replay: Replay, sequence: int, event: RecordedEvent) -> str:
    """Return the envelope of an event in the replay's stream as JSON text: marked, and with the place it came from."""
    execution = f'"{event.execution_id}"' if event.execution_id else "null"
    workflow = f'"{event.workflow_id}"' if event.workflow_id else "null"
    return (
        f'{{"id":"{event.id}","type":"{event.type}","source":"{event.source}","stream":"{replay.stream}",'
        f'"sequence":{sequence},"time":"{event.time}","execution_id":{execution},"workflow_id":{workflow},'
        f'"replay":true,"original":{{"stream":"{event.stream}","sequence":{event.sequence}}},"data":{event.payload}}}'
    )


def facts(replay: Replay, now: datetime) -> dict[str, Any]:
    """Return the frame that tells watchers where the replay stands."""
    found = standing(replay, now)
    return {
        "type": "replay",
        "stream": replay.stream,
        "state": found.state.value,
        "sequence": found.sequence,
        "total": replay.total,
        "offset_ms": round(found.offset_ms, 1),
        "duration_ms": replay.duration_ms,
        "speed": replay.speed,
        "mode": replay.mode,
    }
