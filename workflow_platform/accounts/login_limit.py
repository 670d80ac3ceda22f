"""How many passwords may be guessed: failed logins are counted, by name and by address, in windows of a minute."""

from __future__ import annotations

import hashlib
import logging
import time

from django.core.cache import cache
from redis.exceptions import RedisError

WINDOW_SECONDS = 60
FAILURES_PER_NAME = 10
FAILURES_PER_ADDRESS = 30

log = logging.getLogger(__name__)


def _limits(address: str, username: str) -> dict[str, int]:
    """Return how many failures each counter of this login allows. Names are hashed: people type passwords there."""
    window = int(time.time()) // WINDOW_SECONDS
    name = hashlib.sha256(username.casefold().encode(errors="replace")).hexdigest()
    return {
        f"login-failures:name:{name}:{window}": FAILURES_PER_NAME,
        f"login-failures:address:{address}:{window}": FAILURES_PER_ADDRESS,
    }


def seconds_to_wait(address: str, username: str) -> float:
    """Return 0 if this login may be tried, else the seconds until it may. Without Redis nobody is kept out."""
    limits = _limits(address, username)
    try:
        counts = cache.get_many(limits)
    except RedisError:
        log.warning("failed logins are not being limited: Redis does not answer")
        return 0.0
    if all(counts.get(key, 0) < limit for key, limit in limits.items()):
        return 0.0
    return WINDOW_SECONDS - time.time() % WINDOW_SECONDS


def record_failure(address: str, username: str) -> None:
    """Count a failed login."""
    try:
        for key in _limits(address, username):
            cache.add(key, 0, timeout=2 * WINDOW_SECONDS)
            cache.incr(key)
    except (RedisError, ValueError):  # ValueError: Redis forgot the key between the two
        log.warning("a failed login was not counted: Redis does not answer")
