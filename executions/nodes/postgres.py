from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, ClassVar
from urllib.parse import quote
from uuid import UUID

import psycopg
from django.conf import settings
from pydantic import Field

from executions.domain.credential_types import PostgresLogin
from executions.domain.effects import Effect
from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, Parameters, UsableCredential
from executions.nodes.credential_checks import wrong_types
from executions.nodes.exchanges import ReceivedData
from executions.nodes.literal_secrets import USE_A_CREDENTIAL, holds_literal
from executions.nodes.postgres_connection import PostgresTarget, Relay, connected
from executions.nodes.postgres_effects import only_reads
from executions.nodes.postgres_records import RECORDED_ROWS, server_error, statement_of
from executions.nodes.postgres_target import PostgresConnection, Url, literal_password, target_of
from executions.nodes.postgres_values import as_json, as_parameter
from workflow_platform.core import exact_json

MAX_ROWS = 50_000
MAX_SECONDS = 600
CANCEL_CHECK_SECONDS = 0.2
STATEMENT_BYTES = 1024 * 1024
"""The bytes that a server may send for a statement in addition to its rows."""
WIRE_FACTOR = 2
"""The largest ratio of a row's size on the wire to its size as JSON; bytea in hex has 1.5 times the size of base64."""
# Only these statements run without reading row by row: they return no rows but the number of affected rows.
_CHANGES = re.compile(
    r"\s*(insert|update|delete|merge|create|alter|drop|truncate|grant|revoke|comment|analyze|refresh|set|reset|lock|do)\b",
    re.IGNORECASE,
)
_RETURNING = re.compile(r"\breturning\b", re.IGNORECASE)


class PostgresParameters(Parameters):
    credential: str = Field(
        "",
        title="Credential",
        description="The name or id of a credential of the type postgres, with server, database, user and password.",
        max_length=100,
        json_schema_extra={"format": "credential"},
    )
    connection: PostgresConnection | Url | None = Field(
        None,
        title="Connection",
        description="Settings that the credential leaves empty, or a server without a password: as fields, or as"
        " postgresql://user@host:5432/name?sslmode=require.",
    )
    query: str = Field(
        title="Query",
        description="One SQL statement without expressions. Write %s or %(name)s for values in Parameters. Each column"
        " becomes a field; further columns of the same name become name_2, name_3.",
        min_length=1,
        max_length=100_000,
        json_schema_extra={"format": "sql"},
    )
    parameters: list[Any] | dict[str, Any] = Field(
        [],
        title="Parameters",
        description="Values for %s in order, or for %(name)s by name. If there are any, write %% for a percent sign."
        " By name, `%(idempotency_key)s` has the same value whenever this item runs again.",
    )
    read_only: bool = Field(True, title="Read only", description="Run in a read-only transaction.")
    row_limit: int = Field(
        1000, title="Row limit", description="The node fails if the query returns more rows.", ge=1, le=MAX_ROWS
    )
    timeout_seconds: float = Field(30, title="Timeout", description="Seconds per statement.", gt=0, le=MAX_SECONDS)


class PostgresNode(ItemNodeType[PostgresParameters]):
    """Runs all items on the same connection. If an error stops the node, they share one transaction: all succeed or
    none. If the node goes on after errors, each item has its own."""

    type = "postgres"
    label = "PostgreSQL"
    description = "Runs a query for each item, with bound parameters. Each row becomes an item."
    icon = "database"
    category = "network"
    Parameters = PostgresParameters
    effect = "writes"
    effects: ClassVar[Mapping[str, Mapping[str, Effect]]] = {"read_only": {"true": "reads"}}
    blocking = True

    def effect_of(self, parameters: Mapping[str, Any]) -> Effect:
        """Return what the node does: a query in a writing transaction also reads, if it calls no unknown function."""
        return "reads" if only_reads(parameters) else "writes"

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        problems = super().check_parameters(parameters)
        if "{{" in str(parameters.get("query", "")):
            problems.append(("parameters.query", "expression", NO_EXPRESSIONS))
        connection = parameters.get("connection")
        if (password := literal_password(connection)) and holds_literal(password):
            message = USE_A_CREDENTIAL.format("password", "postgres")
            problems.append(("parameters.connection", "literal_secret", message))
        return problems

    def check_in_workspace(
        self, parameters: Mapping[str, Any], workspace: UUID, own_name: str
    ) -> list[tuple[str, str, str]]:
        return wrong_types(self.credentials_of(parameters), workspace, "postgres")

    def is_all_or_nothing(self, context: NodeContext[PostgresParameters]) -> bool:
        return context.node.on_error == "stop"

    @contextmanager
    def opened(self, context: NodeContext[PostgresParameters]) -> Iterator[_Session]:
        if "{{" in str(context.node.parameters.get("query", "")):
            raise NodeError(f"parameters.query: {NO_EXPRESSIONS}")
        session = _Session(context, self.is_all_or_nothing(context))
        try:
            yield session
            session.commit()
        finally:
            session.close()

    def run_item(self, context: NodeContext[PostgresParameters], index: int, item: Item) -> dict[str, Items]:
        session: _Session = context.shared
        return {"main": session.run(context.parameters(index), index)}


