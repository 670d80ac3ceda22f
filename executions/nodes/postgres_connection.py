"""Connections of the postgres node: allowed hosts, and a limit on the bytes that they read.

libpq reads a whole row into memory before it returns it, and its protocol has no way to reject a large value. All data
from the server therefore passes through a relay on the loopback interface that counts bytes and closes the connection
at a limit. TLS stays end to end between libpq and the server; the relay sees only encrypted bytes.
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
"""The bytes that a server may send until the login is complete."""
_CHUNK = 64 * 1024
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_NOWHERE = "/dev/null"
# libpq has no error codes before a connection exists. Messages in other languages are not recognized and retried.
_PERMANENT = ("authentication failed", "no pg_hba.conf entry", "certificate verify failed")
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
        """Raise NodeError for a host that libpq would interpret as a socket or as a list of hosts."""
        if not _HOST.fullmatch(self.host):
            raise NodeError("parameters.connection.host: must be a single host name or address.")


@dataclass(slots=True)
class _Allowance:
    """The number of bytes that the server may still send over one connection."""

    left: int = LOGIN_BYTES


class Relay:
    """Forwards bytes between libpq and a server, and closes the connection if the server exceeds its allowance."""

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
        """Allow the server to send `count` more bytes; new connections start with LOGIN_BYTES."""
        with self._lock:
            for allowance in self._allowances:
                allowance.left = count

    def close(self) -> None:
        """Close all connections, which ends their threads."""
        with self._lock:
            sockets, self._sockets, self._closed = self._sockets, [], True
        for sock in sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _dial(self) -> socket.socket:
        connection = socket.create_connection(self._server, timeout=CONNECT_SECONDS)
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connection

    def _accept(self, server: socket.socket | None) -> None:
        """Serve libpq's connection, and the connections that it opens to cancel a statement."""
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
        for sock in (source, sink):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _spend(self, allowance: _Allowance, count: int) -> bool:
        with self._lock:
            allowance.left -= count
            self.exceeded = self.exceeded or allowance.left < 0
            return allowance.left >= 0


@contextmanager
def connected(target: PostgresTarget, read_only: bool) -> Iterator[tuple[psycopg.Connection[dict[str, Any]], Relay]]:
    """Connect to the validated address. All settings that libpq would read from the worker's environment and files
    (passwords, certificates, options) are set explicitly. Raises NodeError."""
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
        raise NodeError(f"Could not connect to {target.host}: {error.strerror or error}.", retryable=True) from None
    try:
        connection = _connect(target, relay)
        with connection:  # rolls back unless committed, and closes
            connection.read_only = read_only
            prepare(connection)
            yield connection, relay
    finally:
        relay.close()


def _connect(target: PostgresTarget, relay: Relay) -> psycopg.Connection[dict[str, Any]]:
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
        permanent = any(phrase in str(error) for phrase in _PERMANENT)
        message = _RELAYED.sub("", str(error))
        raise NodeError(f"Could not connect to {target.host}: {message}", retryable=not permanent) from None


def distinct(names: list[str]) -> list[str]:
    """Return the names with repeated names numbered: name, name_2, name_3."""
    result: dict[str, None] = {}
    for name in names:
        unique, number = name, 2
        while unique in result or (unique != name and unique in names):
            unique, number = f"{name}_{number}", number + 1
        result[unique] = None
    return list(result)


def named_row(cursor: Any) -> rows.RowMaker[dict[str, Any]]:
    """A row factory: dictionaries with a unique name for each column."""
    if cursor.description is None:
        return rows.no_result
    names = distinct([column.name for column in cursor.description])
    return lambda values: dict(zip(names, values, strict=True))
