"""Who is connected to this web process: how many may be, whether they still may, and their farewell.

Rights are asked for again a while after a change was told (`access_changed`), and from time to time in any case: what a
message should have told may have been lost.
"""

from __future__ import annotations

import asyncio
import logging
import random
import weakref
from collections import Counter
from collections.abc import Collection
from typing import Protocol

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from events.streaming.access import viewer_of
from events.streaming.hub import Hub, hub
from events.streaming.session import Session
from events.streaming.viewer import Login, Viewer
from workflow_platform.core.database_threads import in_database

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 15.0
SETTLE_SECONDS = 0.2
ENTERING_AT_ONCE = 8
"""Clients of whom it is looked up who they are."""
NOT_AUTHENTICATED, FORBIDDEN, NO_SUCH_STREAM, NO_PONG, TOO_MANY, RESTARTING = 4401, 4403, 4404, 4408, 4429, 1012
FAREWELL_SECONDS = 1.0
"""Over which clients are told to come back when the process stops, so that they do not come all at once."""


class StreamConnection(Protocol):
    """A client's connection, of whatever kind."""

    login: Login
    session: Session

    async def end(self, code: int) -> None:
        """Close it, for the reason that the code gives."""


class TooManyConnections(Exception):
    """There are as many connections as there may be."""


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

    async def viewer_of(self, login: Login) -> Viewer | None:
        """Return who comes. Of many who come at once the first are through before the last are looked at."""
        async with self._entering:
            return await in_database(viewer_of, login)

    def enter(self, connection: StreamConnection) -> None:
        """Count a connection. Raises TooManyConnections."""
        user = connection.session.viewer.user.pk
        if self._stopping or len(self._connections) >= settings.WS_MAX_CONNECTIONS:
            raise TooManyConnections(f"At most {settings.WS_MAX_CONNECTIONS} connections to this process.")
        if self._per_user[user] >= settings.WS_MAX_CONNECTIONS_PER_USER:
            raise TooManyConnections(f"At most {settings.WS_MAX_CONNECTIONS_PER_USER} connections of one user.")
        self._connections.add(connection)
        self._per_user[user] += 1
        self._hub.enter()
        if self._recheck is None:
            self._recheck = asyncio.create_task(self._keep_checking())

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

    async def say_farewell(self) -> None:
        """Tell all clients to come back later, spread over a second; takes no more."""
        self._stopping = True
        leaving = list(self._connections)

        async def one(connection: StreamConnection) -> None:
            await asyncio.sleep(random.uniform(0, FAREWELL_SECONDS))  # noqa: S311 - spreads a load
            try:
                await connection.end(RESTARTING)
            except Exception as error:
                logger.warning("a client was not told that the process stops: %s", error)

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
                # What was told may be done only a moment later: a session is deleted after its end was signalled.
                await asyncio.sleep(SETTLE_SECONDS)
                self._wake.clear()
                changed, self._changed = self._changed, set()
                some = [c for c in self._connections if c.session.viewer.user.pk in changed]
            except TimeoutError:
                some = list(self._connections)
            try:
                await self._check(some)
            except (DatabaseError, InterfaceError) as error:
                logger.warning("rights cannot be looked up: %s", str(error).strip())

    async def _check(self, connections: Collection[StreamConnection]) -> None:
        viewers: dict[Login, Viewer | None] = {}
        for connection in connections:
            if connection.login not in viewers:
                viewers[connection.login] = await in_database(viewer_of, connection.login)
            viewer = viewers[connection.login]
            if viewer is None:
                await connection.end(NOT_AUTHENTICATED)
            else:
                await connection.session.see_as(viewer)


_presences: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Connections] = weakref.WeakKeyDictionary()


def connections() -> Connections:
    """Return the presence of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _presences:
        _presences[loop] = Connections(hub())
    return _presences[loop]
