"""Cached results in Redis: at most CACHE_MAX_SIZE for the installation; the least recently used are removed first.

    wfp:cache:value:<key>   hash {at, data}: when it was stored (Redis's clock, ms) and the result; expires
    wfp:cache:used          sorted set of keys by their last use, to remove the least recently used
    wfp:cache:expires       sorted set of keys by their expiry, so that expired ones do not count
    wfp:cache:lock:<key>    token of the request that computes the result; expires unless renewed
    wfp:cache:counts        hash {node_hits, node_misses, execution_hits, execution_misses}

Each step is one script and therefore atomic.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.conf import settings
from redis.exceptions import RedisError

from executions import instruments
from executions.domain.items import fragment
from workflow_platform.core.per_process import PerProcess
from workflow_platform.core.redis_server import RedisServer, once_more, server

logger = logging.getLogger(__name__)

PREFIX = "wfp:cache:"
COUNTS, USED, EXPIRES = f"{PREFIX}counts", f"{PREFIX}used", f"{PREFIX}expires"
RESOLVED = f"{PREFIX}landed"
"""Channel that announces the end of a computation: `<key> 1` if its result is in the cache, otherwise `<key> 0`."""
TIMEOUT_SECONDS = 1.0
"""The timeout of Redis: a slower cache would not help."""
AWAY_SECONDS = 1.0
"""The time without calls to Redis after it did not respond."""
COMPRESSED_FROM = 1_024

_NOW = "local t = redis.call('TIME') local now = t[1] * 1000 + t[2] / 1000 "
_LOOK = (
    _NOW
    + """
local found = redis.call('HMGET', KEYS[1], 'at', 'data')
if found[1] and tonumber(found[1]) + tonumber(ARGV[3]) > now then
  redis.call('ZADD', KEYS[3], 'XX', now, ARGV[1])
  redis.call('HINCRBY', KEYS[4], ARGV[4] .. '_hits', 1)
  return {1, found[2]}
end
if redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[5]) then
  redis.call('HINCRBY', KEYS[4], ARGV[4] .. '_misses', 1)
  return {2}
end
return {3}
"""
)
_PEEK = (
    _NOW
    + """
local found = redis.call('HMGET', KEYS[1], 'at', 'data')
if found[1] and tonumber(found[1]) + tonumber(ARGV[1]) > now then return found[2] end
return false
"""
)
_PUT = (
    _NOW
    + """
redis.call('HSET', KEYS[1], 'at', now, 'data', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('ZADD', KEYS[3], now + ARGV[3], ARGV[1])
local function drop(keys)
  for _, key in ipairs(keys) do
    redis.call('DEL', ARGV[5] .. key)
    redis.call('ZREM', KEYS[2], key)
    redis.call('ZREM', KEYS[3], key)
  end
end
drop(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 1000))
local over = redis.call('ZCARD', KEYS[2]) - ARGV[4]
if over > 0 then drop(redis.call('ZRANGE', KEYS[2], 0, math.min(over, 1000) - 1)) end
return over
"""
)
_RENEW = """
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if not held then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1 end
return 0
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', KEYS[2], ARGV[2])
  return 1
end
return 0
"""


class Away(Exception):
    """Redis does not respond; compute the result."""


@dataclass(frozen=True, slots=True)
class Look:
    """The state of a key: a result (`hit`); the caller computes it (`leads`); or another request computes it."""

    value: Any = None
    hit: bool = False
    leads: bool = False


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Counters of all processes since Redis was last emptied, and the number of cached results."""

    node_hits: int = 0
    node_misses: int = 0
    execution_hits: int = 0
    execution_misses: int = 0
    entries: int = 0

    @property
    def hits(self) -> int:
        """Return the number of hits."""
        return self.node_hits + self.execution_hits

    @property
    def misses(self) -> int:
        """Return the number of misses."""
        return self.node_misses + self.execution_misses

    @property
    def hit_rate(self) -> float | None:
        """Return the share of hits, from 0 to 1; None before the first lookup."""
        lookups = self.hits + self.misses
        return self.hits / lookups if lookups else None


