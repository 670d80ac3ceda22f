"""The result cache: what a node run or a whole execution gave serves the same question again, within one workspace.

`keys` says what the same question is, `store` keeps answers in Redis, `flight` has one of many that ask at once
compute. Nothing depends on it: without Redis everything is computed.
"""

from executions.cache.flight import Flight, Hit, ask
from executions.cache.keys import execution_key, node_key
from executions.cache.store import CacheStats, stats, ttl_ms

__all__ = ["CacheStats", "Flight", "Hit", "ask", "execution_key", "node_key", "stats", "ttl_ms"]
