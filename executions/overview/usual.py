"""How long executions of a workflow usually take, for the engine: kept in each process for a while."""

from __future__ import annotations

import threading
import time
from uuid import UUID

from executions.models import Execution
from executions.overview.expected import Percentiles, whole_durations

KEPT_SECONDS = 60.0
MAX_KEPT = 1000

_kept: dict[UUID, tuple[float, Percentiles | None]] = {}
_lock = threading.Lock()


def usual_duration(execution: Execution) -> Percentiles | None:
    """Return how long a version's executions take from their start to their end; None if nothing is known. At most a
    minute old. Reads the database once a minute for each version."""
    version, now = execution.version_id, time.monotonic()
    with _lock:
        known = _kept.get(version)
    if known is not None and now - known[0] < KEPT_SECONDS:
        return known[1]
    found = whole_durations(execution)
    with _lock:
        if len(_kept) >= MAX_KEPT:
            _kept.clear()
        _kept[version] = (now, found)
    return found
