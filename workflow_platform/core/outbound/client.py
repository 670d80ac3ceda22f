"""The guard of every outbound request: only public addresses, unless OUTBOUND_ALLOW names the host or network.

The name is resolved once; if any of its addresses is refused, nothing is sent; the connection goes to the address that
was checked, with Host, SNI and certificate name kept. No redirects, no proxies from the environment. The deadline is a
wall clock over everything, and a cancellation ends the call wherever it waits (`watchdog`).
"""

from __future__ import annotations

import http.client
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

import requests

from workflow_platform.core import spending
from workflow_platform.core.content.encodings import NotPacked, UnknownEncoding, UnpackedTooLarge, unpacked
from workflow_platform.core.outbound import connections
from workflow_platform.core.outbound.addresses import (
    ErrorClass,
    IPAddress,
    OutboundCancelled,
    OutboundFailed,
    OutboundRefused,
    Timings,
    check_host,
    check_url,
    check_urls_saved,
    escaped,
    is_public,
    parse_url,
    shown_url,
    stop_if_over,
)
from workflow_platform.core.outbound.connections import NoHandshake, NotConnected, OutboundConnection
from workflow_platform.core.outbound.watchdog import Watch, watchdog

__all__ = [
    "BodySink",
    "OutboundBody",
    "OutboundCancelled",
    "OutboundFailed",
    "OutboundRefused",
    "OutboundResponse",
    "Receiver",
    "Timings",
    "check_host",
    "check_url",
    "check_urls_saved",
    "escaped",
    "is_public",
    "send",
    "shown_url",
]

MAX_BODY_BYTES = 10 * 1024 * 1024
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """A response: header names in lower case, and the whole body."""

    status: int
    headers: dict[str, str]
    """Repeated headers are joined by commas; `fields` keeps them apart."""
    body: bytes = field(repr=False)
    url: str
    """The requested URL, without `params`."""
    truncated: bool = False
    """Whether the body was cut."""
    timings: Timings = field(default_factory=Timings)
    fields: tuple[tuple[str, str], ...] = ()
    """Every header as it came, with its name in lower case."""


@dataclass(frozen=True, slots=True)
class OutboundBody:
    """A body that is read while it is sent. `pieces` is called again if the request is sent again."""

    size: int
    pieces: Callable[[], Iterable[bytes]]


class BodySink(Protocol):
    """Takes the body of a response while it is received."""

    def write(self, data: bytes, /) -> object: ...


Receiver = Callable[[int, Mapping[str, str]], BodySink | None]
"""Returns, for a status and headers, where the body goes; None: into the response."""