class Store:
    """The cache in Redis. Every method raises Away if Redis does not respond, and for AWAY_SECONDS after that."""

    def __init__(self, redis_server: RedisServer) -> None:
        self.client = redis_server.client(
            socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry=once_more()
        )
        self._look, self._put = self.client.register_script(_LOOK), self.client.register_script(_PUT)
        self._peek = self.client.register_script(_PEEK)
        self._renew, self._release = self.client.register_script(_RENEW), self.client.register_script(_RELEASE)
        self._away_until = 0.0

    def look(self, kind: str, key: str, token: str, ttl: int) -> Look:
        """Look up a result not older than `ttl` ms; without one, acquire the lock. Counts a hit or a miss."""
        keys = [f"{PREFIX}value:{key}", f"{PREFIX}lock:{key}", USED, COUNTS]
        reply = self._call(self._look, keys, [key, token, ttl, kind, lock_ms()])
        if reply[0] == 1:
            if (result := _decoded(reply[1])) is not None:
                instruments.CACHE_HITS.add(1, kind)
                return Look(result[0], hit=True)
            self._call(self.client.delete, keys[0])
            return self.look(kind, key, token, ttl)
        leads = reply[0] == 2
        if leads:
            instruments.CACHE_MISSES.add(1, kind)
        return Look(leads=leads)

    def peek(self, key: str, ttl: int) -> Look:
        """Look up a result not older than `ttl` ms without any effect: no lock, no count, no use."""
        data = self._call(self._peek, [f"{PREFIX}value:{key}"], [ttl])
        result = None if data is None else _decoded(data)
        return Look() if result is None else Look(result[0], hit=True)

    def put(self, key: str, value: Any, ttl: int) -> bool:
        """Store a result for `ttl` ms unless it is too large or has no JSON form. Returns whether it is stored."""
        data = _encoded(value)
        if data is None:
            return False
        keys = [f"{PREFIX}value:{key}", USED, EXPIRES]
        self._call(self._put, keys, [key, data, ttl, settings.CACHE_MAX_SIZE, f"{PREFIX}value:"])
        return True

    def renew(self, key: str, token: str) -> None:
        """Renew the lock, or acquire it again if Redis has lost it."""
        self._call(self._renew, [f"{PREFIX}lock:{key}"], [token, lock_ms()])

    def release(self, key: str, token: str, answered: bool) -> None:
        """Release the lock, and announce whether there is a result."""
        self._call(self._release, [f"{PREFIX}lock:{key}", RESOLVED], [token, f"{key} {int(answered)}"])

    def miss(self, kind: str) -> None:
        """Count a miss that `look` has not counted."""
        instruments.CACHE_MISSES.add(1, kind)
        self._call(self.client.hincrby, COUNTS, f"{kind}_misses", 1)

    def stats(self) -> CacheStats:
        """Return the counters."""
        counts: dict[bytes, bytes] = self._call(self.client.hgetall, COUNTS)
        entries = self._call(self._count_entries)
        return CacheStats(entries=entries, **{name.decode(): int(count) for name, count in counts.items()})

    def _count_entries(self) -> Any:
        return self.client.zcount(EXPIRES, int(time.time() * 1000), "+inf")

    def _call(self, function: Any, *args: Any) -> Any:
        if time.monotonic() < self._away_until:
            raise Away(Away.__doc__)
        try:
            return function(*args)
        except RedisError as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            logger.warning(
                "result cache not reachable: %s; running without it for %g s",
                error,
                AWAY_SECONDS,
                extra={"retry_seconds": AWAY_SECONDS},
            )
            raise Away(Away.__doc__) from None


def _encoded(value: Any) -> bytes | None:
    try:
        text = orjson.dumps([value], default=fragment)
    except TypeError:
        return None
    if len(text) > settings.NODE_OUTPUT_MAX_BYTES:
        return None
    data = b"z" + zlib.compress(text, 1) if len(text) >= COMPRESSED_FROM else b"j" + text
    return data if len(data) <= settings.CACHE_MAX_VALUE_BYTES else None


def _decoded(data: bytes) -> Sequence[Any] | None:
    try:
        value: list[Any] = orjson.loads(zlib.decompress(data[1:]) if data[:1] == b"z" else data[1:])
    except (zlib.error, orjson.JSONDecodeError):  # written by another version of the platform
        return None
    return value


store = PerProcess(lambda: Store(server()))
"""The result cache of this process."""


def lock_ms() -> int:
    """Return the time to live of a lock in ms. It is shorter than a worker's lease, so that waiters for the result of
    a dead worker do not have to wait for its executions to be recovered."""
    return int(settings.LEASE_SECONDS * 500)


def stats() -> CacheStats:
    """Return the counters of the installation; zeros while Redis does not respond."""
    try:
        return store().stats()
    except Away:
        return CacheStats()


def ttl_ms(seconds: float | None) -> int:
    """Return a time to live in ms: `seconds` of a node or a workflow, or by default CACHE_TTL_MS."""
    return max(1, round(seconds * 1000)) if seconds is not None else settings.CACHE_TTL_MS
