"""The result cache: reuses results of node runs and executions with equal input within a workspace.

`keys` defines which inputs are equal, `store` keeps results in Redis, and `flight` lets one of several concurrent
requests compute a result. The engine uses the names below; without Redis every result is computed.
"""

from executions.cache.flight import Flight, Hit, ask, peek
from executions.cache.keys import execution_key, node_key
from executions.cache.store import CacheStats, stats, ttl_ms

__all__ = ["CacheStats", "Flight", "Hit", "ask", "execution_key", "node_key", "peek", "stats", "ttl_ms"]
