"""Token buckets in the memory of one web process: for rate limits of requests and for the request log. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

MAX_BUCKETS = 10_000
"""Beyond this number the least recently used buckets are dropped; they are full again by then, or almost."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class Buckets:
    """Token buckets by key. Times are seconds of a monotonic clock."""

    def __init__(self, most: int = MAX_BUCKETS) -> None:
        self._most = most
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def take(self, key: Hashable, now: float, per_second: float, burst: float | None = None) -> float:
        """Take a token. Returns 0, or the seconds until one is available.

        `burst` defaults to the tokens of one second, at least 1.
        """
        full = max(1.0, per_second) if burst is None else burst
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(full, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
            bucket.tokens = min(full, bucket.tokens + (now - bucket.filled_at) * per_second)
            bucket.filled_at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0.0
        return (1 - bucket.tokens) / per_second


def lower(*limits: float | None) -> float:
    """Return the lowest of the limits that are set; 0 if none is."""
    return min((limit for limit in limits if limit), default=0.0)
