"""Streams with events at given times, and people who replay them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.test import Client

from events import log
from events.catalogue.stream_names import EXECUTION
from events.history.event_filter import EventFilter
from events.log import NewEvent
from events.log.recorded import RecordedEvent
from events.replay import reading
from events.replay.creation import ReplayPace, ReplayRequest, create
from events.replay.models import Replay
from events.replay.url_target import UrlTarget
from workflow_platform.core.accounts.models import ApiToken, Membership, Role, User, Workspace

BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)


def after(milliseconds: float, moment: datetime = BEGIN) -> datetime:
    return moment + timedelta(milliseconds=milliseconds)


def person(name: str, role: Role = Role.VIEWER, place: str = "tests") -> User:
    """Return a user with a role in a workspace."""
    user, _ = User.objects.get_or_create(username=name)
    workspace, _ = Workspace.objects.get_or_create(slug=place, defaults={"name": place})
    Membership.objects.update_or_create(user=user, workspace=workspace, defaults={"role": role})
    return user


def record(
    times: Sequence[float], place: str = "tests", execution: UUID | None = None, began: datetime = BEGIN
) -> tuple[UUID, list[RecordedEvent]]:
    """Append events of an execution at so many milliseconds after the beginning. Returns its id, and them."""
    workspace, _ = Workspace.objects.get_or_create(slug=place, defaults={"name": place})
    execution = execution or uuid4()
    stream = log.open_stream(f"{EXECUTION}{execution}", workspace.pk)
    events = []
    for number, at in enumerate(times, 1):
        data: dict[str, Any] = {"level": "info", "message": f"event {number}"}
        new = NewEvent(stream.pk, "execution.log", data, "tests", execution, None, after(at, began))
        with transaction.atomic():
            events += log.append([new])
    return execution, events


def replay_of(
    execution: UUID, by: User | None, pace: ReplayPace | None = None, endpoint: UrlTarget | None = None, **filter: Any
) -> tuple[Replay, datetime]:
    """Make a replay of an execution. Returns it, and when its clock began."""
    wanted = EventFilter(execution=execution, workspaces=None, **filter)
    shown = {"execution": str(execution)}
    replay = create(ReplayRequest(wanted, shown, pace or ReplayPace(), endpoint), by)
    found = reading.load(replay.pk)
    assert found is not None
    return found[0], found[0].anchor_at


class Api:
    """A user's requests, in this very process."""

    def __init__(self, user: User) -> None:
        self.token = ApiToken.issue(user, "test")[1]

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None, key: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
        ask = getattr(Client(), method.lower())
        if method == "GET":
            return ask(path, headers=headers)
        return ask(path, body or {}, content_type="application/json", headers=headers)
