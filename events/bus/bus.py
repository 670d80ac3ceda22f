"""The event bus: subscribe to events, publish them, read their history.

    from events import bus

    @bus.subscribe(types=["execution.failed"])
    def print_failure(event):
        print(event.time, event.execution_id, event.data["error"]["message"])

    bus.publish("system.error", {"component": "billing", "message": "No invoice was made."}, source="shop.billing")

    for event in bus.history(EventFilter(types=["system.*"], workspaces=None, installation=True)):
        ...

Subscribe in `AppConfig.ready` of your app, so that every process of the platform has the subscription.

Four ways to receive events:
- `when="in_transaction"`: before the commit, in the writer's transaction. What the callback writes is committed with
  the events, and its exception rolls back both. For outboxes and projections; it must be fast.
- `when="after_commit"` (the default): in another thread of the process that wrote the events, after the commit. At
  most once; retried while the process runs; `events.bus.after_commit` describes the order.
- `consume`, or `manage.py consume_events`: a durable subscription with a position in the database: every event of every
  process, at least once, in order, including those of the time when the consumer was not running.
- a stream over the WebSocket or SSE, for other programs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar, overload
from uuid import UUID

import pydantic
from django.db import transaction

from events import log
from events.bus import subscribers
from events.bus.durable import Begin, HandlerFailed, consume
from events.bus.subscribers import BadSubscription, Subscription, When
from events.catalogue.event_types import CATALOGUE, UnknownEventType, payload_text
from events.catalogue.stream_names import EXECUTION, SYSTEM, WORKFLOW
from events.history import history as _history
from events.history.history import Cursor, EventFilter
from events.log.models import Stream
from events.log.recorded import RecordedEvent
from workflow_platform.core.validation import field_errors

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

Callback = Callable[[RecordedEvent], object]
BatchCallback = Callable[[Sequence[RecordedEvent]], object]
F = TypeVar("F", bound=Callable[..., object])


class InvalidEvent(ValueError):
    """The event cannot be appended. `errors` says why, by field: `type`, `source`, `stream`, `time`, `data.<field>`."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {why}" for field, why in errors.items()))
        self.errors = errors


