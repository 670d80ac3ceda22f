"""The event bus: subscribe to events, publish them, read their history, and consume them durably.

`from events import bus` is its public interface (`events.bus.bus`); other packages may also use `system_events`.
"""

from events.bus.bus import (
    BadSubscription,
    Begin,
    Cursor,
    EventFilter,
    HandlerFailed,
    InvalidEvent,
    RecordedEvent,
    Subscription,
    consume,
    history,
    publish,
    replay,
    subscribe,
    unsubscribe,
)

__all__ = [
    "BadSubscription",
    "Begin",
    "Cursor",
    "EventFilter",
    "HandlerFailed",
    "InvalidEvent",
    "RecordedEvent",
    "Subscription",
    "consume",
    "history",
    "publish",
    "replay",
    "subscribe",
    "unsubscribe",
]
