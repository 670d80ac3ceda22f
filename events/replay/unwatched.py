"""Ends replays to a stream that have lost their watchers, so that they do not pile up.

Each watcher notes from time to time that the replay is watched. A page that is closed needs no message for this.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from events.replay import reading
from events.replay.control import CannotControlReplay, Command, apply_command
from events.replay.models import Replay, ReplayTarget
from workflow_platform.core.accounts.models import User

logger = logging.getLogger(__name__)

NOTED_FOR = timedelta(seconds=10)
"""How long a note lasts that a replay is watched."""
LEFT_AFTER = timedelta(minutes=2)
"""A replay without watchers ends after this time: a page that is reloaded, or has lost its connection, comes back."""
NEVER_WATCHED_AFTER = timedelta(minutes=15)
"""A replay that has had no watcher ends after this time."""
MAKE_ROOM_AFTER = timedelta(seconds=30)
"""When its creator has reached the limit, a replay without watchers ends after this time."""
BATCH = 100


def note_watched(replay_id: UUID) -> None:
    """Record that a replay has a watcher."""
    noted_long_ago = Q(watched_at__isnull=True) | Q(watched_at__lt=Now() - NOTED_FOR)
    Replay.objects.filter(noted_long_ago, pk=replay_id).update(watched_at=Now())


def end_unwatched() -> int:
    """End the replays that were left. Returns how many."""
    now = reading.database_now()
    left = Q(watched_at__lt=now - LEFT_AFTER)
    never = Q(watched_at__isnull=True, created_at__lt=now - NEVER_WATCHED_AFTER)
    rows = Replay.objects.unfinished(now).filter(left | never, target=ReplayTarget.STREAM)
    return sum(_end(replay_id) for replay_id in rows.order_by("id").values_list("pk", flat=True)[:BATCH])


def make_room(user: User, now: datetime, most: int) -> None:
    """End replays of a user that have no watcher, the oldest first, until there is room for one more of `most`."""
    unfinished = Replay.objects.filter(created_by=user).unfinished(now)
    before = now - MAKE_ROOM_AFTER
    idle = Q(watched_at__lt=before) | Q(watched_at__isnull=True, created_at__lt=before)
    rows = unfinished.filter(idle, target=ReplayTarget.STREAM).order_by("id").values_list("pk", flat=True)
    for replay_id in rows[: max(0, unfinished.count() + 1 - most)]:
        _end(replay_id)


def _end(replay_id: UUID) -> bool:
    try:
        apply_command(replay_id, Command("cancel"), None)
    except CannotControlReplay:  # it ended meanwhile
        return False
    return True
