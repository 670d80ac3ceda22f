"""The configuration of Redis, and all its clients: one server (REDIS_URL), or the current master of Sentinels.

The live messages of streams may use another Redis (REDIS_PUBSUB_URL), which may be a node of a Redis Cluster.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from django.conf import settings
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ConstantBackoff, NoBackoff
from redis.connection import ConnectionPool
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from workflow_platform.core.availability import Availability, serves_requests
from workflow_platform.core.redis_connections import guard

SENTINEL_PORT = 26379
SENTINEL_SECONDS = 1.0
"""The time limit of a Sentinel, before the next one is asked."""
PATIENCE_SECONDS = 2.0
"""The time limit of one call that a caller waits for; a Redis that does not respond is lost after
REDIS_TIMEOUT_SECONDS."""
WORKER_RETRY_SECONDS, WORKER_RETRIES = 0.5, 6


@dataclass(frozen=True, slots=True)
class RedisServer:
    """One Redis. With `sentinels`, `url` has user, password, database and TLS, but not the host."""

    url: str
    sentinels: tuple[tuple[str, int], ...] = ()
    master: str = ""
    sentinel_password: str = ""

    def client(self, **options: Any) -> redis.Redis:
        """Return a client with its own pool. `options` are those of `redis.Redis`."""
        client = self._unguarded_client(**options)
        guard(client.connection_pool, availability(self))
        return client

    def _unguarded_client(self, **options: Any) -> redis.Redis:
        if not self.sentinels:
            return redis.Redis.from_url(self.url, **options)
        return redis.Redis.from_pool(self._master_pool(**options))

    @property
    def channel_layer_host(self) -> dict[str, Any]:
        """Return the entry of `hosts` of channels_redis.

        RESP2: for each message of RESP3 the client library formats a log line, even if it is not written.
        """
        if not self.sentinels:
            return {"address": self.url, "protocol": 2}
        host: dict[str, Any] = {"sentinels": list(self.sentinels), "master_name": self.master}
        next_one = {"retry": AsyncRetry(NoBackoff(), 0)}
        return host | {"sentinel_kwargs": self._sentinel_options | next_one, "protocol": 2} | self._master_options

    @property
    def queue(self) -> dict[str, Any]:
        """Return the connection settings of an entry of RQ_QUEUES."""
        if not self.sentinels:
            return {"URL": self.url}
        options = self._master_options
        return {
            "SENTINELS": list(self.sentinels),
            "MASTER_NAME": self.master,
            "DB": options.pop("db"),
            "CONNECTION_KWARGS": options,
            "SENTINEL_KWARGS": self._sentinel_options | {"retry": Retry(NoBackoff(), 0)},
        }

    @property
    def cache_pool_options(self) -> dict[str, Any]:
        """Return the OPTIONS of Django's Redis cache."""
        quick = {"socket_timeout": PATIENCE_SECONDS, "socket_connect_timeout": PATIENCE_SECONDS, "retry": once_more()}
        return quick | {"pool_class": "workflow_platform.core.redis_server.CachePool"}

    def _master_pool(self, **options: Any) -> SentinelConnectionPool:
        sentinel = Sentinel(self.sentinels, sentinel_kwargs=self.queue["SENTINEL_KWARGS"])
        return SentinelConnectionPool(self.master, sentinel, **self._master_options | options)

    @property
    def _master_options(self) -> dict[str, Any]:
        parts = urlsplit(self.url)
        options: dict[str, Any] = {"db": int(parts.path.strip("/") or 0)}
        if parts.username:
            options["username"] = unquote(parts.username)
        if parts.password:
            options["password"] = unquote(parts.password)
        return options | ({"ssl": True} if parts.scheme == "rediss" else {})

    @property
    def _sentinel_options(self) -> dict[str, Any]:
        options: dict[str, Any] = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), SENTINEL_SECONDS)
        if self.sentinel_password:
            options["password"] = self.sentinel_password
        return options | ({"ssl": True} if urlsplit(self.url).scheme == "rediss" else {})


class CachePool:
    """The pool of Django's cache, which Django makes from a URL and options."""

    @staticmethod
    def from_url(url: str, **options: Any) -> ConnectionPool:
        """Return a pool to the server, or to the master."""
        return replace(server(), url=url).client(**options).connection_pool


@cache
def availability(of: RedisServer) -> Availability:
    """Return the availability of a Redis in this process."""
    quick = {"socket_timeout": PATIENCE_SECONDS, "socket_connect_timeout": PATIENCE_SECONDS}
    client = of._unguarded_client(**quick, retry=Retry(NoBackoff(), 0))

    def probe() -> None:
        try:
            client.ping()
        except redis.ResponseError:  # an error is an answer too
            pass
        except redis.ConnectionError as error:
            if "max number of clients" not in str(error):
                raise

    return Availability("Redis", probe, lambda: float(settings.REDIS_TIMEOUT_SECONDS))


def queue_connection(config: dict[str, Any], use_strict_redis: bool = False) -> redis.Redis:
    """Return a client for the queues, in place of django-rq's, which has neither timeouts nor retries. A worker retries
    a few times, since an unexpected error would end it; a web process does not retry."""
    retry = once_more() if serves_requests() else Retry(ConstantBackoff(WORKER_RETRY_SECONDS), WORKER_RETRIES)
    return server().client(socket_connect_timeout=PATIENCE_SECONDS, retry=retry)


def once_more() -> Retry:
    """Return the rule to retry once without delay: a pooled connection may be from before a restart."""
    return Retry(NoBackoff(), 1)


def parse_sentinels(entries: Collection[str]) -> tuple[tuple[str, int], ...]:
    """Return the hosts and ports of `host`, `host:port` or `[address]:port`. Raises ValueError."""
    sentinels = []
    for entry in entries:
        parts = urlsplit(f"//{entry.strip()}")
        if not parts.hostname or parts.path or parts.username is not None:
            raise ValueError(f"{entry!r} is not host:port.")
        sentinels.append((parts.hostname, parts.port or SENTINEL_PORT))
    return tuple(sentinels)


def server() -> RedisServer:
    """Return the Redis of the settings."""
    return RedisServer(
        settings.REDIS_URL, settings.REDIS_SENTINELS, settings.REDIS_SENTINEL_MASTER, settings.REDIS_SENTINEL_PASSWORD
    )


def pubsub_server() -> RedisServer:
    """Return the Redis for the live messages of streams."""
    return RedisServer(settings.REDIS_PUBSUB_URL) if settings.REDIS_PUBSUB_URL else server()


def patient_client() -> redis.Redis:
    """Return a client for calls with a waiting caller: it gives up soon when Redis hangs."""
    return server().client(socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS, retry=once_more())
