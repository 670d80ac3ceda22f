"""The stream `replay:<id>`: the events that are due after a watcher's cursor.

No process runs a replay. Its row defines what is due at any moment, so any web process can read it for a watcher, and a
watcher that reconnects continues at its cursor.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from events.log.reading import StreamState
from events.replay import reading
from events.replay.clock import Clock
from events.replay.models import REPLAY, Replay, ReplayStatus, ReplayTarget
from events.replay.reading import ENDED, ReplayPosition
from workflow_platform.core.accounts.models import User

MAX_PAGE = 1000
SHORTEST_WAIT = 0.02
"""Events closer together than this are sent together."""
_NAME = re.compile(rf"{REPLAY}([0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}})")


@dataclass(frozen=True, slots=True)
class ReplayState(StreamState):
    """The state of a replay's stream: `head` is the last event that is due now."""

    replay_id: UUID
    created_by: int | None
    workspace_ids: frozenset[str]
    with_installation: bool

    def may_be_seen(self, user: int | None, workspace_ids: Collection[str], staff: bool) -> bool:
        """Return what `ReplayQuerySet.visible_to` decides for a user who may see these workspaces now."""
        own = self.created_by is not None and self.created_by == user
        allowed = self.workspace_ids <= set(workspace_ids) and (staff or not self.with_installation)
        return allowed and (own or bool(self.workspace_ids))


@dataclass(frozen=True, slots=True)
class Due:
    """The events to send after a cursor."""

    events: list[tuple[int, str, str]] = field(default_factory=list)
    """(sequence, type, envelope as JSON text), in sequence."""
    through: int = 0
    """The last sequence that was read: the watcher's new cursor."""
    rewound_to: int | None = None
    """The replay was rewound: the watcher's cursor is set back to here."""
    next_in: float | None = None
    """Seconds until there is more; None: not until the replay is changed."""
    ended: bool = False
    paused: bool = False
    removed: bool = False
    """Some of the events were removed by retention."""
    revision: int = 0
    facts: dict[str, Any] | None = None
    """The frame with the state of the replay, if it was changed."""


def replay_id_of(stream: str) -> UUID | None:
    """Return the id of the replay of a stream; None for other streams."""
    match = _NAME.fullmatch(stream)
    return UUID(match[1]) if match else None


def states(user: User | object, names: Collection[str]) -> dict[str, ReplayState]:
    """Return the states of replay streams that the user may see, by name."""
    ids = [replay_id for name in names if (replay_id := replay_id_of(name))]
    if not ids:
        return {}
    now = reading.database_now()
    rows = Replay.objects.visible_to(user).filter(pk__in=ids, target=ReplayTarget.STREAM)
    return {row.stream: _state(row, now) for row in rows}


def _state(replay: Replay, now: datetime) -> ReplayState:
    return ReplayState(
        id=0,
        name=replay.stream,
        workspace_id=None,
        head=reading.snapshot(replay, now).sequence,
        removed_through=0,
        created_at=replay.created_at,
        ended_at=None,
        removed_at=None,
        replay_id=replay.pk,
        created_by=replay.created_by_id,
        workspace_ids=frozenset(map(str, replay.workspace_ids)),
        with_installation=replay.with_installation,
    )


def page(replay_id: UUID, after: int, limit: int, types: Collection[str] | None, head: int) -> list[str]:
    """Return the envelopes of up to `limit` events after a sequence, up to `head`, as JSON texts."""
    loaded = reading.load(replay_id)
    if loaded is None:
        return []
    following = reading.positions(replay_id, after, min(limit, MAX_PAGE))
    positions = [position for position in following if position.sequence <= head]
    events = reading.events_at(positions)
    return [
        reading.envelope_text(loaded[0], sequence, event)
        for sequence, event in events.items()
        if types is None or event.type in types
    ]


def due(
    replay_id: UUID,
    after: int,
    limit: int = 500,
    *,
    types: Collection[str] | None = None,
    revision: int | None = None,
    now: datetime | None = None,
) -> Due:
    """Return the events that are due after a sequence, and when there will be more.

    `revision` is the one of the watcher's last read, None at first; `now` defaults to the database's time.
    """
    loaded = reading.load(replay_id)
    if loaded is None:
        return Due(through=after, ended=True)
    replay, at = loaded[0], now or loaded[1]
    rewound_to = _rewound_to(replay, after, revision)
    after = after if rewound_to is None else rewound_to
    state = reading.snapshot(replay, at).state
    ahead = [] if state is ReplayStatus.EXPIRED else reading.positions(replay.pk, after, min(limit, MAX_PAGE) + 1)
    now_due = [position for position in ahead[:limit] if replay.clock.is_due(position.sequence, position.offset_ms, at)]
    events = reading.events_at(now_due)
    through = now_due[-1].sequence if now_due else after
    return Due(
        events=[
            (sequence, event.type, reading.envelope_text(replay, sequence, event))
            for sequence, event in events.items()
            if types is None or event.type in types
        ],
        through=through,
        rewound_to=rewound_to,
        next_in=_next_in(replay.clock, ahead, through, at),
        ended=state in ENDED and (through >= replay.total or state is not ReplayStatus.COMPLETED),
        paused=state is ReplayStatus.PAUSED,
        removed=len(events) < len(now_due),
        revision=replay.revision,
        facts=reading.facts(replay, at) if replay.revision != revision else None,
    )


def _rewound_to(replay: Replay, after: int, revision: int | None) -> int | None:
    """Return the watcher's new cursor if the replay was rewound since the watcher's last read."""
    if revision is None or revision >= replay.rewind_revision or after <= replay.rewind_sequence:
        return None
    return replay.rewind_sequence


def _next_in(clock: Clock, ahead: list[ReplayPosition], through: int, now: datetime) -> float | None:
    following = next((position for position in ahead if position.sequence > through), None)
    if following is None:
        return None
    if clock.is_due(following.sequence, following.offset_ms, now):
        return 0.0
    seconds = clock.seconds_until(following.offset_ms, now)
    return None if seconds is None else max(SHORTEST_WAIT, seconds)
