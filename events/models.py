"""The tables of the app, for Django, which looks for them here. Other modules import from the packages named below."""

from events.bus.models import EventSubscription
from events.log.models import Event, EventQuerySet, Stream, StreamQuerySet
from events.replay.models import Replay, ReplayEvent
from events.retention.models import CleanupState, RetentionPolicy

__all__ = [
    "CleanupState",
    "Event",
    "EventQuerySet",
    "EventSubscription",
    "Replay",
    "ReplayEvent",
    "RetentionPolicy",
    "Stream",
    "StreamQuerySet",
]
