"""Connections to checked addresses, kept alive between calls to the same host.

`http.client` and not urllib3: the name must not be resolved again, the watchdog must be able to close the socket at any
time, and urllib3 logs URLs, which may contain a credential.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import select
import socket
import ssl
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress
from functools import cache

import certifi

from workflow_platform.core.outbound.addresses import IPAddress
from workflow_platform.core.outbound.watchdog import Watch
from workflow_platform.core.per_process import PerProcess

CONNECT_SECONDS = 10.0
INTERIM_ANSWERS = 32
IDLE_SECONDS = 15.0
IDLE_PER_HOST = 32
IDLE_IN_ALL = 256


class NotConnected(Exception):
    """None of the addresses accepted the connection."""


class NoHandshake(NotConnected):
    """The TLS handshake did not finish in time."""


@cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS context of all connections: certificates and names are verified."""
    return ssl.create_default_context(cafile=certifi.where())


class BadFraming(http.client.HTTPException):
    """The end of the response is not certain (RFC 9112, 6.3)."""


class RawResponse(http.client.HTTPResponse):
    """The final response: a limited number of interim responses (RFC 9110, 15.2) is skipped."""

    def begin(self) -> None:
        """Read status and headers. Raises HTTPException if the response is not HTTP or is ambiguous."""
        super().begin()
        lengths = {length.strip() for length in self.headers.get_all("content-length", [])}
        codings = [coding.strip().lower() for coding in self.headers.get_all("transfer-encoding", [])]
        if len(lengths) > 1 or not all(re.fullmatch("[0-9]+", length) for length in lengths):
            raise BadFraming(BadFraming.__doc__)
        if codings not in ([], ["chunked"], ["identity"]):
            raise BadFraming(BadFraming.__doc__)

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(INTERIM_ANSWERS):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200:
                return version, status, reason
            if status == http.HTTPStatus.SWITCHING_PROTOCOLS:  # this client never requests it
                break
            http.client.parse_headers(self.fp)
        raise http.client.BadStatusLine("No final response came.")


class OutboundConnection(http.client.HTTPConnection):
    """A connection to the first checked address that accepts it, whatever the name resolves to now."""

    response_class = RawResponse

    def __init__(self, scheme: str, host: str, port: int, addresses: Sequence[IPAddress]) -> None:
        super().__init__(host, port)
        self.scheme = scheme
        self.default_port = 443 if scheme == "https" else 80  # omitted in the Host header
        self.addresses = addresses
        self.address: IPAddress | None = None
        self.handle: socket.socket | None = None
        """The socket below TLS, which another thread may shut down at any time."""
        self.idle_since = 0.0
        self.connect_ms: float | None = None
        self.tls_ms: float | None = None
        """The durations of opening it."""
        self._watch: Watch | None = None

    def open(self, watch: Watch) -> None:
        """Connect. Raises NotConnected with the last address's reason, or ssl.SSLError."""
        self._watch = watch
        began = time.monotonic()
        reason: OSError | None = None
        for address in self.addresses:
            if not watch.remaining:
                break
            try:
                self._connect_to(address, watch)
                break
            except OSError as error:
                self.discard()
                reason = error
        if self.handle is None or self.sock is None:
            raise NotConnected(str(reason)) from None
        connected = time.monotonic()
        self.connect_ms = (connected - began) * 1000
        if self.scheme == "https":
            try:
                self.sock = tls_context().wrap_socket(self.sock, server_hostname=self.host.rstrip("."))
            except TimeoutError:
                raise NoHandshake("The TLS handshake took too long.") from None
            self.tls_ms = (time.monotonic() - connected) * 1000

    def _connect_to(self, address: IPAddress, watch: Watch) -> None:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.handle = self.sock.dup()
        watch.guard(self.handle)
        self.sock.settimeout(min(CONNECT_SECONDS, watch.remaining) or 0.001)
        self.sock.connect((str(address), self.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reached = ipaddress.ip_address(self.sock.getpeername()[0].split("%")[0])
        if reached != address:
            raise OSError(f"connected to {reached} instead of {address}")
        self.address = address

    def rest(self) -> None:
        """Detach the connection from a finished call."""
        self._watch, self.idle_since = None, time.monotonic()

    def resume(self, watch: Watch) -> None:
        """Attach an idle connection to a new call."""
        self._watch = watch
        watch.guard(self.handle)
        self.sock.settimeout(watch.remaining or 0.001)

    @property
    def alive(self) -> bool:
        """Return whether the peer has neither closed the connection nor sent unrequested data."""
        if self.sock is None:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def discard(self) -> None:
        """Close the connection."""
        if self._watch is not None:
            self._watch.guard(None)  # before another socket can get the same number
        self.close()
        if self.handle is not None:
            self.handle.close()
            self.handle = None


Host = tuple[str, str, int]


class IdleConnections:
    """Idle connections by scheme, host and port; the least recently used are closed first."""

    def __init__(self) -> None:
        self._idle: OrderedDict[Host, deque[OutboundConnection]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def take(self, scheme: str, host: str, port: int, addresses: Sequence[IPAddress]) -> OutboundConnection | None:
        """Return a live connection to one of the addresses; None if there is none."""
        while True:
            with self._lock:
                waiting = self._idle.get((scheme, host, port))
                if not waiting:
                    return None
                connection = waiting.pop()  # the latest: the others may time out
                self._count -= 1
            fresh = time.monotonic() - connection.idle_since < IDLE_SECONDS
            if fresh and connection.address in addresses and connection.alive:
                return connection
            connection.discard()

    def give(self, connection: OutboundConnection) -> None:
        """Keep a connection for the next call."""
        connection.rest()
        host = (connection.scheme, connection.host, connection.port)
        with self._lock:
            waiting = self._idle.setdefault(host, deque())
            waiting.append(connection)
            self._idle.move_to_end(host)
            self._count += 1
            surplus = self._surplus(waiting)
        for old in surplus:
            old.discard()

    def _surplus(self, given_to: deque[OutboundConnection]) -> list[OutboundConnection]:
        """Remove connections that are too old or exceed the limit; hosts are in the order of their latest use."""
        oldest = time.monotonic() - IDLE_SECONDS
        surplus = []
        for host, waiting in list(self._idle.items()):
            limit = IDLE_PER_HOST if waiting is given_to else len(waiting)
            while waiting and (waiting[0].idle_since < oldest or len(waiting) > limit or self._count > IDLE_IN_ALL):
                surplus.append(waiting.popleft())
                self._count -= 1
            if not waiting:
                del self._idle[host]
        return surplus

    def clear(self) -> None:
        """Close all."""
        with self._lock:
            closed = [connection for waiting in self._idle.values() for connection in waiting]
            self._idle.clear()
            self._count = 0
        for connection in closed:
            with suppress(OSError):
                connection.discard()


idle_connections = PerProcess(IdleConnections, close=IdleConnections.clear)
"""The idle connections of this process: processes must not share connections."""
