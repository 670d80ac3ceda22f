"""The state of the PostgreSQL server in this process, and connections that end when the server does not respond."""

from __future__ import annotations

import threading
from collections.abc import Generator
from functools import cache
from typing import Any, TypeVar

import psycopg
from django.conf import settings
from django.core.signals import request_started
from django.db import DEFAULT_DB_ALIAS, connections
from django.dispatch import receiver
from psycopg.pq import ConnStatus

from workflow_platform.core.availability import Availability, GuardedCall, ServerUnavailable, serves_requests

T = TypeVar("T")

PROBE_SECONDS = 5
"""The timeout of a probe. Long, since a server that was frozen answers a waiting probe immediately."""
NO_ANSWER = "PostgreSQL does not answer."
NOT_READY = ("starting up", "shutting down", "not accepting", "not yet accepting", "recovery mode")
TIMED_OUT = (psycopg.errors.IdleInTransactionSessionTimeout, psycopg.errors.TransactionTimeout)
COMPOSED = "a statement that is not a text"
READING = ("SELECT", "SHOW", "SET")


class _Request(threading.local):
    changed = False
    """Whether this thread has committed a change for its request."""


_request = _Request()


@receiver(request_started)
def _begin_request(**_: Any) -> None:
    _request.changed = False


def may_have_changed(error: BaseException) -> bool:
    """Return whether the request of this thread, which `error` ends, has or may have changed something."""
    return _request.changed or outcome_unknown(error)


class NoAnswer(psycopg.OperationalError):
    """The server is lost."""


class TransactionTimedOut(psycopg.OperationalError):
    """The server has ended the session, and rolled back its transaction, after one of its timeouts for transactions.

    psycopg has an InternalError for it, which means a bug.
    """


class _GivenUp(Exception):
    """The call was cancelled."""


def timeout() -> float:
    """Return the seconds after which this process considers a server that does not respond as lost."""
    return float(settings.DATABASE_TIMEOUT_SECONDS if serves_requests() else settings.WORKER_DATABASE_TIMEOUT_SECONDS)


@cache
def server() -> Availability:
    """Return the availability of the server in this process."""
    return Availability("PostgreSQL", _probe, timeout, _close_pool)


def outcome_unknown(error: BaseException) -> bool:
    """Return whether the connection was lost during a change, which may or may not be committed.

    `error` is Django's or psycopg's.
    """
    return any(getattr(each, "outcome_unknown", False) for each in (error, error.__cause__))


class GuardedConnection(psycopg.Connection[Any]):
    """A connection whose calls fail when the server is lost, and immediately while it is lost."""

    statement = ""
    """The current or last statement."""
    _committing = False

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """Consume a generator of psycopg. Raises NoAnswer if the server is lost; the connection is closed then."""
        try:
            call = server().begin()
        except ServerUnavailable as error:
            self.pgconn.finish()
            raise NoAnswer(str(error)) from None
        try:
            return super().wait(_until_given_up(gen, call), *args, **kwargs)
        except _GivenUp:
            self.pgconn.finish()
            raise self._marked(NoAnswer(NO_ANSWER)) from None
        except TIMED_OUT as error:
            self.pgconn.finish()
            raise TransactionTimedOut(str(error)) from error
        except psycopg.OperationalError as error:
            if self.pgconn.status != ConnStatus.OK:
                self._marked(error)
            raise
        finally:
            server().end(call)

    def commit(self) -> None:
        """Commit the transaction."""
        self._committing = True
        try:
            super().commit()
            _request.changed = True
        finally:
            self._committing = False

    def ran(self) -> None:
        """Record that the statement has succeeded."""
        if self._changes():
            _request.changed = True

    def _changes(self) -> bool:
        """Return whether the current statement takes effect without a commit."""
        statement = self.statement.lstrip().upper()  # empty: the pool has checked the connection
        return self._committing or (self.autocommit and bool(statement) and not statement.startswith(READING))

    def _marked(self, error: psycopg.OperationalError) -> psycopg.OperationalError:
        if self._changes():
            error.outcome_unknown = True  # type: ignore[attr-defined]
        return error


def _until_given_up(gen: Generator[Any, Any, T], call: GuardedCall) -> Generator[Any, Any, T]:
    """Wrap a generator of psycopg, which is resumed ten times a second, even if nothing has arrived."""
    try:
        wait = next(gen)
        while True:
            ready = yield wait
            if not ready and call.given_up:
                raise _GivenUp
            wait = gen.send(ready)
    except StopIteration as done:
        result: T = done.value
        return result


def _probe() -> None:
    """Open a connection and run a query. A refused connection counts as an answer, unless the server is not ready.
    Raises psycopg.Error."""
    try:
        parameters = connections[DEFAULT_DB_ALIAS].get_connection_params() | {"connect_timeout": PROBE_SECONDS}
        with psycopg.connect(**parameters, autocommit=True) as probing:
            probing.execute("SELECT 1")
    except psycopg.OperationalError as error:
        message = str(error)
        if "FATAL:" not in message or any(words in message for words in NOT_READY):
            raise


def _close_pool() -> None:
    """Close the pool and end all waits for its connections; later callers get a new pool.

    The old pool would try to connect less and less often, and would return dead connections.
    """
    pools: dict[str, Any] = connections[DEFAULT_DB_ALIAS]._connection_pools  # type: ignore[attr-defined]
    if (pool := pools.pop(DEFAULT_DB_ALIAS, None)) is not None:
        pool.close(timeout=0)
