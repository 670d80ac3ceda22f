"""What the scheduler does again and again for those who have registered it: each floor's own sweeps."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sweep:
    name: str
    work: Callable[[], object]
    every_seconds: float
    due_at: float = 0.0


_sweeps: dict[str, _Sweep] = {}


def register(name: str, work: Callable[[], object], every_seconds: float) -> None:
    """Have the scheduler call `work` every so many seconds. Several schedulers may run, so it may be called twice."""
    _sweeps[name] = _Sweep(name, work, every_seconds)


def run_due() -> None:
    """Call what is due. A bug in one sweep keeps no other from its turn; that a server is away is the caller's."""
    for sweep in _sweeps.values():
        now = time.monotonic()
        if now < sweep.due_at:
            continue
        sweep.due_at = now + sweep.every_seconds
        try:
            sweep.work()
        except (DatabaseError, InterfaceError, RedisError):
            raise
        except Exception:
            logger.exception("%s failed, trying again", sweep.name)
