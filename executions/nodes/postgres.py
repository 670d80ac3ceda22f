from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import orjson
import psycopg
from django.conf import settings
from psycopg.rows import dict_row
from pydantic import Field, SecretStr, StringConstraints

from executions.items import Item
from executions.nodes.base import NodeContext, NodeError, NodeResult, NodeType, Parameters
from executions.nodes.postgres_values import as_json, as_parameter, prepare
from workflow_platform import outbound

MAX_ROWS = 50_000
MAX_SECONDS = 600
CONNECT_SECONDS = 10
CANCEL_CHECK_SECONDS = 0.2
# Only these statements are run without reading row by row: they give no rows, and tell how many they changed.
_CHANGES = re.compile(
    r"\s*(insert|update|delete|merge|create|alter|drop|truncate|grant|revoke|comment|analyze|refresh|set|reset|lock|do)\b",
    re.IGNORECASE,
)
_RETURNING = re.compile(r"\breturning\b", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_NOWHERE = "/dev/null"
# libpq gives no code for what goes wrong before a connection is there. In a server's other language it is tried again.
_FINAL = ("authentication failed", "no pg_hba.conf entry", "certificate verify failed")

SslMode = Literal["disable", "prefer", "require", "verify-full"]


class PostgresConnection(Parameters):
    """Where to connect to. Credentials take this place when there are some: `credentials` on the node names one, and
    its fields are these."""

    host: str = Field(title="Host", max_length=253, description="Private addresses are refused.")
    port: int = Field(5432, title="Port", ge=1, le=65_535)
    dbname: str = Field(title="Database", min_length=1, max_length=63)
    user: str = Field(title="User", min_length=1, max_length=63)
    password: SecretStr = Field(SecretStr(""), title="Password", max_length=1000)
    sslmode: SslMode = Field("prefer", title="TLS", description="verify-full also checks who the server is.")


class PostgresParameters(Parameters):
    connection: PostgresConnection | Annotated[str, StringConstraints(max_length=2000)] = Field(
        title="Connection", description="The fields, or postgresql://user:password@host:5432/name?sslmode=require."
    )
    query: str = Field(
        title="Query",
        description="One statement, taken as it stands: values go into Parameters, as %s or %(name)s here.",
        min_length=1,
        max_length=100_000,
        json_schema_extra={"format": "sql"},
    )
    parameters: list[Any] | dict[str, Any] = Field(
        [],
        title="Parameters",
        description="Values for %s in order, or by name. With any, a percent sign is written %%. `%(idempotency_key)s` "
        "with Parameters by name is the same whenever this item is run again.",
    )
    read_only: bool = Field(True, title="Read only", description="The database refuses to change anything.")
    row_limit: int = Field(1000, title="Row limit", description="More rows are an error.", ge=1, le=MAX_ROWS)
    timeout_seconds: float = Field(30, title="Timeout", description="For a statement.", gt=0, le=MAX_SECONDS)


class Postgres(NodeType[PostgresParameters]):
    """Runs in one transaction for all items on the first item's connection: either all of it is done, or nothing."""

    type = "postgres"
    label = "PostgreSQL"
    description = "Runs a query for each item, with bound parameters; each row becomes an item."
    icon = "database"
    category = "network"
    Parameters = PostgresParameters
    blocking = True

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        problems = super().check_parameters(parameters)
        if "{{" in str(parameters.get("query", "")):
            problems.append(("parameters.query", "expression", NO_EXPRESSIONS))
        return problems

    def run(self, context: NodeContext[PostgresParameters]) -> NodeResult:
        if "{{" in str(context.node.parameters.get("query", "")):
            raise NodeError(f"parameters.query: {NO_EXPRESSIONS}")
        first = context.parameters()
        target = _target(first.connection)
        out = _Output()
        with _said_safely(target.password.get_secret_value()), _connected(target, first.read_only) as connection:
            for index in range(len(context.items)):
                parameters = context.parameters(index) if index else first
                if _target(parameters.connection) != target or parameters.read_only != first.read_only:
                    raise NodeError(f"parameters.connection: must be the same for all items (item {index}).")
                with _watched(connection, context.cancelled, parameters.timeout_seconds):
                    _run(connection, parameters, f"{context.idempotency_key}/{index}", index, out)
            connection.commit()
        return NodeResult({"main": out.items})


class _Output:
    """Collects items, and stops where they would be more than a node may give, before they fill the memory."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._room = settings.NODE_OUTPUT_MAX_BYTES

    def add(self, row: Mapping[str, Any], index: int) -> None:
        item = {name: as_json(value) for name, value in row.items()}
        self._room -= len(orjson.dumps(item))
        if self._room < 0:
            most = settings.NODE_OUTPUT_MAX_BYTES
            raise NodeError(f"parameters.query: gives more than {most} bytes (item {index}).")
        self.items.append(item)


NO_EXPRESSIONS = (
    "Write %s or %(name)s and give the value in `parameters`; an expression {{ }} in a query would let data change it. "
    "(A list of lists is ARRAY[[1, 2], [3, 4]].)"
)


def _target(connection: PostgresConnection | str) -> PostgresConnection:
    """Return the connection that a URL names. Raises NodeError, without the URL, as it holds a password."""
    if isinstance(connection, str):
        try:
            parts = urlsplit(connection)
            query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
            if parts.scheme not in {"postgresql", "postgres"} or set(query) - {"sslmode"}:
                raise ValueError
            connection = PostgresConnection(
                host=unquote(parts.hostname or ""),
                port=parts.port or 5432,
                dbname=unquote(parts.path.lstrip("/")),
                user=unquote(parts.username or ""),
                password=SecretStr(unquote(parts.password or "")),
                **query,
            )
        except ValueError:
            raise NodeError(
                "parameters.connection: must be postgresql://user:password@host:5432/name, only sslmode may follow."
            ) from None
    if not _HOST.fullmatch(connection.host):
        raise NodeError("parameters.connection.host: must be one host name or address.")
    return connection


@contextmanager
def _connected(target: PostgresConnection, read_only: bool) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """Connect to the address that has been checked. What libpq would take from the worker's own environment and files
    (passwords, certificates, options) is named here, so that it takes nothing."""
    try:
        addresses = outbound.check_host(target.host, target.port)
    except outbound.OutboundRefused as error:
        raise NodeError(f"parameters.connection.host: {error}") from None
    except outbound.OutboundFailed as error:
        raise NodeError(str(error), retryable=True) from None
    try:
        connection = psycopg.connect(
            host=target.host,
            hostaddr=str(addresses[0]),
            port=target.port,
            dbname=target.dbname,
            user=target.user,
            password=target.password.get_secret_value(),
            passfile=_NOWHERE,
            sslmode=target.sslmode,
            sslrootcert="system" if target.sslmode == "verify-full" else _NOWHERE + "/none",
            sslcert=_NOWHERE + "/none",
            gssencmode="disable",
            client_encoding="utf8",
            options="-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=iso_8601 -c bytea_output=hex",
            application_name="workflow-platform",
            connect_timeout=CONNECT_SECONDS,
            row_factory=dict_row,
            prepare_threshold=None,
        )
    except psycopg.OperationalError as error:
        final = any(words in str(error) for words in _FINAL)
        raise NodeError(f"No connection with {target.host}: {error}", retryable=not final) from None
    with connection:  # rolls back unless committed, and closes
        connection.read_only = read_only
        prepare(connection)
        yield connection


@contextmanager
def _said_safely(password: str) -> Iterator[None]:
    """Turn errors of the database into NodeErrors that do not hold the password, however the server words them."""
    try:
        yield
    except (psycopg.Error, NodeError) as error:
        known = isinstance(error, NodeError)
        message, retryable = (str(error), error.retryable) if isinstance(error, NodeError) else _worded(error)
        for secret in {password, quote(password, safe=""), quote(password)} - {""}:
            message = message.replace(secret, "•••")
        raise NodeError(message if known else f"The query failed: {message}", retryable=retryable) from None


def _worded(error: psycopg.Error) -> tuple[str, bool]:
    state = error.sqlstate or ""
    if state == psycopg.errors.QueryCanceled.sqlstate:
        return "it took longer than parameters.timeout_seconds, or was cancelled.", True
    lost = isinstance(error, psycopg.OperationalError) and not state
    # Connection, serialisation and deadlock, resources, a server that is being stopped or started: later it may work.
    return f"{str(error).strip()}{f' ({state})' if state else ''}", lost or state[:2] in {"08", "40", "53", "57"}


@contextmanager
def _watched(connection: psycopg.Connection[Any], cancelled: threading.Event, seconds: float) -> Iterator[None]:
    """Cancel what runs in the block if the execution is cancelled or its time is up. The server's own statement_timeout
    would do for the time alone, but a statement can set that."""
    done, deadline = threading.Event(), time.monotonic() + seconds

    def watch() -> None:
        while not done.wait(CANCEL_CHECK_SECONDS):
            if cancelled.is_set() or time.monotonic() > deadline:
                try:
                    connection.cancel_safe(timeout=5)
                except psycopg.Error:
                    connection.close()
                    return

    if cancelled.is_set():
        raise NodeError("Cancelled.")
    connection.execute("SELECT set_config('statement_timeout', %s, true)", [str(max(1, round(seconds * 1000)))])
    watcher = threading.Thread(target=watch, name="postgres node", daemon=True)
    watcher.start()
    try:
        yield
    except psycopg.Error:
        if cancelled.is_set():
            raise NodeError("Cancelled.") from None
        raise
    finally:
        done.set()
        watcher.join()


def _bound(values: list[Any] | dict[str, Any], key: str) -> list[Any] | dict[str, Any] | None:
    if isinstance(values, dict):
        return {name: as_parameter(value) for name, value in ({"idempotency_key": key} | values).items()}
    return [as_parameter(value) for value in values] or None


def _run(
    connection: psycopg.Connection[dict[str, Any]], parameters: PostgresParameters, key: str, index: int, out: _Output
) -> None:
    """Run the statement for one item and add what it gives: its rows, or how many it changed."""
    bound = _bound(parameters.parameters, key)
    try:
        with connection.cursor() as cursor:
            if _CHANGES.match(parameters.query) and not _RETURNING.search(parameters.query):
                cursor.execute(parameters.query, bound, binary=True)  # binary: the protocol of one statement only
                out.add({"affected": cursor.rowcount if cursor.rowcount >= 0 else None}, index)
            else:
                _stream(cursor, parameters, bound, index, out)
    except (psycopg.ProgrammingError, TypeError) as error:
        if isinstance(error, psycopg.Error) and error.sqlstate:
            raise
        if "didn't produce a result" not in str(error):
            raise NodeError(f"parameters.parameters: {error} (item {index}).") from None
        out.add({"affected": None}, index)  # done, without rows and without a count: WITH … INSERT, CALL
    if connection.info.transaction_status != psycopg.pq.TransactionStatus.INTRANS:
        raise NodeError(f"parameters.query: a query must not end the transaction (item {index}).")


def _stream(cursor: Any, parameters: PostgresParameters, bound: Any, index: int, out: _Output) -> None:
    """Read the rows one by one, so that a query that gives too many is stopped and not collected."""
    most = parameters.row_limit
    with closing(cursor.stream(parameters.query, bound)) as rows:  # closed early, it cancels the statement
        for count, row in enumerate(rows):
            if count >= most:
                raise NodeError(f"parameters.row_limit: there are more than {most} rows (item {index}).")
            out.add(row, index)
