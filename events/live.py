"""After the commit: one group message for each stream and batch.

The channel layer delivers at most once, so a message is a hint that carries the events; who misses it reads the log.
Sending happens on one event loop of its own in each process: a connection to Redis belongs to a loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer

from events.models import FEED, WORKFLOW, Event

logger = logging.getLogger(__name__)

MAX_EVENTS_PER_MESSAGE = 200
MAX_IN_FLIGHT = 2_000
"""Messages on their way from this process; above it hints are dropped and watchers find the events in history."""

FEED_GROUP = "feed"


def group_of(stream_name: str) -> str:
    """Return the channel layer group of a stream; the layer allows no colon in names."""
    return FEED_GROUP if stream_name == FEED else stream_name.replace(":", ".")


class _Publisher:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self._in_flight = 0
        self._overtaxed = False
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="publisher", daemon=True).start()

    def send(self, messages: list[tuple[str, dict[str, Any]]]) -> None:
        overtaxed, self._overtaxed = self._overtaxed, self._in_flight > MAX_IN_FLIGHT
        if self._overtaxed:
            if not overtaxed:
                logger.warning("hints are dropped: Redis does not keep up; watchers read the log")
            return
        self._in_flight += len(messages)
        asyncio.run_coroutine_threadsafe(self._send(messages), self._loop)

    async def _send(self, messages: list[tuple[str, dict[str, Any]]]) -> None:
        layer = get_channel_layer()
        try:
            for group, message in messages:
                await layer.group_send(group, message)
        except Exception as error:  # whatever Redis raises: watchers poll the log
            logger.warning("hints not sent: %s", error)
        finally:
            self._in_flight -= len(messages)


_publisher: _Publisher | None = None
_starting = threading.Lock()


def send_messages(messages: list[tuple[str, dict[str, Any]]]) -> None:
    """Send messages to groups, in order, soon. Never raises, and drops what Redis does not take: they are hints."""
    global _publisher
    with _starting:
        if _publisher is None or _publisher.pid != os.getpid():
            _publisher = _Publisher()
        publisher = _publisher
    publisher.send(messages)


def publish(events: Sequence[Event]) -> None:
    """Tell the watchers of the events' streams, and of the feed. Never raises: the events are stored already."""
    by_group: dict[str, list[dict[str, Any]]] = {}
    workspaces: list[str | None] = []
    for event in events:
        for name in _shown_in(event):
            by_group.setdefault(group_of(name), []).append(event.envelope(name))
        if event.feed_sequence is not None:
            workspaces.append(_text(event.stream.workspace_id))
    messages = []
    for group, envelopes in by_group.items():
        for start in range(0, len(envelopes), MAX_EVENTS_PER_MESSAGE):
            part = slice(start, start + MAX_EVENTS_PER_MESSAGE)
            message: dict[str, Any] = {"type": "stream.events", "group": group, "events": envelopes[part]}
            if group == FEED_GROUP:
                message["workspaces"] = workspaces[part]
            messages.append((group, message))
    send_messages(messages)


def _shown_in(event: Event) -> Iterator[str]:
    """Yield the names of the streams that show the event."""
    yield event.stream.name
    if event.feed_sequence is not None:
        yield FEED
        if event.workflow_sequence is not None:
            yield f"{WORKFLOW}{event.workflow_id}"


def _text(value: UUID | None) -> str | None:
    return str(value) if value else None
