"""Jobs of RQ besides executions, for whoever has some: a kind, an id, and a function that was registered for the kind.

A job carries only the id; the database says what there is to do, so that a job may be lost, or come twice. It should be
short: whoever has to wait for long queues another one later. What its function is, is known here and never read from
Redis: nothing that stands there is executed.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from uuid import UUID, uuid4

from redis.exceptions import RedisError
from rq.queue import Queue

from workflow_platform.core.redis_server import patient_client

logger = logging.getLogger(__name__)

Work = Callable[[UUID, threading.Event], None]
"""Does what there is to do for an id; ends soon once the event is set, since the worker stops."""
FAILED_JOB_SECONDS = 86_400
_JOB_ID = re.compile(r"([a-z_]+)-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is done for jobs of a kind, and where they wait."""

    name: str
    work: Work
    queue: str


_kinds: dict[str, Kind] = {}


def register(name: str, work: Work, queue: str = "default") -> None:
    """Have `work` done by workers for jobs of the kind `name` (lower-case letters and `_`)."""
    _kinds[name] = Kind(name, work, queue)


def enqueue(name: str, ids: Collection[UUID]) -> bool:
    """Queue a job for each id. Returns False if Redis is away: then a sweep of whoever has the work does it later."""
    kind = _kinds[name]
    wanted = [f"{name}-{each}-{uuid4().hex[:8]}" for each in ids]
    try:
        _queue(kind.queue).enqueue_many(
            [
                Queue.prepare_data(
                    f"{kind.work.__module__}.{kind.work.__qualname__}",  # for people who look; workers do not
                    (job_id[len(name) + 1 : -9],),
                    job_id=job_id,
                    description=job_id,
                    result_ttl=0,
                    failure_ttl=FAILED_JOB_SECONDS,
                    timeout=-1,
                )
                for job_id in wanted
            ]
        )
    except RedisError as error:
        logger.warning("%d jobs not queued yet: %s", len(wanted), error)
        return False
    return True


def waiting(name: str) -> int:
    """Return how many jobs wait in the queue of this kind, of whatever kind they are; 0 if Redis is away."""
    try:
        return int(_queue(_kinds[name].queue).count)
    except RedisError:
        return 0


def work_of(job_id: str) -> Callable[[threading.Event], None] | None:
    """Return what a job is there for; None if its kind is not known."""
    found = _JOB_ID.fullmatch(job_id)
    kind = _kinds.get(found[1]) if found else None
    if found is None or kind is None:
        return None
    work, wanted = kind.work, UUID(found[2])
    return lambda stop: work(wanted, stop)


@cache
def _queue(name: str) -> Queue:
    return Queue(name, connection=patient_client())
