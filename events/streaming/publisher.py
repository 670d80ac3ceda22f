"""Publishes events after the commit: one group message for each stream and batch.

The channel layer delivers at most once, so a message is a hint that contains the events; a client that misses it reads
the log. Each process sends from a dedicated thread, many messages at a time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any

import redis
from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import channel_layers
from django.conf import settings

from events import instruments
from events.catalogue.stream_names import FEED, WORKFLOW
from events.log.recorded import RecordedEvent
from workflow_platform.core.batching import BatchThread
from workflow_platform.core.per_process import PerProcess
from workflow_platform.core.redis_server import PATIENCE_SECONDS, once_more, pubsub_server

logger = logging.getLogger(__name__)

MAX_EVENTS_PER_MESSAGE = 200
MAX_AT_ONCE = 500
MAX_IN_FLIGHT = 2_000
"""The maximum number of queued messages of this process. Above it messages are dropped, and clients read the
history."""

FAREWELL_SECONDS = 3.0

FEED_GROUP = "feed"
ACCESS_GROUP = "access"
"""The group that gets a message when the permissions of a user change."""


def group_of(stream_name: str) -> str:
    """Return the channel layer group of a stream; the layer allows no colon in names."""
    return FEED_GROUP if stream_name == FEED else stream_name.replace(":", ".")


Addressed = tuple[str, Callable[[], dict[str, Any]]]
"""A group, and a function that builds the message for it."""


class _Publisher:
    """Sends all queued messages in two round trips to Redis."""

    def __init__(self) -> None:
        self._dropping = False
        self._clustered: bool | None = None
        self._client = pubsub_server().client(
            socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS, retry=once_more()
        )
        self._messages: BatchThread[Addressed] = BatchThread(
            "publisher", self._send, _not_sent, max_items=MAX_AT_ONCE, max_queued=MAX_IN_FLIGHT
        )

    def finish(self) -> None:
        """Send the messages that are left when the process exits: a command may exit right after its commit."""
        self._messages.stop(FAREWELL_SECONDS)

    def send(self, messages: list[Addressed]) -> None:
        dropping, self._dropping = self._dropping, not self._messages.put(*messages)
        if self._dropping:
            instruments.DROPPED_MESSAGES.add(len(messages))
        if self._dropping and not dropping:
            logger.warning("live notifications dropped: Redis does not keep up; clients get the events from history")

    def _send(self, batch: Sequence[Addressed]) -> None:
        """Send to the groups that have members.

        A client that joins a group after this check reads history after joining, and finds there what was not sent.
        """
        began = time.monotonic()
        self._publish(batch)
        instruments.PUBLISH_SECONDS.observe(time.monotonic() - began)

    def _publish(self, batch: Sequence[Addressed]) -> None:
        layer: Any = channel_layers[DEFAULT_CHANNEL_LAYER]
        configured: Any = settings.CHANNEL_LAYERS[DEFAULT_CHANNEL_LAYER]["CONFIG"]
        prefix = configured["prefix"]
        channels = {group: f"{prefix}__group__{group}" for group, _ in batch}  # as the layer names them
        joined = self._joined(channels.values())
        messages = [(channels[group], make()) for group, make in batch if channels[group] in joined]
        if messages:
            with self._client.pipeline(transaction=False) as pipeline:
                for channel, message in messages:
                    pipeline.publish(channel, layer.serialize(message))
                pipeline.execute()

    def _joined(self, channels: Collection[str]) -> Collection[str]:
        """Return the groups that have members; in a cluster all, since a node knows only its own clients."""
        if self._clustered is None:
            try:
                self._clustered = bool(self._client.info("cluster").get("cluster_enabled"))
            except redis.ResponseError:  # not allowed to ask
                self._clustered = False
        if self._clustered:
            return channels
        counts: Any = self._client.pubsub_numsub(*channels)
        return {name.decode() for name, count in counts if count}


def _not_sent(batch: Sequence[Addressed], error: Exception) -> None:
    known = isinstance(error, redis.RedisError)  # watchers poll the log
    instruments.DROPPED_MESSAGES.add(len(batch))
    logger.warning(
        "live notifications not sent: %s; clients get the events from history",
        error,
        exc_info=not known,
        extra={"count": len(batch)},
    )


_publisher = PerProcess(_Publisher, close=_Publisher.finish)


def send_messages(messages: list[tuple[str, dict[str, Any]]]) -> None:
    """Send messages to groups, in order, soon. Never raises, and drops what Redis does not take: they are hints."""
    _publisher().send([(group, partial(dict, message)) for group, message in messages])


def publish(events: Sequence[RecordedEvent]) -> None:
    """Publish events to the watchers of their streams and of the feed. Never raises: the events are stored already."""
    by_stream: dict[str, list[RecordedEvent]] = {}
    for event in events:
        for name in _shown_in(event):
            by_stream.setdefault(name, []).append(event)
    messages: list[Addressed] = []
    committed_at = time.time()
    for name, shown in by_stream.items():
        for start in range(0, len(shown), MAX_EVENTS_PER_MESSAGE):
            # Built only if the group has members.
            part = shown[start : start + MAX_EVENTS_PER_MESSAGE]
            messages.append((group_of(name), partial(message, name, part, committed_at)))
    _publisher().send(messages)


def message(stream: str, shown: Sequence[RecordedEvent], committed_at: float | None = None) -> dict[str, Any]:
    """Return the message of consecutive events of a stream: envelopes as JSON texts, and what filters need."""
    message: dict[str, Any] = {
        "type": "stream.events",
        "stream": stream,
        "first": shown[0].sequence_in(stream),
        "types": [event.type for event in shown],
        "events": [event.json(stream) for event in shown],
    }
    if committed_at is not None:
        message["committed_at"] = committed_at
    if stream == FEED:
        message["workspaces"] = [event.workspace_id for event in shown]
    return message


def _shown_in(event: RecordedEvent) -> Iterator[str]:
    """Yield the names of the streams that show the event."""
    yield event.stream
    if event.feed_sequence is not None:
        yield FEED
        if event.workflow_sequence is not None:
            yield f"{WORKFLOW}{event.workflow_id}"


def access_changed(user: int) -> None:
    """Make every web process check the permissions of a user's connections again. Never raises."""
    send_messages([(ACCESS_GROUP, {"type": "access.changed", "user": user})])
