"""HTTP/1.1 connections whose requests reach the application with their headers, before their bodies.

Twisted and Daphne store a whole body, of any size, before anything else sees the request. Here a body is passed on in
pieces: when WINDOW bytes wait for the application, the socket is not read. A response before the end of the body ends
the connection, so that the rest of the body is never taken for another request.
"""

from __future__ import annotations

import asyncio
import time
from io import BytesIO
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from django.conf import settings
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from workflow_platform.core.requests.sandbox_headers import SANDBOX

WINDOW = 64 * 1024
LINGER_SECONDS, LINGER_BYTES = 30.0, 64 * 1024 * 1024
"""How long, and how much, a refused client may continue to send. The data is discarded: closing at once would reset the
connection, and the client might never see the response."""
MAX_LENGTH_DIGITS = 19
BAD_REQUEST, TIMED_OUT = b"400 Bad Request", b"408 Request Timeout"
LONG_URL, LARGE_HEADERS = b"414 URI Too Long", b"431 Request Header Fields Too Large"


class RequestInput:
    """The input of the application for one request: the body in pieces, then the end of the connection.

    Daphne uses it like a queue.
    """

    def __init__(self, request: StreamedRequest) -> None:
        self._request = request
        self._waiting = bytearray()
        self._ended = self._end_delivered = self._gone = False
        self._news = asyncio.Event()

    def feed(self, piece: bytes) -> int:
        """Add a piece of the body. Returns how many bytes wait."""
        self._waiting += piece
        self._news.set()
        return len(self._waiting)

    def end(self) -> None:
        """The body is complete."""
        self._ended = True
        self._news.set()

    def put_nowait(self, message: dict[str, Any]) -> None:
        """Handle Daphne's message that the client has disconnected. Its messages about the body are empty, since `feed`
        adds the body."""
        if message["type"] == "http.disconnect":
            self._gone = True
            self._news.set()

    async def get(self) -> dict[str, Any]:
        """Return the next message. A complete body is delivered even if its client has disconnected."""
        while True:
            if self._waiting or (self._ended and not self._end_delivered):
                return self._take()
            if self._gone:
                return {"type": "http.disconnect"}
            self._news.clear()
            self._request.send_continue()
            await self._news.wait()

    def _take(self) -> dict[str, Any]:
        piece = bytes(self._waiting)
        self._waiting.clear()
        self._end_delivered = self._ended
        self._request.resume_reading()
        return {"type": "http.request", "body": piece, "more_body": not self._ended}


class StreamedRequest(WebRequest):
    """A request that begins when its headers are complete."""

    application_queue: RequestInput | None
    channel: Any
    expects_continue = False
    body_ended = False
    _begun = False

    def gotLength(self, length: int | None) -> None:
        """Store nothing: Daphne reads this file and finds it empty."""
        self.content = BytesIO()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Begin, once. Twisted's method would also parse forms, in the event loop and without limits."""
        if not self._begun:
            self._begun = True
            self.method, self.uri, self.clientproto = command, path, version
            self.path, self.args = path.partition(b"?")[0], {}
            self.process()

    def handleContentChunk(self, data: bytes) -> None:
        """Pass on a piece of the body; stop reading while too much waits."""
        if self.application_queue is not None and self.application_queue.feed(data) >= WINDOW:
            self.channel.hold_body()

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Reject a request that does not reach the application, such as one with a nameless header: as text, with the
        sandbox headers of /hooks/."""
        headers = [(b"Content-Type", b"text/plain; charset=utf-8"), *SANDBOX.items()]
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": f"{body}.".encode()})

    def end_body(self) -> None:
        """Record that the body is complete."""
        self.body_ended = True
        if self.application_queue is not None:
            self.application_queue.end()

    def send_continue(self) -> None:
        """Send 100 Continue, if the client waits for it (`Expect: 100-continue`)."""
        if self.expects_continue and self.channel is not None and not self.startedWriting:
            self.channel.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.expects_continue = False

    def resume_reading(self) -> None:
        """Continue to read."""
        if self.channel is not None:
            self.channel.release_body()

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Send a part of the response. A response before the end of the body is the connection's last."""
        super().handle_reply(message)
        early = message["type"] == "http.response.start" and not self.body_ended
        if early and self.channel is not None:
            self.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            self.channel.persistent = False


