"""Which events a filter means."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from events import reading
from events.event_types import CATALOGUE, UnknownEventType
from events.models import EXECUTION, FEED, WORKFLOW
from events.partitions import first_id
from events.reading import CLOCK_SLACK


@dataclass(frozen=True, slots=True)
class EventFilter:
    types: Collection[str] = ()
    sources: Collection[str] = ()
    workflow: UUID | None = None
    execution: UUID | None = None
    streams: Collection[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    workspaces: Collection[UUID] | None = ()
    installation: bool = False


def matching_types(patterns: Collection[str]) -> frozenset[str]:
    found: set[str] = set()
    for pattern in patterns:
        fitting = {name for name in CATALOGUE if fnmatchcase(name, pattern)}
        if not fitting:
            raise UnknownEventType(f"No event type fits {pattern!r}.")
        found |= fitting
    return frozenset(found)


def conditions(wanted: EventFilter) -> tuple[str, list[Any]]:
    """Return the condition and its values. Raises UnknownEventType."""
    said: list[str] = ["TRUE"]
    values: list[Any] = []

    def add(condition: str, *given: Any) -> None:
        said.append(condition)
        values.extend(given)

    if wanted.workspaces is not None:
        ours = "e.workspace_id = ANY(%s)"
        add(f"({ours} OR e.workspace_id IS NULL)" if wanted.installation else ours, list(wanted.workspaces))
    elif not wanted.installation:
        add("e.workspace_id IS NOT NULL")
    if wanted.types:
        add("e.type = ANY(%s)", sorted(matching_types(wanted.types)))
    if wanted.sources:
        add("e.source LIKE ANY(%s)", [_like(pattern).replace("*", "%") for pattern in wanted.sources])
    if wanted.workflow:
        add("e.workflow_id = %s", wanted.workflow)
    if wanted.execution:
        add("e.execution_id = %s", wanted.execution)
        _add_stream(f"{EXECUTION}{wanted.execution}", add)
    if wanted.streams:
        shown = [_shown_in(name) for name in wanted.streams]
        add("(" + " OR ".join(condition for condition, _ in shown) + ")", *(v for _, given in shown for v in given))
    if wanted.since:
        add("e.time >= %s AND e.id >= %s", wanted.since, first_id(wanted.since - CLOCK_SLACK))
    if wanted.until:
        add("e.time < %s", wanted.until)
    if wanted.text:
        add("e.data::text ILIKE %s", f"%{_like(wanted.text)}%")
    return " AND ".join(said), values


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _add_stream(name: str, add: Any) -> None:
    state = reading.states([name]).get(name)
    if state is None:
        add("FALSE")
        return
    add("e.stream_id = %s AND e.id >= %s", state.id, first_id(state.created_at - CLOCK_SLACK))
    if state.ended_at is not None:
        add("e.id < %s", first_id(state.ended_at + CLOCK_SLACK))


def _shown_in(name: str) -> tuple[str, list[Any]]:
    if name == FEED:
        return "e.feed_sequence IS NOT NULL", []
    if name.startswith(WORKFLOW):
        return "(e.workflow_id::text = %s AND e.workflow_sequence IS NOT NULL)", [name.removeprefix(WORKFLOW)]
    state = reading.states([name]).get(name)
    return ("e.stream_id = %s", [state.id]) if state else ("FALSE", [])
