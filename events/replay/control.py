"""Changes replays: pause, resume, seek, speed and cancel. Watchers in all processes are notified at once."""

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

from events.replay import jobs, reading, receivers
from events.replay.models import Replay, ReplayMode, ReplayStatus, ReplayTarget
from events.replay.reading import ReplaySnapshot, snapshot
from events.replay.watching import replay_id_of
from events.streaming import publisher
from events.streaming.stream_kinds import ControlError
from events.streaming.viewer import NOT_FOUND
from workflow_platform.core.accounts.models import Role, User

logger = logging.getLogger(__name__)

SLOWEST, FASTEST = 0.01, 1000.0
LONGEST = timedelta(days=31)
"""The longest duration of a replay."""
HINT = "stream.replay"
"""The type of the group message that notifies watchers of a change."""
ACTIONS = ("pause", "resume", "seek", "speed", "cancel")
_WITHDRAWING = frozenset({"pause", "seek", "cancel"})
"""These actions cancel the current delivery."""


class CannotControlReplay(Exception):
    """The state of the replay does not allow the command, or a value is invalid, which `field` names."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Command:
    """A command to a replay."""

    action: str
    """One of ACTIONS."""
    sequence: int | None = None
    """seek: everything up to this event is due; 0 for none."""
    offset_ms: float | None = None
    """seek: milliseconds after the first event."""
    time: datetime | None = None
    """seek: the original time."""
    paused: bool | None = None
    """seek: pause or run afterwards; None: as before."""
    speed: float | None = None


def apply_command(replay_id: UUID, command: Command, by: User | None) -> Replay:
    """Apply a command to a replay. The caller checks permissions. Raises CannotControlReplay."""
    with transaction.atomic():
        loaded = reading.load(replay_id, lock=True)
        if loaded is None:
            raise CannotControlReplay("The replay no longer exists.")
        replay, now = loaded
        before = snapshot(replay, now)
        if before.state in {ReplayStatus.CANCELLED, ReplayStatus.EXPIRED}:
            raise CannotControlReplay(f"The replay is {before.state} and cannot be changed.")
        _COMMANDS[command.action](replay, before, command)
        if replay.delivery_id is not None and command.action in _WITHDRAWING:
            receivers.port().withdraw(replay.delivery_id, f"The replay was changed: {command.action}.")
        settle(replay, now)
        replay.save()
        transaction.on_commit(lambda: _changed(replay))
    actor = f"user {by.pk}" if by else "an operator"
    fields = {"replay_id": replay.pk, "stream": replay.stream}
    logger.info("replay changed: %s, by %s", _in_words(command), actor, extra=fields)
    return replay


def settle(replay: Replay, now: datetime) -> None:
    """Update the fields that depend on the clock. Raises CannotControlReplay if the replay would take too long."""
    replay.revision += 1
    replay.anchor_at = now
    running = replay.state == ReplayStatus.RUNNING
    if running or replay.state == ReplayStatus.PAUSED:
        replay.ended_at = None
    replay.finishes_at = replay.clock.moment_of(replay.duration_ms)
    if replay.finishes_at and replay.finishes_at - now > LONGEST:
        days = (replay.finishes_at - now).days
        raise CannotControlReplay(
            f"At this speed the replay takes {days} days; at most {LONGEST.days} are allowed. Choose a higher speed.",
            "speed",
        )
    replay.expires_at = max(now, replay.finishes_at or now) + timedelta(hours=settings.REPLAY_KEEP_HOURS)
    if replay.target == ReplayTarget.ENDPOINT:
        replay.next_at = now if running else None
        replay.queued_at = now if running else None


def _changed(replay: Replay) -> None:
    message = {"type": HINT, "stream": replay.stream, "revision": replay.revision}
    publisher.send_messages([(publisher.group_of(replay.stream), message)])
    if replay.next_at is not None:
        jobs.enqueue([replay.pk])


# --- the commands ----------------------------------------------------------------------------------------------------


def _set_anchor(replay: Replay, before: ReplaySnapshot) -> None:
    """Continue the clock from its current position."""
    offset = before.offset_ms
    if replay.target == ReplayTarget.ENDPOINT:  # delivery may lag behind the clock
        offset = min(offset, float(reading.offset_of(replay.pk, before.sequence + 1) or replay.duration_ms))
    replay.anchor_offset_ms, replay.anchor_sequence = offset, before.sequence


def _pause(replay: Replay, before: ReplaySnapshot, command: Command) -> None:
    if before.state not in {ReplayStatus.RUNNING, ReplayStatus.PAUSED}:
        raise CannotControlReplay(f"The replay is {before.state}; only a running one can be paused.")
    _set_anchor(replay, before)
    replay.state = ReplayStatus.PAUSED


def _resume(replay: Replay, before: ReplaySnapshot, command: Command) -> None:
    if before.state is ReplayStatus.COMPLETED:
        raise CannotControlReplay("The replay is completed. Seek to an earlier event first.")
    _set_anchor(replay, before)
    replay.state, replay.error, replay.attempt = ReplayStatus.RUNNING, "", 0


def _speed(replay: Replay, before: ReplaySnapshot, command: Command) -> None:
    speed = command.speed
    if replay.mode == ReplayMode.AT_ONCE:
        raise CannotControlReplay("A replay with at_once has no speed.", "speed")
    if speed is None or not SLOWEST <= speed <= FASTEST:
        raise CannotControlReplay(f"The speed must be a number from {SLOWEST} to {FASTEST:g}.", "speed")
    _set_anchor(replay, before)
    replay.speed = speed


def _seek(replay: Replay, before: ReplaySnapshot, command: Command) -> None:
    sequence, offset = _destination(replay, command)
    if sequence < before.sequence:
        replay.rewind_revision, replay.rewind_sequence = replay.revision + 1, sequence
    replay.anchor_sequence, replay.anchor_offset_ms = sequence, offset
    if command.paused is not None and before.state is not ReplayStatus.FAILED:
        replay.state = ReplayStatus.PAUSED if command.paused else ReplayStatus.RUNNING
    if replay.target == ReplayTarget.ENDPOINT:
        replay.position, replay.attempt = sequence, 0
        if replay.state == ReplayStatus.COMPLETED:
            replay.state = ReplayStatus.RUNNING


def _destination(replay: Replay, command: Command) -> tuple[int, float]:
    """Return the destination of a seek as (sequence, offset)."""
    if command.sequence is not None:
        if not 0 <= command.sequence <= replay.total:
            raise CannotControlReplay(f"The sequence must be from 0 to {replay.total}.", "sequence")
        return command.sequence, float(reading.offset_of(replay.pk, command.sequence))
    if command.time is not None:
        if replay.mode != ReplayMode.SPEED or replay.first_time is None:
            raise CannotControlReplay("Only a replay at the original pace has times. Give a sequence instead.", "time")
        target = (command.time - replay.first_time).total_seconds() * 1000
    elif command.offset_ms is not None:
        target = command.offset_ms
    else:
        raise CannotControlReplay("Give one of sequence, offset_ms and time.", "sequence")
    offset = min(max(0.0, target), float(replay.duration_ms))
    return (reading.sequence_at(replay.pk, offset) if target >= 0 else 0), offset


def _cancel(replay: Replay, before: ReplaySnapshot, command: Command) -> None:
    _set_anchor(replay, before)
    replay.state = ReplayStatus.CANCELLED
    replay.ended_at = replay.at  # type: ignore[attr-defined]


_COMMANDS: dict[str, Callable[[Replay, ReplaySnapshot, Command], None]] = {
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
    """Apply a control frame, if the user created the replay or is an editor of all its workspaces."""
    replay_id = replay_id_of(stream)
    seen = Replay.objects.visible_to(user).filter(target=ReplayTarget.STREAM)
    if replay_id is None or not isinstance(user, User) or not seen.filter(pk=replay_id).exists():
        return ControlError("not_found", NOT_FOUND)
    if not Replay.objects.visible_to(user, Role.EDITOR).filter(pk=replay_id).exists():
        return ControlError(
            "forbidden", "Only the creator of the replay, or an editor of its workspaces, may control it."
        )
    try:
        apply_command(replay_id, _command(frame), user)
    except CannotControlReplay as error:
        field = f"`{error.field}`: " if error.field else ""
        return ControlError("bad_frame", f"{field}{error}")
    return None


def _command(frame: dict[str, Any]) -> Command:
    sequence, offset, speed = frame.get("sequence"), frame.get("offset_ms"), frame.get("speed")
    if sequence is not None and (not isinstance(sequence, int) or isinstance(sequence, bool)):
        raise CannotControlReplay("The sequence must be an integer.", "sequence")
    for name, value in (("offset_ms", offset), ("speed", speed)):
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
            raise CannotControlReplay("The value must be a number.", name)
    if frame.get("type") not in ACTIONS:
        raise CannotControlReplay(f"The type must be one of {', '.join(ACTIONS)}.", "type")
    paused = frame.get("paused")
    if paused is not None and not isinstance(paused, bool):
        raise CannotControlReplay("The value must be true or false.", "paused")
    return Command(frame["type"], sequence, offset, _moment(frame.get("time")), paused, speed)


def _moment(text: object) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parse_datetime(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CannotControlReplay("The time must have the form 2026-11-24T22:00:00Z.", "time")
    return moment
