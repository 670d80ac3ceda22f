"""The result cache: reuses the results of node runs and whole executions within one workspace.

`keys` computes the cache keys, `store` keeps results in Redis, and `flight` lets one of several concurrent requests
for a key compute the result. The cache is optional: without Redis every result is computed.
"""

from executions.cache.flight import Flight, Hit, ask
from executions.cache.keys import execution_key, node_key
from executions.cache.store import CacheStats, stats, ttl_ms

__all__ = ["CacheStats", "Flight", "Hit", "ask", "execution_key", "node_key", "stats", "ttl_ms"]
