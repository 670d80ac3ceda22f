"""Replays as a kind of streams: what the streaming layer asks of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from events.log.reading import StreamState
from events.replay import control, watching
from events.replay.models import REPLAY
from events.replay.subscription import ReplaySubscription
from events.replay.watching import ReplayState
from events.streaming.stream_kinds import ControlError, StreamKind
from events.streaming.viewer import Viewer


def _states(viewer: Viewer, names: Collection[str]) -> dict[str, ReplayState]:
    return watching.states(viewer.user, names)


def _may_see(viewer: Viewer, stream: StreamState) -> bool:
    return isinstance(stream, ReplayState) and stream.may_be_seen(viewer.user.pk, viewer.workspace_ids, viewer.staff)


def _control(viewer: Viewer, stream: str, frame: dict[str, Any]) -> ControlError | None:
    return control.control(viewer.user, stream, frame)


KIND = StreamKind(REPLAY, ReplaySubscription, _states, _may_see, _control)
