"""Whoever may, changes a replay: one row, one lock; those who watch hear of it at once, in every process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.dateparse import parse_datetime

from events.replay import jobs, reading
from events.replay.models import Mode, Replay, State, Target
from events.replay.reading import Standing, standing
from events.replay.watching import replay_id_of
from events.streaming import publisher
from events.streaming.stream_kinds import ControlError
from events.streaming.viewer import NOT_FOUND
from workflow_platform.core.accounts.models import Role, User

logger = logging.getLogger(__name__)

SLOWEST, FASTEST = 0.01, 1000.0
LONGEST = timedelta(days=31)
"""How long a replay may take."""
HINT = "stream.replay"
"""The type of the group message that tells watchers of a change."""
ACTIONS = ("pause", "resume", "seek", "speed", "cancel")


class CannotControl(Exception):
    """The replay's state does not allow it, or a value makes no sense: then `field` names it."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody wants of a replay."""

    action: str
    """One of ACTIONS."""
    sequence: int | None = None
    """seek: everything up to this event is due, 0 for none."""
    offset_ms: float | None = None
    """seek: so long after the first event."""
    time: datetime | None = None
    """seek: to the original time."""
    paused: bool | None = None
    """seek: and stand still there, or go on; None: as before."""
    speed: float | None = None


def order(replay_id: UUID, command: Command, by: User | None) -> Replay:
    """Change a replay as commanded. Who may is for the caller to check. Raises CannotControl."""
    with transaction.atomic():
        found = reading.load(replay_id, lock=True)
        if found is None:
            raise CannotControl("The replay is gone.")
        replay, now = found
        before = standing(replay, now)
        if before.state in {State.CANCELLED, State.EXPIRED}:
            raise CannotControl(f"It is {before.state}.")
        _COMMANDS[command.action](replay, before, command)
        settle(replay, now)
        replay.save()
        transaction.on_commit(lambda: _changed(replay))
    logger.info("replay %s: %s by %s", replay.pk, _in_words(command), by.pk if by else "an operator")
    return replay


def settle(replay: Replay, now: datetime) -> None:
    """Set what follows from a changed clock. Raises CannotControl if it would take too long."""
    replay.revision += 1
    replay.anchor_at = now
    running = replay.state == State.RUNNING
    if running or replay.state == State.PAUSED:
        replay.ended_at = None
    replay.finishes_at = replay.clock.moment_of(replay.duration_ms)
    if replay.finishes_at and replay.finishes_at - now > LONGEST:
        days = (replay.finishes_at - now).days
        raise CannotControl(f"At this speed it takes {days} days; at most {LONGEST.days} are allowed.", "speed")
    replay.expires_at = max(now, replay.finishes_at or now) + timedelta(hours=settings.REPLAY_KEEP_HOURS)
    if replay.target == Target.ENDPOINT:
        replay.next_at = now if running else None
        replay.queued_at = now if running else None


def _changed(replay: Replay) -> None:
    message = {"type": HINT, "stream": replay.stream, "revision": replay.revision}
    publisher.send_messages([(publisher.group_of(replay.stream), message)])
    if replay.next_at is not None:
        jobs.enqueue([replay.pk])


# --- the commands ----------------------------------------------------------------------------------------------------


def _stand(replay: Replay, before: Standing) -> None:
    """Let the clock go on from where it stands."""
    offset = before.offset_ms
    if replay.target == Target.ENDPOINT:  # it may lag behind its clock
        offset = min(offset, float(reading.offset_of(replay.pk, before.sequence + 1) or replay.duration_ms))
    replay.anchor_offset_ms, replay.anchor_sequence = offset, before.sequence


def _pause(replay: Replay, before: Standing, command: Command) -> None:
    if before.state not in {State.RUNNING, State.PAUSED}:
        raise CannotControl(f"It is {before.state}: there is nothing to pause.")
    _stand(replay, before)
    replay.state = State.PAUSED


def _resume(replay: Replay, before: Standing, command: Command) -> None:
    if before.state is State.COMPLETED:
        raise CannotControl("It is completed: seek first.")
    _stand(replay, before)
    replay.state, replay.error, replay.attempt = State.RUNNING, "", 0


