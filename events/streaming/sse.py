"""Streams over plain HTTP: server-sent events for browsers and proxies, JSON lines for `curl`.

Behind it is the same session as behind a WebSocket. The id of each event is the cursor, so that a browser's own
reconnection (`Last-Event-ID`) continues where it was cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from events import instruments
from events.catalogue.stream_names import EXECUTION
from events.log.reading import StreamState
from events.streaming import access
from events.streaming.connections import TooManyConnections, connections
from events.streaming.frames import BadFrame, requested_types
from events.streaming.hub import hub
from events.streaming.session import Session
from events.streaming.viewer import NOT_FOUND, Login, Viewer
from workflow_platform.core.api.problems import json_problem
from workflow_platform.core.database_threads import in_database

MAX_STREAMS = 20
BEAT_SECONDS = 15.0
"""The longest time without sending: proxies close idle connections, and a client that has gone must be noticed."""
RETRY_MILLISECONDS = 1000
_PARAMETERS = frozenset({"stream", "after", "types", "level", "format"})
JSON_LINES = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class _StreamQuery:
    """The parameters of a request; `after` by stream."""

    after: dict[str, int]
    types: frozenset[str] | None
    lines: bool
    resumed: bool


class _BadParameter(ValueError):
    """A parameter is invalid; the message names it."""


@require_GET
async def execution_stream(request: ASGIRequest, execution_id: UUID) -> HttpResponseBase:
    """Stream an execution, from `?after=` or `Last-Event-ID` on, to its end."""
    return await _answer(request, [f"{EXECUTION}{execution_id}"])


@require_GET
async def streams(request: ASGIRequest) -> HttpResponseBase:
    """Stream the streams named by `?stream=`."""
    return await _answer(request, request.GET.getlist("stream"))


async def _answer(request: ASGIRequest, names: list[str]) -> HttpResponseBase:
    login = Login.of(dict(request.scope["headers"]))
    viewer = await connections().viewer_of(login)
    if viewer is None:
        refusal = json_problem(request, 401, "Log in, or send `Authorization: Bearer` with a token.")
        refusal["WWW-Authenticate"] = 'Bearer realm="workflow-platform"'
        return refusal
    try:
        query = _read(request, names)
    except (_BadParameter, BadFrame) as error:
        return json_problem(request, 400, str(error))
    states = await in_database(access.visible_streams, viewer, names)
    if missing := [name for name in names if name not in states]:
        return json_problem(request, 404, f"`stream`: {missing[0]}: {NOT_FOUND}")
    if query.resumed and all(_all_held(states[name], after) for name, after in query.after.items()):
        return HttpResponse(status=204)  # stops a browser from reconnecting
    return _stream(request, login, viewer, query)


def _stream(request: ASGIRequest, login: Login, viewer: Viewer, query: _StreamQuery) -> HttpResponseBase:
    client = _Client(login, viewer, query)
    try:
        connections().enter(client)
    except TooManyConnections as error:
        refusal = json_problem(request, 429, str(error))
        refusal["Retry-After"] = "5"
        return refusal
    client.count()
    content_type = JSON_LINES if query.lines else "text/event-stream"
    response = _Response(client, content_type)
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _all_held(state: StreamState, after: int) -> bool:
    return state.ended_at is not None and after >= state.head


def _read(request: ASGIRequest, names: list[str]) -> _StreamQuery:
    if not 1 <= len(names) <= MAX_STREAMS or len(set(names)) < len(names):
        raise _BadParameter(f"`stream`: give 1 to {MAX_STREAMS} streams, each once.")
    if unknown := sorted(set(request.GET) - _PARAMETERS):
        raise _BadParameter(
            f"`{unknown[0][:60]}`: unknown parameter. Known parameters: {', '.join(sorted(_PARAMETERS))}."
        )
    if empty := sorted(name for name in request.GET if not all(request.GET.getlist(name))):
        raise _BadParameter(f"`{empty[0]}`: the value is empty. Give a value, or omit the parameter.")
    if any("\0" in value for name in request.GET for value in request.GET.getlist(name)):
        raise _BadParameter("The URL contains a NUL character (%00), which is not allowed. Remove it.")
    last = request.headers.get("Last-Event-ID", "")
    source, text = ("Last-Event-ID", last) if last else ("after", request.GET.get("after", "0"))
    after = _cursors(source, text, names)
    types = [t for value in request.GET.getlist("types") for t in value.split(",") if t]
    level = request.GET.get("level", "all")
    if level not in {"all", "lifecycle"}:
        raise _BadParameter("`level` must be lifecycle or all.")
    form = request.GET.get("format", "")
    if form not in {"", "sse", "ndjson"}:
        raise _BadParameter("`format` must be sse or ndjson.")
    lines = form == "ndjson" or (not form and JSON_LINES in request.headers.get("Accept", ""))
    resumed = bool(last) or "after" in request.GET
    return _StreamQuery(after, requested_types(types or None, level), lines, resumed)


def _cursors(source: str, text: str, names: list[str]) -> dict[str, int]:
    """Parse cursors: one number for all streams, or `name=number,…`."""
    try:
        if "=" not in text:
            return dict.fromkeys(names, _number(text))
        cursors = dict(part.rsplit("=", 1) for part in text.split(","))
        return {name: _number(cursors.get(name, "0")) for name in names}
    except ValueError:
        raise _BadParameter(f"`{source}` must be a sequence, or `stream=sequence` pairs separated by commas.") from None


def _number(text: str) -> int:
    if not text.isascii() or not text.removeprefix("-").isdecimal() or len(text) > 19:
        raise ValueError(text)
    return int(text)


class _Response(StreamingHttpResponse):
    """Ends its client, even if reading has not begun."""

    def __init__(self, client: _Client, content_type: str) -> None:
        super().__init__(client.chunks(), content_type=content_type)
        self._client = client

    def close(self) -> None:
        self._client.loop.call_soon_threadsafe(self._client.leave)
        super().close()


class _Client:
    """The client of a session: turns its frames into chunks of an HTTP response, one at a time."""

    def __init__(self, login: Login, viewer: Viewer, query: _StreamQuery) -> None:
        self.loop = asyncio.get_running_loop()
        self.login = login
        self.session = Session(hub(), viewer, self, MAX_STREAMS)
        self._query = query
        self._cursors = dict(query.after)
        self._open = set(query.after)
        self._counted = False
        # One at a time: the session waits until the last chunk has left.
        self._chunks: asyncio.Queue[str | None] = asyncio.Queue(1)

    async def events(self, stream: str, sequences: Sequence[int], envelopes: Sequence[str], through: int) -> None:
        """Send events."""
        if self._query.lines:
            text = "".join(f"{envelope}\n" for envelope in envelopes)
        else:
            parts = []
            for sequence, envelope in zip(sequences, envelopes, strict=True):
                self._cursors[stream] = sequence
                parts.append(f"id: {self._id()}\ndata: {envelope}\n\n")
            self._cursors[stream] = through
            if not sequences or through > sequences[-1]:
                parts.append(f"id: {self._id()}\n\n")
            text = "".join(parts)
        if text:
            await self._chunks.put(text)

    async def frame(self, frame: dict[str, Any]) -> None:
        """Send any other frame; after the end of the last stream, end the response."""
        kind, stream = frame["type"], frame["stream"]
        if kind in {"subscribed", "live", "degraded"} and stream in self._cursors:
            self._cursors[stream] = frame.get("after", frame.get("sequence", 0))
        if not self._query.lines:
            await self._chunks.put(f"event: {kind}\nid: {self._id()}\ndata: {orjson.dumps(frame).decode()}\n\n")
        if kind in {"end", "error"}:
            self._open.discard(stream)
            if not self._open:
                await self._chunks.put(None)

    async def end(self, code: int) -> None:
        """End the response."""
        self._open.clear()
        self.session.close()
        await self._chunks.put(None)

    async def chunks(self) -> AsyncIterator[str]:
        """Yield the response until it ends or the client disconnects."""
        sending = asyncio.create_task(self.session.run())
        for stream, after in self._query.after.items():
            self.session.subscribe(stream, after, self._query.types)
        try:
            if not self._query.lines:
                yield f"retry: {RETRY_MILLISECONDS}\n\n"
            while True:
                try:
                    # Not `wait_for`, which loses a cancellation that arrives together with a chunk.
                    async with asyncio.timeout(BEAT_SECONDS):
                        chunk = await self._chunks.get()
                except TimeoutError:
                    chunk = "\n" if self._query.lines else ": beat\n\n"
                if chunk is None:
                    return
                yield chunk
        finally:
            sending.cancel()
            self.leave()

    def count(self) -> None:
        """Count the client as open."""
        self._counted = True
        instruments.EVENT_STREAMS.add()
        instruments.OPEN_EVENT_STREAMS.add(1)

    def leave(self) -> None:
        """Forget the client."""
        if self._counted:
            self._counted = False
            instruments.OPEN_EVENT_STREAMS.add(-1)
        self.session.close()
        connections().leave(self)

    def _id(self) -> str:
        if len(self._cursors) == 1:
            return str(next(iter(self._cursors.values())))
        return ",".join(f"{stream}={cursor}" for stream, cursor in self._cursors.items())
