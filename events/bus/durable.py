"""Durable subscriptions: a consumer that was not running gets the events that it missed, at least once, in order.

The position of a consumer is stored in a row (`EventSubscription`). One process at a time holds its lease, reads the
events after the position, calls the handler and moves the position. What the handler writes to the database is
committed with the new position, so each event takes effect there exactly once. Its other effects may be repeated after
a crash.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from events.bus import positions, system_events
from events.bus.models import EventSubscription
from events.bus.positions import Begin
from events.catalogue.stream_names import FEED, SYSTEM
from events.history import history
from events.history.history import Cursor, EventFilter
from events.log.recorded import RecordedEvent, time_text
from events.streaming import publisher
from workflow_platform.core.accounts.models import Workspace
from workflow_platform.core.backoff import HALF, around, exponential, shortened
from workflow_platform.core.redis_server import pubsub_server

__all__ = ["Begin", "HandlerFailed", "consume"]

logger = logging.getLogger(__name__)

Handler = Callable[[Sequence[RecordedEvent]], object]

POLL_SECONDS = 0.5
SOON_SECONDS = 0.05
"""The first pause after an event; pauses then grow."""
FULL_LOOKS = 5
"""A consumer in no hurry that finds the feed and the system stream unchanged reads the log only every so many looks."""
NEWS_SECONDS = 10.0
"""How long it reads the log at each look after a change: an older transaction may still hold events back."""
RETRY_SECONDS = 1.0
"""The average pause between attempts to reach an unavailable server."""
FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS = 0.5, 60.0
REPORT_AT = 3
"""The number of failures in a row at which a system event is emitted."""


class ConsumerLeaseLost(Exception):
    """Another consumer holds the lease; what the handler wrote to the database is rolled back."""


class HandlerFailed(Exception):
    """The handler raised an exception, which is the cause of this one."""


def consume(
    name: str,
    handler: Handler,
    types: Collection[str] | None = None,
    *,
    sources: Collection[str] | None = None,
    workspace: Workspace | None = None,
    batch: int = 100,
    begin: Begin = "now",
    every: float | None = None,
    once: bool = False,
    stop: threading.Event | None = None,
) -> None:
    """Call `handler` with up to `batch` events at a time, in order, from the stored position of `name`.

    A new name begins with the oldest stored event (`begin="start"`) or with the next one. `types` and `sources` are
    stored with the name; None leaves them unchanged. Returns when `stop` is set, after the current batch, or with
    `once` when no events are left. Waits while another process holds the lease or the database is unavailable.

    Events are handled at once. With `every`, a consumer that is in no hurry looks for them only after so many seconds,
    and handles what has come together: each look costs several statements, at any number of events. While nothing
    happens, most looks only compare the heads of the feed and the system stream; other events, such as those of nodes
    while their execution goes on for long, may then be found FULL_LOOKS times later.

    The handler runs in a transaction that begins with its first statement, so a handler that only calls other services
    holds none open. If it raises, its events are passed again, one at a time, with growing pauses; no event is skipped.
    A call must end within the time that a stopped process is given. Raises UnknownEventType and BadPattern for filters,
    with `once` HandlerFailed after three failures, and what the handler raises if it is no Exception (SystemExit).
    """
    if connection.in_atomic_block:
        raise transaction.TransactionManagementError("consume() opens its own transactions; call it outside of one.")
    stop = stop or threading.Event()
    consumer = _Consumer(name, handler, batch)
    consumer.prepare(types, sources, workspace, begin, stop)
    with consumer.heartbeats(), _hints(listen=not once and every is None) as hint:
        consumer.run(stop, hint, every, once)


class _Consumer:
    def __init__(self, name: str, handler: Handler, batch: int) -> None:
        self.name, self._handler, self._batch = name, handler, batch
        self.me = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._holds = False
        self._failures = 0
        self._heads: tuple[object, ...] = ()
        self._heads_changed_at = 0.0
        self._single_events = 0
        """The number of events that are passed one by one, since their batch failed."""

    # --- the row and its lease ------------------------------------------------------------------------------------

    def prepare(
        self,
        types: Collection[str] | None,
        sources: Collection[str] | None,
        workspace: Workspace | None,
        begin: Begin,
        stop: threading.Event,
    ) -> None:
        """Create the row, or update its patterns. Waits for the database."""
        EventFilter(types=types or (), sources=sources or (), workspaces=None).query()  # raises for invalid patterns
        arguments = {"types": types, "sources": sources}
        patterns = {field: [] if "*" in them else list(them) for field, them in arguments.items() if them is not None}
        while not stop.is_set():
            try:
                # One transaction, so that a new row never has another position than the requested one.
                with transaction.atomic():
                    row, created = EventSubscription.objects.get_or_create(
                        name=self.name, defaults={**patterns, "workspace": workspace}
                    )
                    if created:
                        positions.move(row, begin)
                    elif patterns:
                        EventSubscription.objects.filter(pk=row.pk).update(**patterns)
                return
            except (DatabaseError, InterfaceError) as error:
                self._wait_for_database(error, stop)

    def _take_lease(self) -> bool:
        free = EventSubscription.objects.filter(name=self.name).takeable_by(self.me)
        return bool(free.update(holder=self.me, lease_expires_at=_lease_end()))

    def _renew(self) -> bool:
        subscription = EventSubscription.objects.filter(name=self.name, holder=self.me)
        return bool(subscription.update(lease_expires_at=_lease_end()))

    def _release(self) -> None:
        if self._holds:
            with contextlib.suppress(DatabaseError, InterfaceError):
                subscription = EventSubscription.objects.filter(name=self.name, holder=self.me)
                subscription.update(holder="", lease_expires_at=None)
        connection.close()

    @contextmanager
    def heartbeats(self) -> Iterator[None]:
        """Renew the lease in another thread while the block runs."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(settings.HEARTBEAT_SECONDS):
                try:
                    if self._holds:
                        self._renew()
                except (DatabaseError, InterfaceError) as error:
                    logger.warning(
                        "subscriber lease not renewed: %s; retrying in %g s",
                        error,
                        settings.HEARTBEAT_SECONDS,
                        extra={"subscriber": self.name, "retry_seconds": settings.HEARTBEAT_SECONDS},
                    )
                finally:
                    connection.close()

        thread = threading.Thread(target=beat, name=f"lease of {self.name}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    # --- reading and handling -------------------------------------------------------------------------------------

    def run(self, stop: threading.Event, hint: threading.Event, every: float | None, once: bool) -> None:
        """Handle events until `stop` is set."""
        pause, hinted = POLL_SECONDS, False
        try:
            while not stop.is_set():
                try:
                    handled, more = self._step(stop)
                except (DatabaseError, InterfaceError) as error:
                    self._wait_for_database(error, stop)
                except ConsumerLeaseLost:
                    logger.warning(
                        "subscriber lease lost; events are handled again only after the lease is taken back",
                        extra={"subscriber": self.name},
                    )
                    self._holds = False
                except HandlerFailed as error:
                    self._failed(error, stop)
                    if once and self._failures >= REPORT_AT:
                        raise
                else:
                    if once and self._holds and not more:
                        return
                    if more:
                        continue
                    connection.close()
                    if every is not None:
                        self._wait_for_news(every, stop)
                        continue
                    # The events behind a hint may have to wait for an older open transaction.
                    pause = SOON_SECONDS if handled or hinted else min(POLL_SECONDS, pause * 2)
                    hinted = hint.wait(pause)
                    hint.clear()
        finally:
            self._release()

    def _wait_for_news(self, every: float, stop: threading.Event) -> None:
        """Wait for the next look at the log: `every` seconds, or longer while nothing happens."""
        for _ in range(FULL_LOOKS):
            if stop.wait(every) or self._may_have_news():
                return

    def _may_have_news(self) -> bool:
        """Return whether the feed, the system stream or the row has changed, or did so a moment ago."""
        try:
            with connection.cursor() as cursor:
                cursor.execute(_HEADS, [FEED, SYSTEM, self.name])
                heads = cursor.fetchone()
        except (DatabaseError, InterfaceError):
            return True  # reading tells what is wrong
        finally:
            connection.close()
        if heads != self._heads:
            self._heads, self._heads_changed_at = heads, time.monotonic()
        return time.monotonic() - self._heads_changed_at < NEWS_SECONDS

    def _step(self, stop: threading.Event) -> tuple[bool, bool]:
        """Handle one page. Returns whether it had events, and whether there are more to read now."""
        if not self._holds:
            if not self._take_lease():
                logger.info("another process holds the subscriber lease; waiting", extra={"subscriber": self.name})
                stop.wait(1)
                return False, False
            self._holds = True
        row = EventSubscription.objects.select_related("workspace").get(name=self.name)
        if row.holder != self.me:
            raise ConsumerLeaseLost
        cursor = positions.cursor_of(row)
        page = history.read(positions.filter_of(row), cursor, 1 if self._single_events else self._batch)
        if page.cursor != cursor:
            self._handle(row, page.events, page.cursor)
        return bool(page.events), page.more and page.cursor != cursor

    def _handle(self, row: EventSubscription, events: list[RecordedEvent], cursor: Cursor) -> None:
        """Call the handler and move the position, in one transaction."""
        position = {"transaction": row.transaction, "stream_id": row.stream_id, "sequence": row.sequence}
        with transaction.atomic():
            if events:
                self._call(events)
            # Updates nothing if another consumer holds the lease, or an operator has moved the position.
            subscription = EventSubscription.objects.filter(pk=row.pk, holder=self.me, **position)
            if not subscription.update(last_error="", lease_expires_at=_lease_end(), **positions.update_fields(cursor)):
                raise ConsumerLeaseLost
        self._failures, self._single_events = 0, max(0, self._single_events - 1)

    def _call(self, events: list[RecordedEvent]) -> None:
        try:
            self._handler(events)
        except Exception as error:
            self._single_events = max(self._single_events, len(events))
            if connection.connection is None or connection.connection.closed:
                raise InterfaceError("the connection was lost while the handler was running") from error
            raise HandlerFailed(f"{events[0].id} and {len(events) - 1} more" if events[1:] else events[0].id) from error

    def _failed(self, error: HandlerFailed, stop: threading.Event) -> None:
        cause = error.__cause__
        self._failures += 1
        failure = f"{time_text(timezone.now())}, event {error}: {type(cause).__name__}: {cause}"[:2000]
        delay = shortened(exponential(self._failures, FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS))
        logger.warning(
            "event handler failed: %s; retrying in %.2g s",
            failure,
            delay,
            exc_info=cause,
            extra={"subscriber": self.name, "failures": self._failures, "retry_seconds": delay},
        )
        try:
            EventSubscription.objects.filter(name=self.name, holder=self.me).update(last_error=failure)
            if self._failures == REPORT_AT:
                message = f"A durable subscription is stuck: {failure}"[:500]
                figures = {"failures": float(self._failures)}
                system_events.emit(
                    "error", source="events.durable", component=self.name, message=message, figures=figures
                )
        except (DatabaseError, InterfaceError) as lost:
            logger.warning(
                "failure of an event handler not recorded: %s; the handler is retried anyway",
                lost,
                extra={"subscriber": self.name},
            )
        connection.close()
        stop.wait(delay)

    def _wait_for_database(self, error: Exception, stop: threading.Event) -> None:
        delay = around(RETRY_SECONDS, HALF)
        logger.warning(
            "database failed for a subscriber: %s; retrying in %.2g s",
            error,
            delay,
            extra={"subscriber": self.name, "retry_seconds": delay},
        )
        connection.close()
        stop.wait(delay)


_HEADS = """
SELECT holder, transaction, stream_id, sequence,
  (SELECT last_sequence FROM events_stream WHERE name = %s), (SELECT last_sequence FROM events_stream WHERE name = %s)
FROM events_eventsubscription WHERE name = %s
"""


def _lease_end() -> object:
    return Now() + timedelta(seconds=settings.LEASE_SECONDS)


@contextmanager
def _hints(*, listen: bool) -> Iterator[threading.Event]:
    """Yield an event that is set when something is published to the feed or the system stream, with `listen`."""
    hint, over = threading.Event(), threading.Event()
    thread = threading.Thread(target=_listen, args=(hint, over), name="hints", daemon=True)
    if listen:
        thread.start()
    try:
        yield hint
    finally:
        over.set()


def _listen(hint: threading.Event, over: threading.Event) -> None:
    """Listen to the live messages. While Redis is unavailable, polling finds the events a little later."""
    configured: Any = settings.CHANNEL_LAYERS["default"]["CONFIG"]
    prefix = configured["prefix"]
    channels = [f"{prefix}__group__{publisher.group_of(stream)}" for stream in (FEED, SYSTEM)]
    while not over.is_set():
        try:
            with pubsub_server().client() as client, client.pubsub() as pubsub:
                pubsub.subscribe(*channels)
                while not over.is_set():
                    if pubsub.get_message(ignore_subscribe_messages=True, timeout=1.0) is not None:
                        hint.set()
        except redis.RedisError as error:
            logger.info("live notifications not received: %s; polling for events instead", error)
            over.wait(around(RETRY_SECONDS, HALF))
