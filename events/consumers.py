"""The WebSocket: JSON text frames, one connection for any number of streams."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.http.request import validate_host

from events.live import group_of
from events.session import Subscription, find_access
from workflow_platform.accounts.authentication import authenticate_bearer
from workflow_platform.accounts.models import User

NOT_AUTHENTICATED, FORBIDDEN, NO_SUCH_STREAM, TOO_MANY = 4401, 4403, 4404, 4429
MAX_FRAME_BYTES = 64 * 1024
MAX_SUBSCRIPTIONS = 1_000
MESSAGES_PER_SECOND, MESSAGE_BURST = 50.0, 1_200.0
RECHECK_SECONDS = 30.0
STREAM = re.compile(r"^(executions|system|(execution|workflow):[0-9a-f-]{36})$")

_open_connections = 0


class StreamConsumer(AsyncWebsocketConsumer):
    """Spec of the frames: README, `The WebSocket`."""

    async def connect(self) -> None:
        global _open_connections
        self.subscriptions: dict[str, Subscription] = {}
        self.allowance, self.refilled_at = MESSAGE_BURST, time.monotonic()
        self.counted = False
        self.recheck: asyncio.Task[None] | None = None
        protocols = self.scope.get("subprotocols", [])
        # Accept first: a close before accept reaches a browser as HTTP 403, without its code.
        await self.accept("bearer" if protocols[:1] == ["bearer"] else None)
        self.user = await self._authenticate(protocols)
        if self.user is None:
            return
        if _open_connections >= settings.WS_MAX_CONNECTIONS:
            await self.close(TOO_MANY)
            return
        _open_connections += 1
        self.counted = True
        self.recheck = asyncio.create_task(self._recheck())
        execution = self.scope["url_route"]["kwargs"].get("execution_id")
        if execution is not None:
            after = parse_qs(self.scope["query_string"].decode("latin-1")).get("after", ["0"])[0]
            stream = f"execution:{execution}"
            if await self._subscribe(stream, int(after) if after.isdigit() else 0) is not None:
                await self.close(NO_SUCH_STREAM)

    async def disconnect(self, code: int) -> None:
        global _open_connections
        if self.counted:
            self.counted = False
            _open_connections -= 1
        if self.recheck is not None:
            self.recheck.cancel()
        for stream in list(self.subscriptions):
            await self._unsubscribe(stream)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.user is None:
            return
        if not self._within_rate():
            await self.close(TOO_MANY)
            return
        if text_data is None or len(text_data) > MAX_FRAME_BYTES:
            await self._error("bad_frame", f"Frames are JSON text of at most {MAX_FRAME_BYTES} bytes.")
            return
        try:
            frame = orjson.loads(text_data)
        except orjson.JSONDecodeError as error:
            await self._error("bad_frame", f"The frame is not JSON: {error}.")
            return
        await self._handle(frame if isinstance(frame, dict) else {})

    async def stream_events(self, message: dict[str, Any]) -> None:
        """Take a group message from the channel layer."""
        if (subscription := self.subscriptions.get(message["stream"])) is not None:
            subscription.offer(message)

    # --- frames ----------------------------------------------------------------------------------------------------

    async def _handle(self, frame: dict[str, Any]) -> None:
        kind, stream = frame.get("type"), frame.get("stream")
        if kind == "ping":
            await self._send({"type": "pong"})
        elif kind not in {"subscribe", "unsubscribe"}:
            await self._error("bad_frame", "`type` is one of subscribe, unsubscribe, ping.")
        elif not isinstance(stream, str) or not STREAM.match(stream):
            await self._error("not_found", "There is no such stream, or it is not yours to see.", stream)
        elif kind == "unsubscribe":
            await self._unsubscribe(stream)
            await self._send({"type": "unsubscribed", "stream": stream})
        else:
            after = frame.get("after", 0)
            if not isinstance(after, int) or isinstance(after, bool) or after < 0:
                await self._error("bad_frame", "`after` is the last sequence that the client holds: 0 or more.", stream)
            elif (said := await self._subscribe(stream, after)) is not None:
                await self._error(*said, stream)

    async def _subscribe(self, stream: str, after: int) -> tuple[str, str] | None:
        """Start a subscription. Returns an error's code and detail if that cannot be."""
        if stream in self.subscriptions:
            await self._unsubscribe(stream)
        if len(self.subscriptions) >= MAX_SUBSCRIPTIONS:
            return "too_many", f"At most {MAX_SUBSCRIPTIONS} streams on one connection."
        # The group first, then what is there: nothing can fall between.
        await self.channel_layer.group_add(group_of(stream), self.channel_name)
        access = await find_access(self.user, stream)
        if access is None:
            await self.channel_layer.group_discard(group_of(stream), self.channel_name)
            return "not_found", "There is no such stream, or it is not yours to see."
        subscription = self.subscriptions[stream] = Subscription(access, after, self._send)
        subscription.start()
        return None

    async def _unsubscribe(self, stream: str) -> None:
        subscription = self.subscriptions.pop(stream, None)
        if subscription is not None:
            subscription.stop()
            await self.channel_layer.group_discard(group_of(stream), self.channel_name)

    async def _send(self, frame: dict[str, Any]) -> None:
        await self.send(text_data=orjson.dumps(frame).decode())

    async def _error(self, code: str, detail: str, stream: object = None) -> None:
        await self._send({"type": "error", "code": code, "stream": stream, "detail": detail})

    # --- who and how much ------------------------------------------------------------------------------------------

    async def _authenticate(self, protocols: list[str]) -> User | None:
        """Return the user, or close: by bearer token (header or subprotocol pair), or by session and origin."""
        headers = dict(self.scope["headers"])
        scheme, _, raw = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" and len(protocols) >= 2 and protocols[0] == "bearer":
            scheme, raw = "bearer", protocols[1]
        if scheme.lower() == "bearer":
            self.bearer: str | None = raw.strip()
            user = await database_sync_to_async(authenticate_bearer)(self.bearer)
        else:
            self.bearer = None
            session_user: Any = self.scope["user"]
            user = session_user if session_user.is_authenticated else None
            if user is not None and not self._same_origin(headers):
                await self.close(FORBIDDEN)
                return None
        if not isinstance(user, User):
            await self.close(NOT_AUTHENTICATED)
            return None
        return user

    def _same_origin(self, headers: dict[bytes, bytes]) -> bool:
        """Tell whether a browser's page of this very site opened the socket: scheme, host and port."""
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin in settings.CSRF_TRUSTED_ORIGINS:
            return True
        parts = urlsplit(origin)
        host = headers.get(b"host", b"").decode("latin-1")
        scheme = "https" if settings.HTTPS else "http"
        hostname = parts.hostname or ""
        allowed = validate_host(f"[{hostname}]" if ":" in hostname else hostname, settings.ALLOWED_HOSTS)
        return parts.scheme == scheme and parts.netloc == host and allowed

    def _within_rate(self) -> bool:
        now = time.monotonic()
        self.allowance = min(MESSAGE_BURST, self.allowance + (now - self.refilled_at) * MESSAGES_PER_SECOND)
        self.refilled_at = now
        self.allowance -= 1
        return self.allowance >= 0

    async def _recheck(self) -> None:
        """End what the user may no longer see, and the socket when the token or account is gone."""
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            assert self.user is not None
            if not await self._still_valid():
                await self.close(NOT_AUTHENTICATED)
                return
            for stream in list(self.subscriptions):
                access = await find_access(self.user, stream)
                if access is None or access.workspace_ids != self.subscriptions[stream].access.workspace_ids:
                    await self._unsubscribe(stream)
                    await self._error("forbidden", "What you may see has changed: subscribe again.", stream)

    @database_sync_to_async
    def _still_valid(self) -> bool:
        assert self.user is not None
        if self.bearer is not None:
            return authenticate_bearer(self.bearer) is not None
        session = self.scope["session"]
        return session.exists(session.session_key) and User.objects.filter(pk=self.user.pk, is_active=True).exists()
