"""The subscribers of this process: the registry behind `events.bus`, and the dispatch of appended events.

The registry is indexed by type, and by source if a subscription names sources without patterns, so that the cost of an
append does not depend on subscribers of other events. After-commit subscribers are called in other threads
(`after_commit`): their number and speed do not slow down the writer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal

from django.db import connection, transaction

from events.bus import after_commit
from events.catalogue.event_types import CATALOGUE
from events.log.recorded import RecordedEvent, time_text

When = Literal["in_transaction", "after_commit"]
Events = Sequence[RecordedEvent]


class BadSubscription(ValueError):
    """An argument of a subscription is invalid; the message begins with its name."""


@dataclass(frozen=True, slots=True)
class SubscriptionFilter:
    """Which events a subscriber gets. Empty means all."""

    types: frozenset[str]
    sources: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    """Sources with a `*`."""
    since: str = ""
    until: str = ""
    """As text, which sorts as the times do."""
    where: Callable[[RecordedEvent], bool] | None = None

    @property
    def is_bare(self) -> bool:
        """Return whether the index alone decides."""
        return not (self.patterns or self.since or self.until or self.where)

    def fits(self, event: RecordedEvent) -> bool:
        """Return whether an event whose type matches passes the other conditions."""
        named = not (self.sources or self.patterns) or event.source in self.sources
        if not named and not any(fnmatchcase(event.source, pattern) for pattern in self.patterns):
            return False
        if event.time < self.since or (self.until and event.time >= self.until):
            return False
        return self.where is None or bool(self.where(event))


def subscription_filter(
    types: Collection[str] | None,
    sources: Collection[str] | None,
    since: datetime | None,
    until: datetime | None,
    where: Callable[[RecordedEvent], bool] | None,
) -> SubscriptionFilter:
    """Return the filter of a subscription. Raises BadSubscription."""
    for name, values in (("types", types), ("sources", sources)):
        if isinstance(values, str):
            raise BadSubscription(f"{name}: expected a list of strings, not a string. Use [{values!r}].")
    for name, moment in (("since", since), ("until", until)):
        if moment is not None and moment.tzinfo is None:
            raise BadSubscription(f"{name}: the time must have a time zone.")
    chosen: set[str] = set()
    for pattern in ["*"] if types is None else types:
        fitting = [name for name in CATALOGUE if fnmatchcase(name, pattern)]
        if not fitting:
            raise BadSubscription(f"types: {pattern!r} matches no event type.")
        chosen.update(fitting)
    named = list(sources or ())
    return SubscriptionFilter(
        frozenset(chosen),
        frozenset(source for source in named if "*" not in source),
        tuple(source for source in named if "*" in source),
        time_text(since) if since else "",
        time_text(until) if until else "",
        where,
    )


@dataclass(eq=False, slots=True)
class Subscription:
    """A subscriber that is called until it is cancelled."""

    callback: Callable[[Any], object]
    subscription_filter: SubscriptionFilter
    when: When
    once: bool
    batches: bool
    name: str
    cancelled: bool = False
    queue: after_commit.SubscriberQueue | None = None

    def cancel(self) -> None:
        """Stop the calls, including those for waiting events. Does not wait for a call that is running."""
        with _lock:
            self.cancelled = True
            for bucket in _buckets_of(self):
                bucket.remove(self)
        if self.queue is not None:
            self.queue.close()

    def call(self, events: Events) -> Iterator[int]:
        """Call the callback with the matching events; yields, after each call, how many events were handled."""
        fits = None if self.subscription_filter.is_bare else self.subscription_filter.fits
        if self.batches or self.once:
            chosen = [event for event in events if fits is None or fits(event)]
            if self.once:
                del chosen[1:]
            if chosen and not self.cancelled and self._may_call():
                self.callback(chosen if self.batches else chosen[0])
                if self.once and self.when == "after_commit":
                    self.cancel()
            yield len(events)
            return
        for event in events:
            if self.cancelled:
                return
            if fits is None or fits(event):
                self.callback(event)
            yield 1

    def _may_call(self) -> bool:
        """Return whether `once` still allows a call. In a transaction the commit cancels the subscription; a rollback
        does not."""
        if not self.once or self.when == "after_commit":
            return True
        if any(entry[1] == self.cancel for entry in connection.run_on_commit):
            return False
        transaction.on_commit(self.cancel)
        return True


class _Bucket:
    """Subscriptions to the same events, with a snapshot that is rebuilt on the first read after a change."""

    __slots__ = ("_members", "_snapshot")

    def __init__(self) -> None:
        self._members: dict[Subscription, None] = {}
        self._snapshot: tuple[Subscription, ...] | None = ()

    def add(self, subscription: Subscription) -> None:
        self._members[subscription] = None
        self._snapshot = None

    def remove(self, subscription: Subscription) -> None:
        self._members.pop(subscription, None)
        self._snapshot = None

    def all(self) -> tuple[Subscription, ...]:
        members = self._snapshot
        if members is None:
            with _lock:
                members = self._snapshot = tuple(self._members)
        return members


_lock = threading.RLock()
_ANY_SOURCE = ""
_index: dict[When, dict[str, dict[str, _Bucket]]] = {"in_transaction": {}, "after_commit": {}}
"""By type, then by source; subscriptions without a full source are under the empty source."""


def _buckets_of(subscription: Subscription) -> list[_Bucket]:
    index, conditions = _index[subscription.when], subscription.subscription_filter
    sources = conditions.sources if conditions.sources and not conditions.patterns else (_ANY_SOURCE,)
    return [
        index.setdefault(type_, {}).setdefault(source, _Bucket()) for type_ in conditions.types for source in sources
    ]


def add(subscription: Subscription) -> None:
    """Call the subscription from now on."""
    if subscription.when == "after_commit":
        subscription.queue = after_commit.SubscriberQueue(subscription.name, subscription.call, subscription.batches)
    with _lock:
        for bucket in _buckets_of(subscription):
            bucket.add(subscription)


def cancel_all(callback: Callable[[Any], object]) -> int:
    """Cancel every subscription of a callback. Returns how many there were."""
    with _lock:
        buckets = [b for index in _index.values() for by_source in index.values() for b in by_source.values()]
        subscriptions = {
            subscription for bucket in buckets for subscription in bucket.all() if subscription.callback == callback
        }
    for subscription in subscriptions:
        subscription.cancel()
    return len(subscriptions)


def dispatch_in_transaction(events: Events) -> None:
    """Call the subscribers in the transaction. Their exceptions undo the append."""
    if addressed := _addressed(events, _index["in_transaction"]):
        for subscription, matching in _per_subscriber(events, addressed):
            for _ in subscription.call(matching):
                pass


def dispatch_after_commit(events: Events) -> None:
    """Hand events to the after-commit subscribers, in another thread. Their exceptions do not reach the caller."""
    if addressed := _addressed(events, _index["after_commit"]):
        after_commit.hand_over(
            lambda: [(s.queue, matching) for s, matching in _per_subscriber(events, addressed) if s.queue]
        )


_Addressed = list[tuple[list[int], tuple[tuple[Subscription, ...], ...]]]
"""Indexes of events of one type and source, and their subscriptions."""


def _addressed(events: Events, index: dict[str, dict[str, _Bucket]]) -> _Addressed:
    if not index:
        return []
    groups: dict[tuple[str, str], list[int]] = {}
    for index_in_batch, event in enumerate(events):
        if event.type in index:
            groups.setdefault((event.type, event.source), []).append(index_in_batch)
    matches: _Addressed = []
    for (type_, source), indexes in groups.items():
        by_source = index[type_]
        buckets = (by_source.get(_ANY_SOURCE), by_source.get(source))
        if subscriptions := tuple(members for bucket in buckets if bucket is not None and (members := bucket.all())):
            matches.append((indexes, subscriptions))
    return matches


def _per_subscriber(events: Events, addressed: _Addressed) -> list[tuple[Subscription, Events]]:
    """Return the events of each subscription, in order. Subscriptions to the same events share one list."""
    groups_of: dict[Subscription, tuple[int, ...]] = {}
    for number, (_, subscriptions) in enumerate(addressed):
        for members in subscriptions:
            for subscription in members:
                groups_of[subscription] = (*groups_of.get(subscription, ()), number)
    lists: dict[tuple[int, ...], Events] = {}
    for numbers in set(groups_of.values()):
        indexes = sorted(index for number in numbers for index in addressed[number][0])
        lists[numbers] = events if len(indexes) == len(events) else [events[index] for index in indexes]
    return [(subscription, lists[numbers]) for subscription, numbers in groups_of.items()]
