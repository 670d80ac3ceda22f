"""The live messages of a web process: one channel of the layer for all its clients, so that each message is read once.

The hub notices lost messages: it sends itself heartbeats through Redis. While none arrives, streams are `degraded`:
their heads are polled often, and clients read from the log. Otherwise a slow poll finds events without a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Iterable
from typing import Any, Protocol

from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import channel_layers
from django.db import DatabaseError, InterfaceError

from events import instruments
from events.log import reading
from events.streaming.batch import EventBatch
from events.streaming.publisher import ACCESS_GROUP, group_of
from workflow_platform.core.database_threads import in_database
from workflow_platform.core.logs import without_log_context
from workflow_platform.core.per_process import PerLoop

logger = logging.getLogger(__name__)

BEAT_SECONDS = 0.5
SILENCE_SECONDS = 2.5
"""Streams are degraded after this time without a heartbeat. Not shorter, since the process itself may be busy."""
BUSY_SECONDS = 0.1
"""A process that wakes up this late is busy, so the missing heartbeat does not indicate a failure of Redis."""
POLL_SECONDS, DEGRADED_POLL_SECONDS = 2.0, 0.25
RETRY_SECONDS = 0.5
GIVE_UP_SECONDS = 5.0
"""A connection is closed after this time without a heartbeat: a Redis that hangs, or a replaced master, never closes
it."""


class Watcher(Protocol):
    """The receiver of the hub's messages about one stream. The calls must not block."""

    @property
    def stream(self) -> str:
        """The stream's name."""

    def offer(self, batch: EventBatch) -> None:
        """Take consecutive events that a message brought."""

    def look(self, head: int) -> None:
        """Take the stream's last sequence as it was at the previous poll."""

    def state_changed(self) -> None:
        """Handle a changed state of the stream, or the stop or return of live messages."""


