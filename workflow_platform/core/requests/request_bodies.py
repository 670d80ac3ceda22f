"""Reads request bodies within limits of size, time, and the memory of one process.

A body of up to SMALL_BODY_BYTES is read from every caller. A larger one is read only if `admit` accepts the caller and
there is room for it. A body is rejected by its declared length before it is read, or when it exceeds a limit.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

from workflow_platform.core.api.problems import too_large
from workflow_platform.core.requests.client_address import client_address, counted_as

SMALL_BODY_BYTES = 64 * 1024
PROGRESS_BYTES = 10_000
"""The bytes of an unfinished body that must arrive in every REQUEST_PROGRESS_SECONDS."""
SHARE_OF_ONE_ADDRESS = 4
"""One address may use this part (a quarter) of the room."""
MAX_LENGTH_DIGITS = 19

Receive = Callable[[], Awaitable[dict[str, Any]]]


class Unread(Exception):
    """A body was rejected before its end. `refusal` is the status and detail of the response, and the size, 0 if
    unknown."""

    def __init__(self, status: int, detail: str, size: int = 0) -> None:
        super().__init__(detail)
        self.refusal = (status, detail, size)


class Room:
    """The bytes of large bodies that are held, by address. Only for the thread of the event loop."""

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self._held: Counter[str] = Counter()

    def take(self, address: str, size: int) -> bool:
        """Reserve room. Returns False if there is none."""
        most = self._most()
        if self._held.total() + size > most or self._held[address] + size > most // SHARE_OF_ONE_ADDRESS:
            return False
        self._held[address] += size
        return True

    def give_back(self, address: str, size: int) -> None:
        """Release room."""
        self._held[address] -= size
        if self._held[address] <= 0:
            del self._held[address]


MEMORY = Room(lambda: settings.REQUEST_BODIES_MAX_BYTES)
"""The large bodies in the memory of this process."""


class RequestBody:
    """The body of one request. `admit` gets the size that is known and raises Unread for a caller who may not send a
    body above SMALL_BODY_BYTES; it may lower `limit`. `room` is where the body is held, by default in memory."""

    def __init__(
        self,
        scope: Any,
        receive: Receive,
        admit: Callable[[int], Awaitable[None]],
        *,
        limit: int | None = None,
        room: Room = MEMORY,
    ) -> None:
        self._scope, self._receive, self._admit, self._room = scope, receive, admit, room
        self.limit: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if limit is None else limit
        self._size = self._held = self._progress = 0
        self._seconds_left = settings.REQUEST_PROGRESS_SECONDS
        self._begun = self._ended = self._admitted = False
        self._address = ""

    async def receive(self) -> dict[str, Any]:
        """Return the next ASGI message. Raises Unread; do not read the body after that."""
        if self._ended:
            return await self._receive()
        if not self._begun:
            self._begun = True
            await self._check(_declared_length(self._scope))
        message = await self._next()
        if message["type"] != "http.request":
            return message
        self._size += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        await self._check(self._size, cut=not self._ended)
        self._hold()
        return message

    def close(self) -> None:
        """Release the room of the body."""
        if self._held:
            self._room.give_back(self._address, self._held)
            self._held = 0

    async def _check(self, size: int, cut: bool = False) -> None:
        self._check_limit(size, cut)
        if size > SMALL_BODY_BYTES and not self._admitted:
            await self._admit(size)
            self._admitted = True
            self._check_limit(size, cut)

    def _check_limit(self, size: int, cut: bool) -> None:
        if self.limit is not None and size > self.limit:
            raise Unread(413, too_large(None if cut else size, self.limit), size)

    async def _next(self) -> dict[str, Any]:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self._seconds_left):
                message = await self._receive()
        except TimeoutError:
            seconds = f"{settings.REQUEST_PROGRESS_SECONDS:g} s"
            detail = f"The body arrived too slowly: {PROGRESS_BYTES} bytes must come in every {seconds}."
            raise Unread(408, detail, self._size) from None
        # Only the time that the client takes counts.
        self._seconds_left -= clock() - began
        self._progress += len(message.get("body", b""))
        if self._progress >= PROGRESS_BYTES:
            self._progress, self._seconds_left = 0, settings.REQUEST_PROGRESS_SECONDS
        return message

    def _hold(self) -> None:
        more = self._size - SMALL_BODY_BYTES - self._held
        if more <= 0:
            return
        self._address = self._address or counted_as(client_address(_meta(self._scope)))
        if not self._room.take(self._address, more):
            raise Unread(503, "Too many large bodies are being received. Send the request again later.", self._size)
        self._held += more


def _declared_length(scope: Any) -> int:
    """Return the Content-Length; 0 if there is none. Raises Unread."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if not declared.isdigit() or len(declared) > MAX_LENGTH_DIGITS:
        raise Unread(400, "Content-Length is not a number.")
    return int(declared)


def _meta(scope: Any) -> dict[str, str]:
    """Return what `client_address` needs."""
    forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return {"REMOTE_ADDR": (scope.get("client") or ("",))[0], "HTTP_X_FORWARDED_FOR": ",".join(forwarded)}