# This module sets the headers of the connection: a caller's framing headers could turn one request into two on a
# connection that others use later.
_OF_THE_CONNECTION = frozenset({
    "connection", "content-length", "expect", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110, 9.2.2


def send(
    method: str,
    url: str,
    *,
    params: dict[str, Any] | str | None = None,
    headers: dict[str, str] | None = None,
    body: bytes | OutboundBody | None = None,
    timeout_seconds: float = 30.0,
    max_body_bytes: int = MAX_BODY_BYTES,
    cancelled: threading.Event | None = None,
    repeatable: bool | None = None,
    cut_body: bool = False,
    receiver: Receiver | None = None,
    configured: bool = False,
) -> OutboundResponse:
    """Send a request and read the whole response, within `timeout_seconds`.

    `params` are added to the query of the URL; a text is added as it is, which must be encoded.
    `repeatable` says that the receiver knows the request if it comes twice, so that it may go over a connection kept
    from before, which can turn out to be dead (default: by the method, or an Idempotency-Key). With `cut_body` an
    answer that is larger than `max_body_bytes` is cut there instead of failing. A body that goes where `receiver` says
    has no such limit, and the response is without it. `configured` says that the URL is a setting of the
    operator, which may lead to any address and port; never pass it for the URL of a user. Raises OutboundRefused for an
    address that may not be called, OutboundFailed for whatever goes wrong on the way, with its timings, and
    OutboundCancelled.
    """
    began = time.monotonic()
    with _timed(began) as timings:
        meant = parse_url(url, any_port=configured)
        prepared = _prepare(method, _in_ascii(url, meant), params, headers or {}, body)
        if _target(parse_url(str(prepared.url), any_port=configured)) != _target(meant):
            raise OutboundRefused("The URL is ambiguous: clients read it in different ways.")
        if repeatable is None:
            repeatable = prepared.method in _REPEATABLE or "idempotency-key" in prepared.headers
        with watchdog().watching(timeout_seconds, cancelled) as watch:
            host, port, addresses = check_url(str(prepared.url), watch, configured=configured)
            timings.dns = (time.monotonic() - began) * 1000
            try:
                streamed = body if isinstance(body, OutboundBody) else None
                answer, connection = _exchange(prepared, streamed, host, port, addresses, watch, repeatable, timings)
                timings.first_byte = (time.monotonic() - began) * 1000
                fields = tuple((name.lower(), value) for name, value in answer.headers.items())
                received = {name: ", ".join(value for each, value in fields if each == name) for name, _ in fields}
                try:
                    sink = _sink(receiver, answer.status, received)
                    content, truncated = _read(answer, max_body_bytes, cut_body, timings, sink)
                    stop_if_over(watch, url)
                except BaseException:
                    _discard(connection, answer)
                    raise
            except (OSError, http.client.HTTPException, NotConnected, ValueError) as error:
                stop_if_over(watch, url)
                message = f"{method} {url}: {_in_words(error, timeout_seconds)}"
                raise OutboundFailed(message, _class_of(error)) from None
        _keep(connection, answer)
        if received.get("content-encoding") and content and not cut_body:
            content = _decoded(content, received["content-encoding"].lower(), max_body_bytes, url)
        return OutboundResponse(answer.status, received, content, url, truncated, timings, fields)


@contextmanager
def _timed(began: float) -> Iterator[Timings]:
    """Yield the timings of a request and add them to every failure."""
    timings = Timings()
    try:
        yield timings
    except OutboundRefused:
        raise  # nothing was sent
    except BaseException as error:
        _end(timings, began)
        if isinstance(error, OutboundFailed):
            error.timings = timings
        raise
    _end(timings, began)


def _end(timings: Timings, began: float) -> None:
    timings.total = (time.monotonic() - began) * 1000
    spending.called(timings.figures())


def _in_ascii(url: str, read: tuple[SplitResult, str, int]) -> str:
    """Return the URL with the host as it goes to the resolver: requests takes fewer ways of writing one."""
    parts, host, _ = read
    if parts.netloc.isascii():
        return url
    return parts._replace(netloc=host if parts.port is None else f"{host}:{parts.port}").geturl()


def _target(read: tuple[SplitResult, str, int]) -> tuple[str, str, int]:
    return read[0].scheme, read[1], read[2]


def _sink(receiver: Receiver | None, status: int, headers: Mapping[str, str]) -> BodySink | None:
    """Return where a body goes. A compressed one, which was not requested, is unpacked in memory."""
    if receiver is None or headers.get("content-encoding", "identity").lower() != "identity":
        return None
    return receiver(status, headers)


def _prepare(
    method: str,
    url: str,
    params: dict[str, Any] | str | None,
    headers: dict[str, str],
    body: bytes | OutboundBody | None,
) -> requests.PreparedRequest:
    """Return the request with its URL normalised (IDNA, escapes) and its headers checked, never naming a value."""
    if not re.fullmatch(r"[A-Za-z]{1,20}", method):
        raise OutboundRefused("Unknown HTTP method.")
    custom = {name: value for name, value in headers.items() if name.lower() not in _OF_THE_CONNECTION}
    if any(name.lower() == "host" for name in custom):
        raise OutboundRefused("The header Host is set from the URL; leave it out.")
    for name, value in custom.items():
        if not name.isascii() or any(ord(c) < 32 or ord(c) == 127 or c == ":" for c in name) or not name.strip():
            raise OutboundRefused(f"{name!r} cannot be the name of a header.")
        if any(c in "\r\n\0" for c in value) or not _latin(value):
            raise OutboundRefused(f"The header {name} contains a character that HTTP does not allow. Remove it.")
    named = {name.lower() for name in custom}
    ours = {"User-Agent": "workflow-platform", "Accept": "*/*", "Accept-Encoding": "identity"}
    merged = {name: value for name, value in ours.items() if name.lower() not in named} | custom
    try:
        stripped = {name: value.strip(" \t") for name, value in merged.items()}
        streamed = isinstance(body, OutboundBody)
        prepared = requests.Request(method, url, params=params, headers=stripped, data=None if streamed else body)
        request = prepared.prepare()
        if isinstance(body, OutboundBody):
            request.headers["Content-Length"] = str(body.size)
        return request
    except (requests.RequestException, ValueError):
        raise OutboundRefused("The URL or a header is malformed.") from None


def _latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _exchange(
    prepared: requests.PreparedRequest,
    streamed: OutboundBody | None,
    host: str,
    port: int,
    addresses: list[IPAddress],
    watch: Watch,
    repeatable: bool,
    timings: Timings,
) -> tuple[http.client.HTTPResponse, OutboundConnection]:
    """Send the request, over a kept connection if there is one, and return the response when its headers have
    arrived."""
    scheme = urlsplit(str(prepared.url)).scheme
    kept = connections.idle_connections().take(scheme, host, port, addresses) if repeatable else None
    if kept is not None:
        try:
            return _ask(kept, prepared, streamed, watch, timings), kept
        except (ConnectionError, ssl.SSLError):  # closed by the peer before it sent anything
            stop_if_over(watch, host)
            timings.asked, timings.repeated = False, True
    connection = OutboundConnection(scheme, host, port, addresses)
    try:
        connection.open(watch)
    except BaseException:
        connection.discard()
        raise
    finally:
        timings.connect, timings.tls = connection.connect_ms, connection.tls_ms
    return _ask(connection, prepared, streamed, watch, timings), connection


def _ask(
    connection: OutboundConnection,
    prepared: requests.PreparedRequest,
    streamed: OutboundBody | None,
    watch: Watch,
    timings: Timings,
) -> http.client.HTTPResponse:
    body: Any = prepared.body if isinstance(prepared.body, bytes) else None
    timings.asked, timings.sent_bytes = True, len(body or b"")
    if streamed is not None:
        body, timings.sent_bytes = iter(streamed.pieces()), streamed.size
    try:
        connection.resume(watch)
        connection.request(str(prepared.method), prepared.path_url, body, dict(prepared.headers))
        return connection.getresponse()
    except BaseException:
        connection.discard()
        raise


def _read(
    answer: http.client.HTTPResponse, limit: int, cut: bool, timings: Timings, sink: BodySink | None = None
) -> tuple[bytes, bool]:
    """Return the body, and whether it was cut. A body that goes to a sink is not returned."""
    content = bytearray()
    while chunk := answer.read(_CHUNK):
        timings.received_bytes += len(chunk)
        if sink is not None:
            sink.write(chunk)
            continue
        content += chunk
        if len(content) > limit:
            if cut:
                return bytes(content[:limit]), True
            raise ValueError(f"the response is larger than {limit} bytes.")
    if answer.length:
        raise http.client.IncompleteRead(b"", answer.length)
    return bytes(content), False


def _keep(connection: OutboundConnection, answer: http.client.HTTPResponse) -> None:
    """Keep the connection if the end of the response is certain."""
    lengths = answer.headers.get_all("content-length", [])
    framed = len(lengths) + len(answer.headers.get_all("transfer-encoding", [])) <= 1
    if framed and answer.status >= 200 and answer.isclosed() and connection.alive:
        connections.idle_connections().give(connection)
    else:
        _discard(connection, answer)


def _discard(connection: OutboundConnection, answer: http.client.HTTPResponse) -> None:
    answer.close()  # http.client leaves the socket to a response that ends with the connection
    connection.discard()


def _decoded(content: bytes, encoding: str, limit: int, url: str) -> bytes:
    """Return the content of a response that is compressed although this was not requested, up to `limit` bytes."""
    try:
        return unpacked(content, encoding, limit)
    except UnknownEncoding:
        message = f"the response is encoded as {encoding[:40]!r}, which was not requested."
    except NotPacked:
        message = f"the response is not {encoding[:40]}, as its Content-Encoding says, or ends early."
    except UnpackedTooLarge:
        message = f"the response is larger than {limit} bytes."
    raise OutboundFailed(f"{url}: {message}")


def _in_words(error: BaseException, timeout_seconds: float) -> str:
    """Describe a failure without text from the server, which may repeat the request."""
    if isinstance(error, TimeoutError):
        return f"no response within {timeout_seconds:g} s."
    if isinstance(error, ssl.SSLError):
        return f"no trusted TLS connection ({getattr(error, 'verify_message', '') or getattr(error, 'reason', '')})."
    if isinstance(error, NotConnected | ConnectionError):
        return "no connection (refused, reset or unreachable)."
    if isinstance(error, http.client.IncompleteRead):
        return "the response ends early."
    if isinstance(error, http.client.HTTPException):
        return f"the response is not HTTP ({type(error).__name__})."
    return f"{error}"


def _class_of(error: BaseException) -> ErrorClass:
    if isinstance(error, ssl.SSLError | NoHandshake):
        return "tls"
    if isinstance(error, NotConnected):
        return "connect"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, OSError | http.client.IncompleteRead):
        return "reset"
    return "protocol"