class Hub:
    """One per event loop. Its tasks run while it has sessions."""

    def __init__(self) -> None:
        self.degraded = False
        self._layer: Any = channel_layers.make_backend(
            DEFAULT_CHANNEL_LAYER
        )  # not shared, so that its connections can be dropped
        self._watchers: dict[str, set[Watcher]] = {}
        self._heads: dict[str, int] = {}
        self._channel: str | None = None
        self._joined: set[str] = set()
        self._requested: set[str] = set()
        self._joining = asyncio.Lock()
        self._next_round: asyncio.Task[None] | None = None
        self._heard_at = time.monotonic()
        self._patience: asyncio.Timeout | None = None
        self._users = 0
        self._parting: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.on_access_changed: set[Any] = set()

    # --- who watches what -----------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Add a session; the first one starts the hub."""
        self._users += 1
        if self._users == 1:
            self._heard_at = time.monotonic()
            loops = (self._listen, self._keep_joined, self._beat, self._poll)
            self._tasks = [asyncio.create_task(loop(), context=without_log_context()) for loop in loops]

    def leave(self) -> None:
        """Remove a session; the last one stops the hub."""
        self._users -= 1
        if self._users == 0:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    async def watch(self, watchers: Collection[Watcher]) -> None:
        """Pass messages about their streams to these watchers from now on."""
        for watcher in watchers:
            self._watchers.setdefault(watcher.stream, set()).add(watcher)
        await self._join({watcher.stream for watcher in watchers})

    def unwatch(self, watcher: Watcher) -> None:
        """Pass no more messages to the watcher. The hub leaves the group later, since streams are often watched
        again."""
        watchers = self._watchers.get(watcher.stream)
        if watchers is not None:
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[watcher.stream]
                self._heads.pop(watcher.stream, None)

    async def _join(self, streams: Iterable[str]) -> None:
        """Join the groups of streams, in one round for all callers: when a thousand clients connect at once, one after
        another would take each of them several turns of the event loop."""
        self._requested.update(streams)
        self._requested -= self._joined
        if not self._requested:
            return
        if self._next_round is None:
            self._next_round = asyncio.create_task(self._join_requested(), context=without_log_context())
        await asyncio.shield(self._next_round)

    async def _join_requested(self) -> None:
        """Join the requested groups. `_keep_joined` retries what fails."""
        async with self._joining:
            self._next_round = None
            requested, self._requested = self._requested, set()
            if self._channel is None:
                return
            try:
                for stream in requested - self._joined:
                    async with asyncio.timeout(RETRY_SECONDS):
                        await self._layer.group_add(group_of(stream), self._channel)
                    self._joined.add(stream)
            except Exception as error:
                logger.warning(
                    "stream groups not joined in Redis: %s; retrying in %g s",
                    error,
                    RETRY_SECONDS,
                    extra={"retry_seconds": RETRY_SECONDS},
                )

    async def _keep_joined(self) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            if missing := self._watchers.keys() - self._joined:
                await self._join(missing)

    async def _leave_unwatched(self) -> None:
        async with self._joining:
            if self._channel is not None:
                unwatched = self._joined - self._watchers.keys()
                self._joined -= unwatched
                await self._leave([group_of(stream) for stream in unwatched], self._channel)

    async def _leave(self, groups: Collection[str], channel: str) -> None:
        for group in groups:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._layer.group_discard(group, channel)

    # --- receiving ------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            try:
                async with asyncio.timeout(GIVE_UP_SECONDS):
                    self._channel = await self._layer.new_channel()
                    await self._layer.group_add(ACCESS_GROUP, self._channel)
                await self._join(self._watchers)
                async with asyncio.timeout(GIVE_UP_SECONDS) as self._patience:
                    while True:
                        self._take(await self._layer.receive(self._channel))
            except Exception as error:
                reason = str(error) or "no heartbeat arrives"
                logger.warning("channel layer not readable: %s; reconnecting, and polling for events meanwhile", reason)
                await self._start_over()
            except asyncio.CancelledError:
                groups, channel = [ACCESS_GROUP, *map(group_of, self._joined)], self._channel
                self._forget_channel()
                if channel is not None:
                    self._parting = asyncio.create_task(self._leave(groups, channel))
                raise

    def _forget_channel(self) -> None:
        self._channel, self._patience = None, None
        self._joined.clear()

    async def _start_over(self) -> None:
        """Drop all connections to Redis."""
        self._forget_channel()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(RETRY_SECONDS):
                await self._layer.flush()
        await asyncio.sleep(RETRY_SECONDS)

    def _take(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "stream.events":
            batch = EventBatch(
                message["stream"],
                message["first"],
                message["types"],
                message["events"],
                message.get("workspaces"),
                message.get("committed_at"),
            )
            for watcher in self._watchers.get(batch.stream, ()):
                watcher.offer(batch)
        elif kind == "stream.replay":
            for watcher in list(self._watchers.get(message["stream"], ())):
                watcher.state_changed()
        elif kind == "beat":
            self._heard_at = time.monotonic()
            if self._patience is not None:
                self._patience.reschedule(asyncio.get_running_loop().time() + GIVE_UP_SECONDS)
        elif kind == "access.changed":
            for changed in self.on_access_changed:
                changed(message["user"])

    async def _beat(self) -> None:
        """Send heartbeats that `_take` should receive, and notice when they do not arrive."""
        while True:
            if self._channel is not None:
                # Any failure here has the effect of a missing heartbeat.
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(SILENCE_SECONDS):
                        await self._layer.send(self._channel, {"type": "beat"})
            asleep_at = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)
            if time.monotonic() - asleep_at - BEAT_SECONDS > BUSY_SECONDS:
                # A busy process, as when a thousand clients connect at once, has not read its messages.
                self._heard_at = max(self._heard_at, time.monotonic() - SILENCE_SECONDS + 2 * BEAT_SECONDS)
            silent = time.monotonic() - self._heard_at > SILENCE_SECONDS
            if silent != self.degraded:
                await self._become(degraded=silent)

    async def _become(self, *, degraded: bool) -> None:
        if degraded:
            logger.warning("live notifications stopped; polling for events until they are back")
        else:
            logger.info("live notifications are back")
        if not degraded:
            await self._join(self._watchers)
        self.degraded = degraded
        instruments.DEGRADED.add(1 if degraded else -1)
        for watchers in list(self._watchers.values()):
            for watcher in watchers:
                watcher.state_changed()

    # --- polling --------------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(DEGRADED_POLL_SECONDS if self.degraded else POLL_SECONDS)
            await self._leave_unwatched()
            with contextlib.suppress(DatabaseError, InterfaceError):
                await self._look()

    async def _look(self) -> None:
        """Pass the heads of the previous poll to the watchers: messages for those events should have arrived by now."""
        heads = await in_database(reading.heads, list(self._watchers))
        known, self._heads = (heads if self.degraded else self._heads), heads
        for stream, head in known.items():
            for watcher in list(self._watchers.get(stream, ())):
                watcher.look(head)


hub = PerLoop(Hub)
"""The hub of the running event loop."""