class _Session:
    """The connection that all items share. It is made for the first item, and again after it was lost."""

    def __init__(self, context: NodeContext[PostgresParameters], together: bool) -> None:
        """`together`: all items run in one transaction; else each is committed."""
        self._context, self._together = context, together
        self._credential = _credential(context)
        self._login = None if self._credential is None else _login(self._credential)
        self._settings: tuple[PostgresTarget, bool] | None = None
        self._open: tuple[psycopg.Connection[dict[str, Any]], Relay] | None = None
        self._exits = ExitStack()
        self._out = _Output()

    def run(self, parameters: PostgresParameters, index: int) -> list[Item]:
        """Run the statement of one item, and record it with its result. Returns its rows. Raises NodeError."""
        target = target_of(parameters.connection, self._login)
        sent = statement_of(target, parameters)
        try:
            rows = self._run(target, parameters, index)
        except NodeError as error:
            self._context.record(index, sent, str(error))
            raise
        self._context.record(index, sent, ReceivedData({"rows": len(rows), "items": rows[:RECORDED_ROWS]}))
        return rows

    def _run(self, target: PostgresTarget, parameters: PostgresParameters, index: int) -> list[Item]:
        room = self._out.room
        with _password_redacted(target.password):
            connection, relay = self._connection(target, parameters.read_only, index)
            cancelled, key = self._context.cancelled, f"{self._context.idempotency_key}/{index}"
            try:
                with self._out.bounded(relay, index), _watched(connection, cancelled, parameters.timeout_seconds):
                    _run(connection, parameters, key, index, self._out)
                if not self._together:
                    connection.commit()
            except Exception:
                self._out.take()
                self._out.room = room
                self._roll_back()
                raise
        return self._out.take()

    def commit(self) -> None:
        """Commit what all items did."""
        if self._open is not None and self._settings is not None:
            with _password_redacted(self._settings[0].password):
                self._open[0].commit()

    def close(self) -> None:
        """Close the connection; what is not committed is rolled back."""
        opened, self._open = self._open, None
        with suppress(psycopg.Error):  # of a connection that is lost
            try:
                if opened is not None:
                    opened[0].rollback()  # leaving its context would commit
            finally:
                self._exits.close()

    def _connection(
        self, target: PostgresTarget, read_only: bool, index: int
    ) -> tuple[psycopg.Connection[dict[str, Any]], Relay]:
        if self._settings is None:
            if self._credential is not None:
                self._credential.check_host(target.host)
            self._settings = target, read_only
        elif self._settings != (target, read_only):
            raise NodeError(f"parameters.connection: must be the same for all items (item {index}).")
        if self._open is None:
            self._open = self._exits.enter_context(connected(target, read_only))
        return self._open

    def _roll_back(self) -> None:
        """Undo what the item did; the next one gets a new connection if this one is lost."""
        if self._open is None or self._together:
            return
        with suppress(psycopg.Error):
            self._open[0].rollback()
        if self._open[0].closed:
            self.close()


def _credential(context: NodeContext[PostgresParameters]) -> UsableCredential | None:
    # Always a literal name, never an expression.
    reference = context.node.parameters.get("credential") or context.node.credentials
    return context.credential(str(reference)) if reference else None


