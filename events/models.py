"""The models of the app, for Django, which loads this module. Other modules import them from the packages below."""

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
