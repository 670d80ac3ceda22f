"""The in-process bus: who in this process wants to hear of events, in the transaction or after it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from events.event_types import CATALOGUE
from events.recorded import RecordedEvent

logger = logging.getLogger(__name__)

When = Literal["in_transaction", "after_commit"]
Callback = Callable[[Sequence[RecordedEvent]], None]


@dataclass(eq=False, slots=True)
class Subscription:
    """A subscriber that is heard until it is cancelled."""

    callback: Callback
    types: frozenset[str]
    when: When
    cancelled: bool = field(default=False)

    def cancel(self) -> None:
        """Hear nothing more."""
        self.cancelled = True
        for type_ in self.types:
            _by_type[self.when, type_] = [s for s in _by_type[self.when, type_] if s is not self]


_by_type: dict[tuple[When, str], list[Subscription]] = {}


def subscribe(callback: Callback, types: Sequence[str], when: When = "after_commit") -> Subscription:
    """Call `callback` with the events of each append whose type fits one of the patterns (`execution.*`).

    In the transaction, an exception of the callback undoes the append; after the commit it is logged.
    """
    wanted = frozenset(name for name in CATALOGUE if any(fnmatchcase(name, pattern) for pattern in types))
    subscription = Subscription(callback, wanted, when)
    for type_ in wanted:
        _by_type[when, type_] = [*_by_type.get((when, type_), []), subscription]
    return subscription


def dispatch(events: Sequence[RecordedEvent], when: When) -> None:
    """Hand events to their subscribers; the cost of those that want other types is nothing."""
    wanted: dict[Subscription, list[RecordedEvent]] = {}
    for event in events:
        for subscription in _by_type.get((when, event.type), ()):
            wanted.setdefault(subscription, []).append(event)
    for subscription, theirs in wanted.items():
        try:
            subscription.callback(theirs)
        except Exception:
            if when == "in_transaction":
                raise
            logger.exception("an after-commit subscriber failed")
