"""Replays are made: the events of a filter are numbered 1..n once, so that a sequence always means the same event."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from psycopg.errors import QueryCanceled

from events.history.event_filter import EventFilter
from events.history.scanning import Reach, ScanPosition
from events.replay import jobs, reading, receivers
from events.replay.control import CannotControl, settle
from events.replay.models import Mode, Replay, Target
from events.replay.receivers import Receiver
from events.replay.sending import Endpoint
from workflow_platform.core.accounts.models import Role, User, Workspace
from workflow_platform.core.outbound.addresses import shown_url

SEARCH_SECONDS = 20
"""So long the events of a filter may be looked for."""


class CannotReplay(Exception):
    """Why a replay cannot be made; `field` says what is wrong with what was asked for."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class TooManyReplays(Exception):
    """The user has as many unfinished replays as one may have."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast events follow each other."""

    mode: Mode = Mode.SPEED
    speed: float = 1.0
    delay_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for. `shown` is the filter as they put it."""

    filter: EventFilter
    shown: dict[str, Any]
    pace: Pace = field(default_factory=Pace)
    endpoint: Endpoint | None = None
    receiver_id: UUID | None = None
    """None of both: the stream `replay:<id>`."""

    @property
    def target(self) -> Target:
        """Return where the events go."""
        return Target.STREAM if self.endpoint is None and self.receiver_id is None else Target.ENDPOINT


def create(wanted: Wanted, by: User | None) -> Replay:
    """Make a replay of what the filter means now, and start it.

    A user's replay holds only what they may see; to an endpoint, only of workspaces whose editor they are. None is an
    operator, whose filter is taken as it is. Raises CannotReplay, TooManyReplays, UnknownEventType, BadPattern.
    """
    with transaction.atomic():
        if by is not None:
            _check_number(by)
        receiver = _receiver(wanted.receiver_id, by)
        scoped = wanted.filter if by is None else _scoped(wanted.filter, by, wanted.target is Target.ENDPOINT)
        if receiver is not None:
            scoped = replace(scoped, workspaces=[receiver.workspace_id], installation=False)
        replay = Replay.objects.create(
            created_by=by,
            filter=wanted.shown,
            mode=wanted.pace.mode,
            speed=wanted.pace.speed,
            delay_ms=wanted.pace.delay_ms,
            target=wanted.target,
            expires_at=Now(),
            **_of_endpoint(wanted.endpoint),
            **({} if receiver is None else {"receiver_id": receiver.id, "url": receiver.url}),
        )
        found = _number_events(replay.pk, scoped, wanted.pace)
        replay.total, replay.duration_ms, replay.first_time = found.total, found.duration_ms, found.first_time
        replay.workspace_ids = found.workspace_ids
        replay.with_installation = found.with_installation
        try:
            settle(replay, reading.database_now())
        except CannotControl as error:
            raise CannotReplay(str(error), error.field) from None
        replay.save()
        if replay.next_at is not None:
            transaction.on_commit(lambda: jobs.enqueue([replay.pk]))
    return replay


def _receiver(receiver_id: UUID | None, by: User | None) -> Receiver | None:
    found = None if receiver_id is None else receivers.find(receiver_id, by)
    if found is None and receiver_id is not None:
        raise CannotReplay("There is no such endpoint, or you may not send to it.", "target.endpoint")
    return found


def _check_number(by: User) -> None:
    # Two requests of one user at once: the second waits for the first one's commit.
    locked = User.objects.select_for_update().filter(pk=by.pk).annotate(at=Now()).get()
    unfinished = Replay.objects.filter(created_by=by).unfinished(locked.at).count()
    if unfinished >= settings.REPLAY_MAX_PER_USER:
        raise TooManyReplays(
            f"You have {unfinished} replays that are not finished, as many as one may have: cancel some of them"
            " (POST /api/events/replays/{id}/cancel/)."
        )


def _scoped(wanted: EventFilter, by: User, to_endpoint: bool) -> EventFilter:
    role = Role.EDITOR if to_endpoint else Role.VIEWER
    mine = list(Workspace.objects.visible_to(by, role).order_by().values_list("pk", flat=True))
    return replace(wanted, workspaces=mine, installation=by.is_active and by.is_staff)


def _of_endpoint(endpoint: Endpoint | None) -> dict[str, Any]:
    if endpoint is None:
        return {}
    return {
        "url": shown_url(endpoint.url),
        "secrets": endpoint.sealed(),
        "header_names": sorted(endpoint.headers),
        "signed": bool(endpoint.secret),
    }


@dataclass(frozen=True, slots=True)
class _Numbered:
    total: int
    duration_ms: int
    first_time: datetime | None
    workspace_ids: list[UUID]
    with_installation: bool


_OFFSETS = {
    Mode.SPEED: "floor(extract(epoch FROM at - min(at) OVER ()) * 1000)::bigint",
    Mode.DELAY: "(n - 1) * %(delay)s::bigint",
    Mode.AT_ONCE: "0::bigint",
}
# Of one stream, its own sequence comes first: an event that tells of something earlier than the one before it does not
# overtake that one. Between streams it is the time, and then the order over streams.
_NUMBER = """
WITH found AS MATERIALIZED (
    SELECT {columns} FROM {source} LIMIT %(most)s + 1
), timed AS (
    SELECT *, max(time) OVER (PARTITION BY stream_id ORDER BY sequence) AS at FROM found
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY at, transaction, stream_id, sequence) AS n FROM timed
), placed AS (
    SELECT id, n, at, workspace_id, {offset} AS offset_ms FROM numbered
), written AS (
    INSERT INTO events_replayevent (replay_id, sequence, event_id, offset_ms)
    SELECT %(replay)s, n, id, offset_ms FROM placed
)
SELECT count(*), coalesce(max(offset_ms), 0), min(at),
 coalesce(array_agg(DISTINCT workspace_id) FILTER (WHERE workspace_id IS NOT NULL), '{{}}'),
 coalesce(bool_or(workspace_id IS NULL), false) FROM placed
