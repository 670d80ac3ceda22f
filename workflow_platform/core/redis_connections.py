"""Connections to Redis whose calls end when the server no longer answers (`availability`)."""

from __future__ import annotations

from functools import cache
from typing import Any

import redis
from redis.connection import ConnectionPool

from workflow_platform.core.availability import Availability, GuardedCall, ServerUnavailable


class Guarded:
    """A mix-in for the connection classes of redis-py."""

    availability: Availability
    _sock: Any

    def connect(self) -> None:
        """Connect. Raises redis.ConnectionError at once if the server is lost."""
        call = self._begin(None)
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self.availability.end(call)

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        """Send a command."""
        call = self._begin(self._sock)
        try:
            super().send_packed_command(*args, **kwargs)  # type: ignore[misc]
        finally:
            self.availability.end(call)

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Wait for an answer. Subscribers wait for messages, with their own timeout."""
        if "timeout" in kwargs:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        call = self._begin(self._sock)
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        finally:
            self.availability.end(call)

    def _begin(self, sock: Any) -> GuardedCall:
        try:
            return self.availability.begin(sock)
        except ServerUnavailable as error:
            self.disconnect()  # type: ignore[attr-defined]
            raise redis.ConnectionError(str(error)) from None


def guard(pool: ConnectionPool, availability: Availability) -> None:
    """Make a pool create guarded connections."""
    pool.connection_class = _guarded(pool.connection_class, availability)


@cache
def _guarded(connection_class: type[Any], availability: Availability) -> type[Any]:
    return type(f"Guarded{connection_class.__name__}", (Guarded, connection_class), {"availability": availability})
