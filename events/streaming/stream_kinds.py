"""Kinds of streams that are not in the log. Their packages register them in `AppConfig.ready`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from events.log.reading import StreamState
from events.streaming.subscription import Connected, StreamSubscription
from events.streaming.viewer import Viewer


@dataclass(frozen=True, slots=True)
class ControlError:
    """Why a control frame was refused: the error frame's code and detail."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class StreamKind:
    """How streams whose names begin with `prefix` are read, watched and controlled."""

    prefix: str
    subscribe: Callable[[Connected, str, int, frozenset[str] | None], StreamSubscription]
    """Takes the session, the stream's name, the client's cursor and the requested types."""
    states: Callable[[Viewer, Collection[str]], Mapping[str, StreamState]]
    """Returns the streams among these names that the viewer may see."""
    may_see: Callable[[Viewer, StreamState], bool]
    control: Callable[[Viewer, str, dict[str, Any]], ControlError | None]
    """Takes the viewer, the stream's name and a control frame; returns why it was refused, None if it was applied."""


_kinds: list[StreamKind] = []


def register(kind: StreamKind) -> None:
    """Add a kind of streams."""
    _kinds.append(kind)


def kind_of(stream: str) -> StreamKind | None:
    """Return the kind of a stream; None for streams of the log."""
    return next((kind for kind in _kinds if stream.startswith(kind.prefix)), None)


def states(viewer: Viewer, names: Collection[str]) -> dict[str, StreamState]:
    """Return the streams of all kinds among these names that the viewer may see."""
    return {name: state for kind in _kinds for name, state in kind.states(viewer, names).items()}
