"""Connections of the postgres node: where they lead, and how much they may read.

libpq reads a whole row into memory before it hands it over, and nothing in its protocol lets a client refuse a large
value. All that a server sends therefore passes through a relay on the loopback interface that counts bytes and cuts
the connection at a limit. TLS stays between libpq and the server: the relay sees only what is on the wire.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg import rows

from executions.domain.errors import NodeError
from executions.nodes.postgres_values import prepare
from workflow_platform.core import outbound
from workflow_platform.core.outbound.addresses import IPAddress

CONNECT_SECONDS = 10
LOGIN_BYTES = 1024 * 1024
"""What a server may send until the login is done."""
_CHUNK = 64 * 1024
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_NOWHERE = "/dev/null"
# libpq gives no code for what goes wrong before a connection is there. In a server's other language it is tried again.
_FINAL = ("authentication failed", "no pg_hba.conf entry", "certificate verify failed")
_RELAYED = re.compile(r'connection to server at "[^"]*"(?: \([^)]*\))?, port \d+ failed: ')

SslMode = Literal["disable", "prefer", "require", "verify-full"]


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    """A database and the login for it."""

    host: str
    port: int
    dbname: str
    user: str
    password: str = field(repr=False)
    sslmode: SslMode

    def check(self) -> None:
        """Raise NodeError for a host that libpq would read as something else: a socket, a list of hosts."""
        if not _HOST.fullmatch(self.host):
            raise NodeError("parameters.connection.host: must be one host name or address.")


@dataclass(slots=True)
class _Allowance:
    """How many bytes the server may still send over one connection."""

    left: int = LOGIN_BYTES


class Relay:
    """Passes bytes between libpq and a server, and cuts the connection when the server sends more than it may."""

    def __init__(self, address: IPAddress, port: int) -> None:
        """Connect to the server. Raises OSError."""
        self._server = (str(address), port)
        self._allowances: list[_Allowance] = []
        self._lock = threading.Lock()
        self.exceeded = self._closed = False
        self._sockets = [first := self._dial()]
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4)
        self._sockets.append(self._listener)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(first,), name="postgres relay", daemon=True).start()

    def allow(self, count: int) -> None:
        """Let the server send `count` bytes from now on; over a connection made later, LOGIN_BYTES."""
        with self._lock:
            for each in self._allowances:
                each.left = count

    def close(self) -> None:
        """End all connections, and with them the threads that serve them."""
        with self._lock:
            sockets, self._sockets, self._closed = self._sockets, [], True
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _dial(self) -> socket.socket:
        made = socket.create_connection(self._server, timeout=CONNECT_SECONDS)
        made.settimeout(None)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return made

    def _accept(self, server: socket.socket | None) -> None:
        """Serve libpq's connection, and those by which it cancels a statement."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peer, server = server or self._dial(), None
                allowance = _Allowance()
                with self._lock:
                    if self._closed:
                        client.close()
                        peer.close()
                        break
                    self._sockets += [client, peer]
                    self._allowances.append(allowance)
                for source, sink, bound in ((client, peer, None), (peer, client, allowance)):
                    threading.Thread(
                        target=self._pass, args=(source, sink, bound), name="postgres relay", daemon=True
                    ).start()

    def _pass(self, source: socket.socket, sink: socket.socket, allowance: _Allowance | None) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                if allowance is not None and not self._spend(allowance, len(data)):
                    break
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _spend(self, allowance: _Allowance, count: int) -> bool:
        with self._lock:
            allowance.left -= count
            self.exceeded = self.exceeded or allowance.left < 0
            return allowance.left >= 0


@contextmanager
def connected(target: PostgresTarget, read_only: bool) -> Iterator[tuple[psycopg.Connection[dict[str, Any]], Relay]]:
    """Connect to the address that has been checked. What libpq would take from the worker's own environment and files
    (passwords, certificates, options) is named here, so that it takes nothing. Raises NodeError."""
    target.check()
    try:
        addresses = outbound.check_host(target.host, target.port)
    except outbound.OutboundRefused as error:
        raise NodeError(f"parameters.connection.host: {error}") from None
    except outbound.OutboundFailed as error:
        raise NodeError(str(error), retryable=True) from None
    try:
        relay = Relay(addresses[0], target.port)
    except OSError as error:
        raise NodeError(f"No connection with {target.host}: {error.strerror or error}.", retryable=True) from None
    try:
        connection = _opened(target, relay)
        with connection:  # rolls back unless committed, and closes
            connection.read_only = read_only
            prepare(connection)
            yield connection, relay
    finally:
        relay.close()


def _opened(target: PostgresTarget, relay: Relay) -> psycopg.Connection[dict[str, Any]]:
    try:
        return psycopg.connect(
            host=target.host,
            hostaddr="127.0.0.1",
            port=relay.port,
            dbname=target.dbname,
            user=target.user,
            password=target.password,
            passfile=_NOWHERE,
            sslmode=target.sslmode,
            sslrootcert="system" if target.sslmode == "verify-full" else _NOWHERE + "/none",
            sslcert=_NOWHERE + "/none",
            gssencmode="disable",
            client_encoding="utf8",
            options="-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=iso_8601 -c bytea_output=hex",
            application_name="workflow-platform",
            connect_timeout=CONNECT_SECONDS,
            row_factory=named_row,
            prepare_threshold=None,
        )
    except psycopg.OperationalError as error:
        final = any(words in str(error) for words in _FINAL)
        said = _RELAYED.sub("", str(error))
        raise NodeError(f"No connection with {target.host}: {said}", retryable=not final) from None


def distinct(names: list[str]) -> list[str]:
    """Return the names with those that come again numbered: name, name_2, name_3."""
    found: dict[str, None] = {}
    for name in names:
        own, number = name, 2
        while own in found or (own != name and own in names):
            own, number = f"{name}_{number}", number + 1
        found[own] = None
    return list(found)


def named_row(cursor: Any) -> rows.RowMaker[dict[str, Any]]:
    """Make rows dictionaries in which every column has a name of its own."""
    if cursor.description is None:
        return rows.no_result
    names = distinct([column.name for column in cursor.description])
    return lambda values: dict(zip(names, values, strict=True))
