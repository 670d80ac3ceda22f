"""The stream `replay:<id>`: what is due after a watcher's cursor.

No process runs a replay. Its row says what is due at any moment, so whoever watches reads that, through whatever web
process, and a watcher that comes back goes on from its cursor.
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
from events.replay.models import REPLAY, Replay, State, Target
from events.replay.reading import ENDED, Place
from workflow_platform.core.accounts.models import User

MAX_PAGE = 1000
SHORTEST_WAIT = 0.02
"""Events closer to each other than this go out together."""
_NAME = re.compile(rf"{REPLAY}([0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}})")


@dataclass(frozen=True, slots=True)
class ReplayState(StreamState):
    """Where a replay's stream stands: `head` is the last event that is due now."""

    replay_id: UUID
    created_by: int | None
    workspace_ids: frozenset[str]
    with_installation: bool

    def may_be_seen(self, user: int | None, workspace_ids: Collection[str], staff: bool) -> bool:
        """Tell the same as `ReplayQuerySet.visible_to` of somebody who may see these workspaces now."""
        own = self.created_by is not None and self.created_by == user
        theirs = self.workspace_ids <= set(workspace_ids) and (staff or not self.with_installation)
        return theirs and (own or bool(self.workspace_ids))


@dataclass(frozen=True, slots=True)
class Due:
    """What there is to send after a cursor."""

    events: list[tuple[int, str, str]] = field(default_factory=list)
    """(sequence, type, envelope as JSON text), in sequence."""
    through: int = 0
    """The last sequence that was looked at: the watcher's cursor from now on."""
    rewound_to: int | None = None
    """The replay was set back: the watcher holds everything up to here, and what comes begins after it."""
    next_in: float | None = None
    """Seconds until there is more; None: not before somebody changes the replay."""
    ended: bool = False
    paused: bool = False
    removed: bool = False
    """Some of the events exist no more."""
    revision: int = 0
    facts: dict[str, Any] | None = None
    """The frame that says where the replay stands, whenever somebody has changed that."""


def replay_id_of(stream: str) -> UUID | None:
    """Return the replay that a stream's name means; None for any other name."""
    found = _NAME.fullmatch(stream)
    return UUID(found[1]) if found else None


def states(user: User | object, names: Collection[str]) -> dict[str, ReplayState]:
    """Return where those replays' streams stand that the user may see, by name; others are left out."""
    ids = [found for name in names if (found := replay_id_of(name))]
    if not ids:
        return {}
    now = reading.database_now()
    rows = Replay.objects.visible_to(user).filter(pk__in=ids, target=Target.STREAM)
    return {row.stream: _state(row, now) for row in rows}


def _state(replay: Replay, now: datetime) -> ReplayState:
    return ReplayState(
        id=0,
        name=replay.stream,
        workspace_id=None,
        head=reading.standing(replay, now).sequence,
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
    """Return the envelopes of up to `limit` events after a sequence, none of them beyond `head`, as JSON texts."""
    found = reading.load(replay_id)
    if found is None:
        return []
    wanted = [place for place in reading.places(replay_id, after, min(limit, MAX_PAGE)) if place.sequence <= head]
    events = reading.events_at(wanted)
    return [
        reading.envelope_text(found[0], sequence, event)
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
    """Return what is due after a sequence, and when there will be more.

    `revision` is that of the watcher's last answer, None at first; `now` is the database's time unless given.
    """
    found = reading.load(replay_id)
    if found is None:
        return Due(through=after, ended=True)
    replay, at = found[0], now or found[1]
    rewound_to = _rewound_to(replay, after, revision)
    after = after if rewound_to is None else rewound_to
    state = reading.standing(replay, at).state
    ahead = [] if state is State.EXPIRED else reading.places(replay.pk, after, min(limit, MAX_PAGE) + 1)
    now_due = [place for place in ahead[:limit] if replay.clock.is_due(place.sequence, place.offset_ms, at)]
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
        ended=state in ENDED and (through >= replay.total or state is not State.COMPLETED),
        paused=state is State.PAUSED,
        removed=len(events) < len(now_due),
        revision=replay.revision,
        facts=reading.facts(replay, at) if replay.revision != revision else None,
    )


def _rewound_to(replay: Replay, after: int, revision: int | None) -> int | None:
    """Return where the watcher's cursor goes if the replay was set back since the watcher's last answer."""
    if revision is None or revision >= replay.rewind_revision or after <= replay.rewind_sequence:
        return None
    return replay.rewind_sequence


def _next_in(clock: Clock, ahead: list[Place], through: int, now: datetime) -> float | None:
    following = next((place for place in ahead if place.sequence > through), None)
    if following is None:
        return None
    if clock.is_due(following.sequence, following.offset_ms, now):
        return 0.0
    seconds = clock.seconds_until(following.offset_ms, now)
    return None if seconds is None else max(SHORTEST_WAIT, seconds)
