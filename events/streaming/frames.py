"""The frames that a client may send, with their limits, and the event types of a subscription."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from events.catalogue.event_types import CATALOGUE, LIFECYCLE
from workflow_platform.core.validation import field_errors

MAX_SEQUENCE = 2**62
MAX_PATTERNS = 50
BEYOND_EXECUTIONS = frozenset(name for name in CATALOGUE if not name.startswith("execution."))

MAX_STREAM_NAME = 200
Stream = Annotated[str, Field(max_length=MAX_STREAM_NAME, pattern=r"^[!-~]*$")]
"""The name of a stream: visible ASCII characters, so that it can be looked up."""
Level = Literal["lifecycle", "all"]


class BadFrame(ValueError):
    """The frame is invalid; the message names the field."""


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Subscribe(_Frame):
    type: Literal["subscribe"]
    stream: Stream
    after: Annotated[int, Field(ge=-MAX_SEQUENCE, le=MAX_SEQUENCE)] = 0
    """The last sequence that the client has; negative: the number of events before the head."""
    types: Annotated[list[Annotated[str, Field(max_length=60)]], Field(max_length=MAX_PATTERNS)] | None = None
    level: Level = "all"


class Unsubscribe(_Frame):
    type: Literal["unsubscribe"]
    stream: Stream


class Read(_Frame):
    type: Literal["read"]
    stream: Stream
    after: Annotated[int, Field(ge=0, le=MAX_SEQUENCE)]
    limit: Annotated[int, Field(ge=1, le=1000)] = 500


class Ping(_Frame):
    type: Literal["ping"]


class Control(_Frame):
    """A command for a replay. The client need not be subscribed to it."""

    type: Literal["pause", "resume", "seek", "speed"]
    stream: Stream
    sequence: Annotated[int, Field(ge=0, le=MAX_SEQUENCE)] | None = None
    """seek: everything up to this event is due."""
    offset_ms: Annotated[float, Field(ge=0)] | None = None
    """seek: milliseconds after the first event."""
    time: Annotated[str, Field(max_length=40)] | None = None
    """seek: to the original time."""
    paused: bool | None = None
    """seek: pause there, or continue."""
    speed: float | None = None


AnyFrame = Subscribe | Unsubscribe | Read | Ping | Control
Frame = Annotated[AnyFrame, Field(discriminator="type")]
_frames: TypeAdapter[AnyFrame] = TypeAdapter(Frame)


def parse(text: str) -> AnyFrame:
    """Return a client's frame. Raises BadFrame."""
    try:
        return _frames.validate_json(text)
    except ValidationError as error:
        raise BadFrame(_in_words(error)) from None


def stream_named_in(text: str) -> str | None:
    """Return the stream that an invalid frame names, so that the client can assign the error; None if it names none."""
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    stream = frame.get("stream") if isinstance(frame, dict) else None
    return stream if isinstance(stream, str) and len(stream) <= MAX_STREAM_NAME else None


def requested_types(patterns: list[str] | None, level: str = "all") -> frozenset[str] | None:
    """Return the types that patterns (`execution.*`) and a level select; None for all. Raises BadFrame."""
    if patterns is None and level == "all":
        return None
    types = set(CATALOGUE)
    if patterns is not None:
        types = set()
        for pattern in patterns:
            matching = {name for name in CATALOGUE if fnmatchcase(name, pattern)}
            if not matching:
                raise BadFrame(f"`types`: {pattern!r} matches no event type.")
            types |= matching
    if level == "lifecycle":
        types &= LIFECYCLE | BEYOND_EXECUTIONS
    return frozenset(types)


def _in_words(error: ValidationError) -> str:
    first = field_errors(error, locate=lambda location: location[1:])[0]  # without the tag of the union
    return f"`{first.path}`: {first.message}" if first.path else f"The frame is invalid. {first.message}"
