"""Creates replays: the events of a filter are numbered from 1 to n once, so a sequence always means the same event."""

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
from events.history.scanning import Scan, ScanPosition
from events.replay import jobs, reading, receivers
from events.replay.control import CannotControlReplay, settle
from events.replay.models import Replay, ReplayMode, ReplayTarget
from events.replay.receivers import EndpointTarget
from events.replay.unwatched import make_room
from events.replay.url_target import UrlTarget
from workflow_platform.core.accounts.models import Role, User, Workspace
from workflow_platform.core.outbound.addresses import shown_url

SEARCH_SECONDS = 20
"""The time limit of the search for the events of a filter."""


class CannotReplay(Exception):
    """A replay cannot be created. `field` names the cause in the request."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class TooManyReplays(Exception):
    """The user has REPLAY_MAX_PER_USER unfinished replays."""


@dataclass(frozen=True, slots=True)
class ReplayPace:
    """The pace of a replay."""

    mode: ReplayMode = ReplayMode.SPEED
    speed: float = 1.0
    delay_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """A request for a replay. `shown` is the filter as the user gave it."""

    filter: EventFilter
    shown: dict[str, Any]
    pace: ReplayPace = field(default_factory=ReplayPace)
    endpoint: UrlTarget | None = None
    receiver_id: UUID | None = None
    """Without endpoint and receiver_id: the stream `replay:<id>`."""

    @property
    def target(self) -> ReplayTarget:
        """Return the target of the events."""
        return ReplayTarget.STREAM if self.endpoint is None and self.receiver_id is None else ReplayTarget.ENDPOINT


def create(request: ReplayRequest, by: User | None) -> Replay:
    """Create a replay of the events that match the filter now, and start it.

    It contains only events that the user may see; to an endpoint, only of workspaces in which they are an editor. None
    as the user is an operator, without restrictions. Raises CannotReplay, TooManyReplays, UnknownEventType, BadPattern.
    """
    with transaction.atomic():
        if by is not None:
            _check_number(by)
        receiver = _receiver(request.receiver_id, by)
        scoped = request.filter if by is None else _scoped(request.filter, by, request.target is ReplayTarget.ENDPOINT)
        if receiver is not None:
            scoped = replace(scoped, workspaces=[receiver.workspace_id], installation=False)
        replay = Replay.objects.create(
            created_by=by,
            filter=request.shown,
            mode=request.pace.mode,
            speed=request.pace.speed,
            delay_ms=request.pace.delay_ms,
            target=request.target,
            expires_at=Now(),
            **_of_endpoint(request.endpoint),
            **({} if receiver is None else {"receiver_id": receiver.id, "url": receiver.url}),
        )
        numbered = _number_events(replay.pk, scoped, request.pace)
        replay.total, replay.duration_ms, replay.first_time = numbered.total, numbered.duration_ms, numbered.first_time
        replay.workspace_ids = numbered.workspace_ids
        replay.with_installation = numbered.with_installation
        try:
            settle(replay, reading.database_now())
        except CannotControlReplay as error:
            raise CannotReplay(str(error), error.field) from None
        replay.save()
        if replay.next_at is not None:
            transaction.on_commit(lambda: jobs.enqueue([replay.pk]))
    return replay


def _receiver(receiver_id: UUID | None, by: User | None) -> EndpointTarget | None:
    target = None if receiver_id is None else receivers.port().find_endpoint(receiver_id, by)
    if target is None and receiver_id is not None:
        raise CannotReplay("The endpoint does not exist, or you are not an editor of its workspace.", "target.endpoint")
    return target


def _check_number(by: User) -> None:
    # Of two simultaneous requests of one user, the second waits for the commit of the first.
    locked = User.objects.select_for_update().filter(pk=by.pk).annotate(at=Now()).get()
    make_room(by, locked.at, settings.REPLAY_MAX_PER_USER)
    unfinished = Replay.objects.filter(created_by=by).unfinished(locked.at).count()
    if unfinished >= settings.REPLAY_MAX_PER_USER:
        raise TooManyReplays(
            f"You have {unfinished} unfinished replays that are watched or being sent, the maximum"
            " (REPLAY_MAX_PER_USER). Cancel one first."
        )


def _scoped(filter_: EventFilter, by: User, to_endpoint: bool) -> EventFilter:
    role = Role.EDITOR if to_endpoint else Role.VIEWER
    visible = list(Workspace.objects.visible_to(by, role).order_by().values_list("pk", flat=True))
    return replace(filter_, workspaces=visible, installation=by.is_active and by.is_staff)


def _of_endpoint(endpoint: UrlTarget | None) -> dict[str, Any]:
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
    ReplayMode.SPEED: "floor(extract(epoch FROM at - min(at) OVER ()) * 1000)::bigint",
    ReplayMode.DELAY: "(n - 1) * %(delay)s::bigint",
    ReplayMode.AT_ONCE: "0::bigint",
}
# Within a stream events keep their sequence, even if a later one has an earlier time. Between streams the order is by
# time, and then as in history over all streams.
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
_NOW = ScanPosition(None, 2**62, backwards=False)
"""All events that are committed now. No cursor continues from here, so later commits are not missed."""


def _number_events(replay_id: UUID, filter_: EventFilter, pace: ReplayPace) -> _Numbered:
    """Write the positions of the events. Raises CannotReplay if there are too many or the search takes too long;
    UnknownEventType, BadPattern."""
    query = filter_.query()
    if query is None:
        return _Numbered(0, 0, None, [], False)
    where = "".join(f" AND {term}" for term in (*query.conditions.days, *query.conditions.rows))
    source, values = query.roots.source(Scan(_COLUMNS, where, _NOW.order(), "LIMIT %(most)s + 1", _NOW))
    most = settings.REPLAY_MAX_EVENTS
    statement = _NUMBER.format(columns=_COLUMNS, source=source, offset=_OFFSETS[pace.mode])
    values |= query.conditions.values | {"replay": replay_id, "most": most, "delay": pace.delay_ms or 0}
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {SEARCH_SECONDS * 1000}")
            cursor.execute(statement, values)
            numbered = _Numbered(*cursor.fetchone())
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise CannotReplay(
            f"The search for the events took more than {SEARCH_SECONDS} s. Narrow the filter by execution, workflow,"
            " since or until.",
            "filter",
        ) from None
    if numbered.total > most:
        raise CannotReplay(
            f"The filter matches more than {most} events (REPLAY_MAX_EVENTS). Narrow it by execution, workflow, types,"
            " since or until.",
            "filter",
        )
    return numbered