"""


_COLUMNS = "e.id, e.stream_id, e.sequence, e.transaction, e.workspace_id, e.time"
_NOW = ScanPosition(None, 2**62, back=False)
"""All that is committed now: nobody goes on from here, so that what commits later is not missed."""


def _number_events(replay_id: UUID, wanted: EventFilter, pace: Pace) -> _Numbered:
    """Write the places of the events. Raises CannotReplay where there are more than a replay may have, or where they
    are not found in time; UnknownEventType, BadPattern."""
    asked = wanted.question()
    if asked is None:
        return _Numbered(0, 0, None, [], False)
    where = "".join(f" AND {term}" for term in (*asked.conditions.days, *asked.conditions.rows))
    source, values = asked.roots.source(Reach(_COLUMNS, where, _NOW.order(), "LIMIT %(most)s + 1", _NOW))
    most = settings.REPLAY_MAX_EVENTS
    statement = _NUMBER.format(columns=_COLUMNS, source=source, offset=_OFFSETS[pace.mode])
    values |= asked.conditions.values | {"replay": replay_id, "most": most, "delay": pace.delay_ms or 0}
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {SEARCH_SECONDS * 1000}")
            cursor.execute(statement, values)
            found = _Numbered(*cursor.fetchone())
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise CannotReplay(
            f"What it asks for was not found within {SEARCH_SECONDS} s: narrow it, by execution, workflow, since or"
            " until.",
            "filter",
        ) from None
    if found.total > most:
        raise CannotReplay(
            f"It fits more than {most} events, the most that a replay may have (REPLAY_MAX_EVENTS): narrow it, by"
            " execution, workflow, types, since or until.",
            "filter",
        )
    return found