def _speed(replay: Replay, before: Standing, command: Command) -> None:
    speed = command.speed
    if replay.mode == Mode.AT_ONCE:
        raise CannotControl("A replay of everything at once has no speed.", "speed")
    if speed is None or not SLOWEST <= speed <= FASTEST:
        raise CannotControl(f"A speed is a number from {SLOWEST} to {FASTEST:g}.", "speed")
    _stand(replay, before)
    replay.speed = speed


def _seek(replay: Replay, before: Standing, command: Command) -> None:
    sequence, offset = _destination(replay, command)
    if sequence < before.sequence:
        replay.rewind_revision, replay.rewind_sequence = replay.revision + 1, sequence
    replay.anchor_sequence, replay.anchor_offset_ms = sequence, offset
    if command.paused is not None and before.state is not State.FAILED:
        replay.state = State.PAUSED if command.paused else State.RUNNING
    if replay.target == Target.ENDPOINT:
        replay.position, replay.attempt = sequence, 0
        if replay.state == State.COMPLETED:
            replay.state = State.RUNNING


def _destination(replay: Replay, command: Command) -> tuple[int, float]:
    """Return where a seek leads, as (sequence, offset)."""
    if command.sequence is not None:
        if not 0 <= command.sequence <= replay.total:
            raise CannotControl(f"A sequence is a number from 0 to {replay.total}.", "sequence")
        return command.sequence, float(reading.offset_of(replay.pk, command.sequence))
    if command.time is not None:
        if replay.mode != Mode.SPEED or replay.first_time is None:
            raise CannotControl("Times exist only in a replay at the original pace: give a sequence.", "time")
        wanted = (command.time - replay.first_time).total_seconds() * 1000
    elif command.offset_ms is not None:
        wanted = command.offset_ms
    else:
        raise CannotControl("Say where to: sequence, offset_ms or time.", "sequence")
    offset = min(max(0.0, wanted), float(replay.duration_ms))
    return (reading.sequence_at(replay.pk, offset) if wanted >= 0 else 0), offset


def _cancel(replay: Replay, before: Standing, command: Command) -> None:
    _stand(replay, before)
    replay.state = State.CANCELLED
    replay.ended_at = replay.at  # type: ignore[attr-defined]


_COMMANDS: dict[str, Callable[[Replay, Standing, Command], None]] = {
    "pause": _pause,
    "resume": _resume,
    "seek": _seek,
    "speed": _speed,
    "cancel": _cancel,
}


def _in_words(command: Command) -> str:
    values = (command.sequence, command.offset_ms, command.time, command.speed, command.paused and "paused")
    return " ".join([command.action, *(str(value) for value in values if value is not None)])


# --- from a socket ---------------------------------------------------------------------------------------------------


def control(user: User | object, stream: str, frame: dict[str, Any]) -> ControlError | None:
    """Do what a control frame says, if the user may: its maker, or an editor of all its workspaces."""
    replay_id = replay_id_of(stream)
    seen = Replay.objects.visible_to(user).filter(target=Target.STREAM)
    if replay_id is None or not isinstance(user, User) or not seen.filter(pk=replay_id).exists():
        return ControlError("not_found", NOT_FOUND)
    if not Replay.objects.visible_to(user, Role.EDITOR).filter(pk=replay_id).exists():
        return ControlError("forbidden", "Only its maker, or an editor of the workspace, may do this.")
    try:
        order(replay_id, _command(frame), user)
    except CannotControl as error:
        named = f"`{error.field}`: " if error.field else ""
        return ControlError("bad_frame", f"{named}{error}")
    return None


def _command(frame: dict[str, Any]) -> Command:
    sequence, offset, speed = frame.get("sequence"), frame.get("offset_ms"), frame.get("speed")
    if sequence is not None and (not isinstance(sequence, int) or isinstance(sequence, bool)):
        raise CannotControl("A sequence is a whole number.", "sequence")
    for name, value in (("offset_ms", offset), ("speed", speed)):
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
            raise CannotControl("A number is needed.", name)
    if frame.get("type") not in ACTIONS:
        raise CannotControl(f"It is one of {', '.join(ACTIONS)}.", "type")
    paused = frame.get("paused")
    if paused is not None and not isinstance(paused, bool):
        raise CannotControl("It is true or false.", "paused")
    return Command(frame["type"], sequence, offset, _moment(frame.get("time")), paused, speed)


def _moment(text: object) -> datetime | None:
    if text is None:
        return None
    try:
        found = parse_datetime(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise CannotControl("A time is like 2026-11-24T22:00:00Z.", "time")
    return found
