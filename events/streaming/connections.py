"""The connections of this web process: their limits, their users' rights, and their end when the process stops.

Rights are checked again shortly after a change (`publisher.access_changed`), and from time to time, since a message may
be lost.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Collection
from typing import Protocol

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from events import instruments
from events.streaming.access import viewer_of
from events.streaming.close_codes import NOT_AUTHENTICATED, RESTARTING
from events.streaming.hub import Hub, hub
from events.streaming.session import Session
from events.streaming.viewer import Login, Viewer
from workflow_platform.core.database_threads import in_database
from workflow_platform.core.logs import without_log_context
from workflow_platform.core.per_process import PerLoop

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 15.0
ENTERING_AT_ONCE = 8
"""The number of clients whose viewers are looked up at a time."""
FAREWELL_SECONDS = 1.0
"""When the process stops, clients are disconnected over this time, so that they do not reconnect all at once."""


class StreamConnection(Protocol):
    """The connection of a client, of any kind."""

    login: Login
    session: Session

    async def end(self, code: int) -> None:
        """Close the connection with a code."""


class TooManyConnections(Exception):
    """The limit of connections is reached."""


class Connections:
    """The connections of one event loop."""

    def __init__(self, its_hub: Hub) -> None:
        self._hub = its_hub
        self._connections: set[StreamConnection] = set()
        self._per_user: Counter[int] = Counter()
        self._recheck: asyncio.Task[None] | None = None
        self._changed: set[int] = set()
        self._wake = asyncio.Event()
        self._stopping = False
        self._entering = asyncio.Semaphore(ENTERING_AT_ONCE)
        its_hub.on_access_changed.add(self._note_change)
        instruments.BUFFERED.read_from(self._buffered_bytes)

    def _buffered_bytes(self) -> float:
        return sum(connection.session.buffered_bytes for connection in list(self._connections))

    async def viewer_of(self, login: Login) -> Viewer | None:
        """Return the viewer of a login. A few are looked up at a time, so that early clients need not wait for all."""
        async with self._entering:
            return await in_database(viewer_of, login)

    def enter(self, connection: StreamConnection) -> None:
        """Count a connection. Raises TooManyConnections."""
        user = connection.session.viewer.user.pk
        if self._stopping or len(self._connections) >= settings.WS_MAX_CONNECTIONS:
            raise TooManyConnections(
                f"This process has {settings.WS_MAX_CONNECTIONS} connections, which is the limit (WS_MAX_CONNECTIONS)."
            )
        if self._per_user[user] >= settings.WS_MAX_CONNECTIONS_PER_USER:
            raise TooManyConnections(
                f"This user has {settings.WS_MAX_CONNECTIONS_PER_USER} connections, which is the limit"
                " (WS_MAX_CONNECTIONS_PER_USER)."
            )
        self._connections.add(connection)
        self._per_user[user] += 1
        self._hub.enter()
        if self._recheck is None:
            self._recheck = asyncio.create_task(self._keep_checking(), context=without_log_context())

    def leave(self, connection: StreamConnection) -> None:
        """Forget a connection, if it was counted."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        user = connection.session.viewer.user.pk
        self._per_user[user] -= 1
        if self._per_user[user] <= 0:
            del self._per_user[user]
        self._hub.leave()
        if not self._connections and self._recheck is not None:
            self._recheck.cancel()
            self._recheck = None

    async def disconnect_all(self) -> None:
        """Close all connections with RESTARTING, spread over FAREWELL_SECONDS, and accept no more."""
        self._stopping = True
        leaving = list(self._connections)

        async def one(connection: StreamConnection) -> None:
            await asyncio.sleep(random.uniform(0, FAREWELL_SECONDS))  # noqa: S311 - spreads a load
            try:
                await connection.end(RESTARTING)
            except Exception as error:
                logger.warning("client not told to reconnect: %s; its connection is cut when the process ends", error)

        await asyncio.gather(*(one(connection) for connection in leaving))

    def _note_change(self, user: int) -> None:
        self._changed.add(user)
        self._wake.set()

    async def _keep_checking(self) -> None:
        while True:
            some: Collection[StreamConnection]
            try:
                async with asyncio.timeout(RECHECK_SECONDS):
                    await self._wake.wait()
                self._wake.clear()
                changed, self._changed = self._changed, set()
                some = [c for c in self._connections if c.session.viewer.user.pk in changed]
            except TimeoutError:
                some = list(self._connections)
            try:
                await self._check(some)
            except (DatabaseError, InterfaceError) as error:
                logger.warning(
                    "permissions of connected clients not checked: %s; checking again within %g s",
                    str(error).strip(),
                    RECHECK_SECONDS,
                    extra={"count": len(some), "retry_seconds": RECHECK_SECONDS},
                )

    async def _check(self, connections: Collection[StreamConnection]) -> None:
        viewers: dict[Login, Viewer | None] = {}
        for connection in connections:
            if connection.login not in viewers:
                viewers[connection.login] = await in_database(viewer_of, connection.login)
            viewer = viewers[connection.login]
            if viewer is None:
                await connection.end(NOT_AUTHENTICATED)
            else:
                await connection.session.change_viewer(viewer)


connections = PerLoop(lambda: Connections(hub()))
"""The connections of the running event loop."""
