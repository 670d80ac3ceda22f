"""The WebSocket: JSON text frames, one connection for any number of streams."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import orjson
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from events import instruments
from events.streaming import access, frames
from events.streaming.close_codes import FORBIDDEN, NO_SUCH_STREAM, NOT_AUTHENTICATED, RESTARTING, TOO_MANY
from events.streaming.connections import TooManyConnections, connections
from events.streaming.frames import BadFrame
from events.streaming.hub import hub
from events.streaming.requests import (
    PING,
    Answered,
    ControlRequest,
    PageRequest,
    StreamRequest,
    SubscribeRequest,
    UnsubscribeRequest,
    refusal,
)
from events.streaming.session import Session, TooManyRequests
from events.streaming.viewer import Login
from workflow_platform.core.database_threads import in_database

logger = logging.getLogger(__name__)


class StreamConsumer(AsyncWebsocketConsumer):
    """The WebSocket of one client. docs/asyncapi.yaml specifies the frames."""

    channel_layer_alias = ""  # none: the hub receives for all clients

    session: Session
    login: Login
    _inside = False
    _sending: asyncio.Task[None] | None = None

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle a message. No database connection is used here; `in_database` returns those it uses."""
        try:
            await getattr(self, get_handler_name(message))(message)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("database failed for a WebSocket: %s; the client is told to reconnect", str(error).strip())
            await self.close(RESTARTING)

    async def connect(self) -> None:
        """Accept the client if it may connect; subscribe it to the execution in the address, if there is one."""
        self._allowance, self._refilled_at = float(settings.WS_MESSAGE_BURST), time.monotonic()
        protocols = self.scope.get("subprotocols", [])
        # Accept first: a close before accept reaches a browser as HTTP 403, without its code.
        await self.accept("bearer" if protocols[:1] == ["bearer"] else None)
        headers = dict(self.scope["headers"])
        self.login = Login.of(headers, protocols)
        viewer = await connections().viewer_of(self.login)
        if viewer is None:
            await self.close(NOT_AUTHENTICATED)
            return
        if self.login.bearer is None and not access.same_origin(headers):
            await self.close(FORBIDDEN)
            return
        self.session = Session(hub(), viewer, self, settings.WS_MAX_SUBSCRIPTIONS)
        try:
            connections().enter(self)
        except TooManyConnections:
            await self.close(TOO_MANY)
            return
        self._inside = True
        instruments.WEBSOCKETS.add()
        instruments.OPEN_WEBSOCKETS.add(1)
        self._sending = asyncio.create_task(self._send_all())
        execution = self.scope["url_route"]["kwargs"].get("execution_id")
        if execution is not None:
            await self._subscribe_to(f"execution:{execution}")

    async def disconnect(self, code: int) -> None:
        """Forget the client."""
        if self._inside and self._sending is not None:
            self._inside = False
            instruments.OPEN_WEBSOCKETS.add(-1)
            connections().leave(self)
            self.session.close()
            self._sending.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Handle a frame."""
        if not self._inside:
            return
        instruments.RECEIVED.add()
        if not self._within_rate():
            await self.close(TOO_MANY)
            return
        try:
            self.session.request(_request_of(text_data))
        except TooManyRequests:
            await self.close(TOO_MANY)

    # --- what a session needs of its client -----------------------------------------------------------------------

    async def events(self, stream: str, sequences: Sequence[int], envelopes: Sequence[str], through: int) -> None:
        """Send events as one frame."""
        joined = ",".join(envelopes)
        subscription = self.session.subscriptions.get(stream)
        committed_at = subscription.committed_at if subscription is not None else None
        await self.send(f'{{"type":"events","stream":"{stream}","events":[{joined}],"through":{through}}}')
        instruments.SENT.add()
        if committed_at is not None:
            instruments.LATENCY.observe(max(0.0, time.time() - committed_at))

    async def frame(self, frame: dict[str, Any]) -> None:
        """Send any other frame."""
        await self.send(orjson.dumps(frame).decode())
        instruments.SENT.add()

    async def end(self, code: int) -> None:
        """Close the socket."""
        await self.close(code)

    async def _subscribe_to(self, stream: str) -> None:
        if not await in_database(access.visible_streams, self.session.viewer, [stream]):
            await self.close(NO_SUCH_STREAM)
            return
        after = parse_qs(self.scope["query_string"].decode("latin-1")).get("after", ["0"])[0]
        known = after.removeprefix("-").isdecimal() and len(after) < 19
        self.session.subscribe(stream, int(after) if known else 0, None)

    async def _send_all(self) -> None:
        try:
            await self.session.run()
        except Exception:
            logger.exception("streaming session failed; its WebSocket closes with code 1011")
            await self.close(1011)

    def _within_rate(self) -> bool:
        now = time.monotonic()
        filled = self._allowance + (now - self._refilled_at) * settings.WS_MESSAGES_PER_SECOND
        self._allowance, self._refilled_at = min(float(settings.WS_MESSAGE_BURST), filled) - 1, now
        return self._allowance >= 0


def _request_of(text: str | None) -> StreamRequest:
    """Return the request that a client's frame makes; for an invalid one, its answer. None stands for binary data."""
    try:
        if text is None:
            raise BadFrame("Only text frames are accepted.")
        if len(text) > settings.WS_MAX_FRAME_BYTES:
            raise BadFrame(f"The frame is larger than {settings.WS_MAX_FRAME_BYTES} bytes (WS_MAX_FRAME_BYTES).")
        match frames.parse(text):
            case frames.Ping():
                return PING
            case frames.Subscribe() as frame:
                types = frames.requested_types(frame.types, frame.level)
                return SubscribeRequest(frame.stream, frame.after, types)
            case frames.Unsubscribe() as frame:
                return UnsubscribeRequest(frame.stream)
            case frames.Read() as frame:
                return PageRequest(frame.stream, frame.after, frame.limit)
            case frames.Control() as frame:
                return ControlRequest(frame.stream, frame.model_dump())
    except BadFrame as error:
        return Answered(refusal("bad_frame", frames.stream_named_in(text or ""), str(error)))