class StreamingChannel(HTTPChannel):
    """A connection of a client."""

    requests: list[StreamedRequest]
    transport: Any
    _networkProducer: Any
    _command: bytes
    _path: Any
    _version: bytes
    _body_arrives = _body_held = False
    _head_began: float | None = None
    _left_to_discard: int | None = None
    """Set when the connection ends: further data are discarded."""

    # --- The head ---------------------------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Handle data from the client."""
        if self._left_to_discard is not None:
            self._left_to_discard -= len(data)
            if self._left_to_discard < 0:
                self.transport.loseConnection()
            return
        if self.line_mode:
            now = time.monotonic()
            if self._head_began is None:
                self._head_began = now
            elif now - self._head_began > settings.REQUEST_PROGRESS_SECONDS:
                self._refuse(TIMED_OUT)
                return
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """Handle a line of the head."""
        if self._receivedHeaderSize + len(line) > self.totalHeadersSize:
            self.lineLengthExceeded(line)
        elif self._receivedHeaderSize and line[:1] in (b" ", b"\t"):
            self._refuse(BAD_REQUEST)  # a folded header: servers and proxies read it differently
        else:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Reject a head that is too large."""
        self._refuse(LARGE_HEADERS if self._receivedHeaderSize else LONG_URL)

    def headerReceived(self, line: bytes) -> bool:
        """Handle a header. Returns False if the request was rejected."""
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if self._receivedHeaderCount >= self.maxHeaders:
            self._refuse(LARGE_HEADERS)
        elif (name == b"content-length" and len(value) > MAX_LENGTH_DIGITS) or (
            # Twisted ignores "identity" and accepts this from HTTP/1.0, but a proxy may read it differently.
            name == b"transfer-encoding" and (value.lower() != b"chunked" or self._version != b"HTTP/1.1")
        ):
            self._refuse(BAD_REQUEST)
        else:
            return bool(super().headerReceived(line))
        return False

    def _send100Continue(self) -> None:
        self.requests[-1].expects_continue = True  # sent when the application reads the body

    # --- The body ---------------------------------------------------------------------------------------------------

    def allHeadersReceived(self) -> None:
        """Begin the request, before its body."""
        self._head_began = None
        super().allHeadersReceived()
        if self.length == 0:
            return  # Twisted begins it
        request = self.requests[-1]
        if (request.requestHeaders.getRawHeaders(b"Upgrade") or [b""])[0].lower() == b"websocket":
            self._refuse(BAD_REQUEST)  # the body would be read as frames
            return
        if self.timeOut:  # the application decides how long a body may take
            self._savedTimeOut = self.setTimeout(None)
        self._body_arrives = True
        request.requestReceived(self._command, self._path, self._version)

    def allContentReceived(self) -> None:
        """Handle the end of a request."""
        request = self.requests[-1]
        self._body_arrives = False
        super().allContentReceived()
        request.end_body()

    def hold_body(self) -> None:
        """Stop reading until `release_body`."""
        self._body_held = True
        self._networkProducer.pauseProducing()

    def release_body(self) -> None:
        """Read on."""
        if self._body_held:
            self._body_held = False
            if not self._waitingForTransport:
                self._networkProducer.resumeProducing()

    def resumeProducing(self) -> None:
        """Continue when the client has read what was sent to it."""
        super().resumeProducing()
        if self._body_held:
            self._networkProducer.pauseProducing()

    # --- The end ----------------------------------------------------------------------------------------------------

    def requestDone(self, request: StreamedRequest) -> None:
        """Continue with the next request, unless this one was answered before its body ended."""
        if self._body_arrives:
            self.requests.remove(request)
            self._close_when_read()
        else:
            super().requestDone(request)

    def _respondToBadRequestAndDisconnect(self) -> None:
        self._refuse(BAD_REQUEST)

    def _refuse(self, status: bytes) -> None:
        """Reject an invalid request, and end the connection."""
        requests, self.requests = self.requests, []
        if not any(request.startedWriting for request in requests):
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        for request in requests:
            request.connectionLost(Failure(ConnectionDone()))
        self._close_when_read()

    def _close_when_read(self) -> None:
        """Send the rest of the response, and close after the client, or after a timeout."""
        self._left_to_discard = LINGER_BYTES
        self._buffer, self._dataBuffer = b"", []
        self.setTimeout(None)
        if self._abortingCall is None:
            self._abortingCall = self.callLater(LINGER_SECONDS, self.forceAbortClient)
        self._networkProducer.unregisterProducer()
        self._networkProducer.resumeProducing()
        half_close = getattr(self.transport, "loseWriteConnection", self.transport.loseConnection)
        half_close()


class StreamingHTTPFactory(HTTPFactory):
    """Creates these connections."""

    protocol: Any = StreamingChannel

    def buildProtocol(self, address: Any) -> Any:
        """Return the connection of a client."""
        channel = super().buildProtocol(address)
        channel.requestFactory = StreamedRequest
        return channel