def _login(credential: UsableCredential) -> PostgresLogin:
    login = credential.fields_as(PostgresLogin)
    assert isinstance(login, PostgresLogin)
    return login


def test_login(login: PostgresLogin) -> None:
    """Connect with the credential and disconnect. Raises NodeError."""
    target = target_of(None, login)
    with _password_redacted(target.password), connected(target, read_only=True):
        pass


class _Output:
    """Collects items and stops at the limit of a node's output, before they fill the memory."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self.room = settings.NODE_OUTPUT_MAX_BYTES

    def take(self) -> list[Item]:
        """Return the items that were added since the last call."""
        items, self._items = self._items, []
        return items

    def add(self, row: Mapping[str, Any], index: int) -> None:
        item = {name: as_json(value) for name, value in row.items()}
        self.room -= len(exact_json.write(item))
        if self.room < 0:
            raise _too_large(index)
        self._items.append(item)

    @contextmanager
    def bounded(self, relay: Relay, index: int) -> Iterator[None]:
        """Limit the bytes that the server may send to about the remaining size. The rest is never read."""
        relay.allow(WIRE_FACTOR * self.room + STATEMENT_BYTES)
        try:
            yield
        except psycopg.Error:
            if relay.exceeded:
                raise _too_large(index) from None
            raise


def _too_large(index: int) -> NodeError:
    limit = settings.NODE_OUTPUT_MAX_BYTES
    return NodeError(f"parameters.query: the result has more than {limit} bytes, the limit of a node (item {index}).")


NO_EXPRESSIONS = (
    "Write %s or %(name)s and put the value into `parameters`. Expressions {{ }} are not allowed in a query, since data"
    " could then change the query. (Write ARRAY[[1, 2], [3, 4]] for a list of lists.)"
)


@contextmanager
def _password_redacted(password: str) -> Iterator[None]:
    """Convert database errors to NodeErrors, with the password redacted."""
    try:
        yield
    except (psycopg.Error, NodeError) as error:
        known = isinstance(error, NodeError)
        if isinstance(error, NodeError):
            message, retryable, response = str(error), error.retryable, error.response
        else:
            (message, retryable), response = _describe(error), server_error(error)
        for secret in {password, quote(password, safe=""), quote(password)} - {""}:
            message = message.replace(secret, "•••")
            if response is not None:
                response = response | {"body": response["body"].replace(secret, "•••")}
        raise NodeError(
            message if known else f"The query failed: {message}",
            retryable=retryable,
            response=response,
            expression=error.expression if isinstance(error, NodeError) else None,
        ) from None


def _describe(error: psycopg.Error) -> tuple[str, bool]:
    state = error.sqlstate or ""
    if state == psycopg.errors.QueryCanceled.sqlstate:
        return "it exceeded parameters.timeout_seconds or was cancelled.", True
    lost = isinstance(error, psycopg.OperationalError) and not state
    # Connection errors, serialization failures and deadlocks, lack of resources, a server restart: a retry may succeed.
    return f"{str(error).strip()}{f' ({state})' if state else ''}", lost or state[:2] in {"08", "40", "53", "57"}


@contextmanager
def _watched(connection: psycopg.Connection[Any], cancelled: threading.Event, seconds: float) -> Iterator[None]:
    """Cancel the statement in the block if the execution is cancelled or the timeout expires. The server's own
    statement_timeout is not enough, since a statement can change it."""
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
    """Run the statement for one item and add the result: its rows, or the number of affected rows."""
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
        out.add({"affected": None}, index)  # succeeded without rows and count: WITH … INSERT, CALL
    if connection.info.transaction_status != psycopg.pq.TransactionStatus.INTRANS:
        raise NodeError(f"parameters.query: the query must not end the transaction (item {index}).")


def _stream(cursor: Any, parameters: PostgresParameters, bound: Any, index: int, out: _Output) -> None:
    """Read the rows one by one, and stop the query at the row limit."""
    limit = parameters.row_limit
    with closing(cursor.stream(parameters.query, bound)) as rows:  # closed early, it cancels the statement
        for count, row in enumerate(rows):
            if count >= limit:
                raise NodeError(f"parameters.row_limit: the query returns more than {limit} rows (item {index}).")
            out.add(row, index)
