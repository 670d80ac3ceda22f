"""The stream of a user: it tells their open pages that notifications have come, or were read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from events import log
from events.catalogue.stream_names import USER
from events.log import NewEvent
from events.log.models import Stream
from executions.models import Notification

SOURCE = "executions.notifications"
MOST_IDS = 100


def name_of(user_id: int) -> str:
    """Return the name of a user's stream."""
    return f"{USER}{user_id}"


def announce(rows: Sequence[Notification]) -> None:
    """Append `notification.created` for each of them, inside the caller's transaction."""
    streams = _streams({row.recipient_id for row in rows})
    created = [
        _event(streams[row.recipient_id], "created", {"notification": str(row.pk), "kind": str(row.kind)})
        for row in rows
    ]
    if created:
        log.append(created)


def announce_read(user_id: int, ids: Sequence[str], through: str | None) -> None:
    """Append `notification.read`, inside the caller's transaction."""
    stream = _streams([user_id])[user_id]
    log.append([_event(stream, "read", {"notifications": list(ids)[:MOST_IDS], "through": through})])


def _event(stream: int, kind: str, data: dict[str, Any]) -> NewEvent:
    return NewEvent(stream, f"notification.{kind}", data, SOURCE)


def _streams(users: Collection[int]) -> dict[int, int]:
    """Return the ids of the streams of users. Those that were created in bulk get theirs now."""
    names = {name_of(user): user for user in users}
    found = dict(Stream.objects.filter(name__in=names).values_list("name", "pk"))
    for name in sorted(names.keys() - found.keys()):
        found[name] = log.open_stream(name, None).pk
    return {user: found[name] for name, user in names.items()}
