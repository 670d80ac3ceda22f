"""The database backend, which Django loads by the name of the package."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg.types.string import TextLoader
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from workflow_platform.core.availability import GuardedCall, ServerUnavailable, serves_requests
from workflow_platform.core.postgresql import server


class GuardedCursor(base.Cursor):
    """Records its statement in the connection."""

    connection: Any
    """A GuardedConnection, if it is from the pool."""

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a statement."""
        self._begin(query)
        done = super().execute(query, *args, **kwargs)  # type: ignore[misc]
        self._end()
        return done

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> None:
        """Run a statement several times."""
        self._begin(query)
        super().executemany(query, *args, **kwargs)  # type: ignore[misc]
        self._end()

    def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a COPY."""
        self._begin("COPY")
        return super().copy(statement, *args, **kwargs)  # type: ignore[misc]

    def _begin(self, query: Any) -> None:
        if isinstance(self.connection, server.GuardedConnection):
            self.connection.statement = query if isinstance(query, str) else server.COMPOSED

    def _end(self) -> None:
        if isinstance(self.connection, server.GuardedConnection):
            self.connection.ran()


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes connections from the pool while the server responds, and fails immediately or soon while it does not."""

    @property
    def pool(self) -> Any:
        """Return the pool of this process."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if options:
            options.setdefault("connection_class", server.GuardedConnection)
        return super().pool

    def get_connection_params(self) -> dict[str, Any]:
        """Return the parameters of connections."""
        parameters: dict[str, Any] = super().get_connection_params()
        if parameters["cursor_factory"] is base.Cursor:
            parameters["cursor_factory"] = GuardedCursor
        # As Django does it for jsonb: the field parses the text, and psycopg's parser would not keep all numbers.
        parameters["context"].register_loader("json", TextLoader)
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a working connection. Raises psycopg.OperationalError.

        A process that serves requests does not wait for a lost server. Others wait for a while, since they would only
        retry.
        """
        if self.pool is None:
            return super().get_new_connection(conn_params)
        known = server.server()
        if known.lost and not serves_requests():
            known.wait(server.timeout())
        try:
            call = known.begin()
        except ServerUnavailable as error:
            raise server.NoAnswer(str(error)) from None
        try:
            self.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            return self._checked_connection(call)
        finally:
            known.end(call)

    def _checked_connection(self, call: GuardedCall) -> Any:
        """Return the pool's next working connection.

        The pool could check them itself, but then keeps waiting after it was closed. It is asked for some seconds at
        a time for the same reason: a caller that asks in the instant in which it is closed is not told.
        """
        until = time.monotonic() + self.settings_dict["OPTIONS"]["pool"].get("timeout", 30)
        while True:
            if call.given_up:
                raise server.NoAnswer(server.NO_ANSWER)
            pool = self.pool
            pool.open()
            try:
                connection = pool.getconn(min(server.timeout(), max(0.0, until - time.monotonic())))
            except PoolTimeout:
                if time.monotonic() >= until:
                    raise
                continue
            except PoolClosed:
                raise server.NoAnswer(server.NO_ANSWER) from None
            try:
                ConnectionPool.check_connection(connection)
                return connection
            except psycopg.Error:
                pool.putconn(connection)
