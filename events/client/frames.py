"""Frames of the server, with a check of their shape. docs/asyncapi.yaml specifies them."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

import orjson

Level = Literal["lifecycle", "all"]
Frame = dict[str, Any]


class Event(TypedDict):
    """An event as every interface shows it."""

    id: str
    type: str
    source: str
    stream: str
    sequence: int
    time: str
    execution_id: str | None
    workflow_id: str | None
    data: dict[str, Any]
    mode: NotRequired[str]
    """`test` or `debug`: the mode of the execution. Absent for live executions and other events."""
    replay: NotRequired[bool]
    """Recorded history that is sent again: nothing runs."""


class EventClientError(Exception):
    """The base class of this client's exceptions."""


class ProtocolError(EventClientError):
    """The server sent an invalid frame."""


_NUMBERS = {"subscribed": ("head",), "live": ("sequence",), "degraded": ("sequence",), "end": ("sequence",)}
_OPTIONAL_NUMBERS = ("through", "after", "removed_through")


def parse(raw: str | bytes) -> Frame:
    """Return the frame. Raises ProtocolError; a frame of a type that is not known is none of its business."""
    try:
        frame = orjson.loads(raw) if isinstance(raw, str) else None
    except orjson.JSONDecodeError:
        frame = None
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str) or not _well_formed(frame):
        raise ProtocolError(f"The server sent an invalid frame: {raw[:200]!r}")
    return frame


def _well_formed(frame: Frame) -> bool:
    if not isinstance(frame.get("stream", ""), str | None):
        return False
    numbers = [frame.get(name) for name in _NUMBERS.get(frame["type"], ())]
    numbers += [frame[name] for name in _OPTIONAL_NUMBERS if name in frame]
    if not all(type(number) is int for number in numbers):
        return False
    if frame["type"] not in {"events", "page"}:
        return True
    events = frame.get("events")
    return isinstance(events, list) and all(isinstance(e, dict) and type(e.get("sequence")) is int for e in events)