@overload
def subscribe(
    callback: Callback,
    types: Collection[str] | None = None,
    *,
    sources: Collection[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    where: Callable[[RecordedEvent], bool] | None = None,
    once: bool = False,
    when: When = "after_commit",
    batches: Literal[False] = False,
    name: str = "",
) -> Subscription: ...
@overload
def subscribe(
    callback: BatchCallback,
    types: Collection[str] | None = None,
    *,
    sources: Collection[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    where: Callable[[RecordedEvent], bool] | None = None,
    once: bool = False,
    when: When = "after_commit",
    batches: Literal[True],
    name: str = "",
) -> Subscription: ...
@overload
def subscribe(
    callback: None = None,
    types: Collection[str] | None = None,
    *,
    sources: Collection[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    where: Callable[[RecordedEvent], bool] | None = None,
    once: bool = False,
    when: When = "after_commit",
    batches: bool = False,
    name: str = "",
) -> Callable[[F], F]: ...
def subscribe(
    callback: Callable[[Any], object] | None = None,
    types: Collection[str] | None = None,
    *,
    sources: Collection[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    where: Callable[[RecordedEvent], bool] | None = None,
    once: bool = False,
    when: When = "after_commit",
    batches: bool = False,
    name: str = "",
) -> Any:
    """Call `callback` with each event that matches all conditions. Without `callback`: a decorator.

    `types` and `sources` are lists of names or patterns (`execution.*`); none means all. The event's time is at or
    after `since` and before `until`. `where` gets the event and returns whether it matches. `batches`: call `callback`
    once for each append, with the list of its matching events. `name` is shown in reports of failures. Raises
    BadSubscription.

    `once`: cancel the subscription after the first call that returns; in a transaction, after the first one whose
    transaction is committed (other transactions that are open at that time may call it too).
    """
    if when not in {"in_transaction", "after_commit"}:
        raise BadSubscription('when: must be "in_transaction" or "after_commit".')
    subscription_filter = subscribers.subscription_filter(types, sources, since, until, where)

    def begin(function: Callable[[Any], object]) -> Subscription:
        called = name or f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', repr(function))}"
        subscription = Subscription(function, subscription_filter, when, once, batches, called)
        subscribers.add(subscription)
        return subscription

    def decorate(function: F) -> F:
        begin(function)
        return function

    return decorate if callback is None else begin(callback)


def unsubscribe(subscription: Subscription | Callable[..., object]) -> None:
    """Cancel a subscription, or every subscription of a callback."""
    if isinstance(subscription, Subscription):
        subscription.cancel()
    else:
        subscribers.cancel_all(subscription)


def publish(
    type: str,
    data: dict[str, Any],
    source: str,
    stream: str = "",
    *,
    execution_id: UUID | None = None,
    workflow_id: UUID | None = None,
    time: datetime | None = None,
) -> RecordedEvent:
    """Append an event to a stream, in the caller's transaction or in a new one. Returns the recorded event.

    `stream` is optional for system events. The ids default to those in the stream's name. Raises InvalidEvent, which
    names every invalid field. Publishing an event does not change the status of an execution.
    """
    name = stream or (SYSTEM if type.startswith("system.") else "")
    errors = _errors_in(type, data, time)
    ended = f"The stream {name!r} has ended; no event can follow its terminal event."
    row = Stream.objects.filter(name=name).first()
    if not name:
        errors["stream"] = "Give a stream; only system events have a default stream."
    elif row is None:
        errors["stream"] = f"The stream {name!r} does not exist."
    elif row.ended_at is not None:
        errors["stream"] = ended
    if errors or row is None:
        raise InvalidEvent(errors)
    if name.startswith(EXECUTION):
        execution_id = execution_id or UUID(name.removeprefix(EXECUTION))
    elif name.startswith(WORKFLOW):
        workflow_id = workflow_id or UUID(name.removeprefix(WORKFLOW))
    with transaction.atomic():
        try:
            (recorded,) = log.append([log.NewEvent(row.pk, type, data, source, execution_id, workflow_id, time)])
        except log.BadSource as error:
            raise InvalidEvent({"source": str(error)}) from None
        except log.StreamClosed:
            raise InvalidEvent({"stream": ended}) from None
    return recorded


def _errors_in(type_: str, data: dict[str, Any], time_: datetime | None) -> dict[str, str]:
    errors: dict[str, str] = {}
    try:
        payload_text(type_, data)
    except UnknownEventType as error:
        errors["type"] = f"{error} Known types: {', '.join(sorted(CATALOGUE))}."
    except pydantic.ValidationError as error:
        errors |= {each.dotted: each.message for each in field_errors(error, "data")}
    if time_ is not None and time_.tzinfo is None:
        errors["time"] = "The time must have a time zone."
    return errors


def history(filter: EventFilter, after: Cursor | None = None) -> Iterator[RecordedEvent]:
    """Yield the matching events after `after`, in the order over all streams, until there are no more now.

    Within a stream, this is the order of its sequences. Raises UnknownEventType for a pattern without a match.
    """
    yield from _history.walk(filter, after)


def replay(
    filter: EventFilter,
    callback: Callback,
    *,
    delay: float | None = None,
    speed: float | None = None,
    after: Cursor | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Call a callback with recorded history; no other subscriber is called. Returns the number of events.

    `delay`: the seconds between two events. `speed`: a multiple of the original pace. Without both, there is no delay.
    `stop` ends it between two events; so does an exception of the callback, which the caller gets.
    """
    if delay is not None and speed is not None:
        raise ValueError("Give delay or speed, not both.")
    if (delay is not None and delay < 0) or (speed is not None and speed <= 0):
        raise ValueError("delay must be at least 0; speed must be above 0.")
    stop = stop or threading.Event()
    began, first, count = time.monotonic(), None, 0
    for event in history(filter, after):
        first = first or event.happened_at
        if speed is not None:  # in the past if the event's time is before that of the previous event
            due = began + (event.happened_at - first).total_seconds() / speed
        else:
            due = began + count * (delay or 0.0)
        if stop.wait(max(0.0, due - time.monotonic())):
            break
        callback(event)
        count += 1
    return count
