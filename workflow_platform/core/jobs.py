"""RQ jobs other than executions: a kind, an id, and a function that an app registers for the kind.

A job contains only the id; the work itself is in the database, so that a job may be lost or run twice. Jobs should be
short; work that has to wait enqueues another job later. The function is looked up here and never read from Redis, so
that no code from Redis is executed.
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
"""Does the work of an id. Returns soon after the event is set, which happens when the worker stops."""
FAILED_JOB_SECONDS = 86_400
_JOB_ID = re.compile(r"([a-z_]+)-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Kind:
    """The work of a kind of jobs, and their queue."""

    name: str
    work: Work
    queue: str


_kinds: dict[str, Kind] = {}


def register(name: str, work: Work, queue: str = "default") -> None:
    """Register the work of jobs of the kind `name` (lower-case letters and `_`)."""
    _kinds[name] = Kind(name, work, queue)


def enqueue(name: str, ids: Collection[UUID]) -> bool:
    """Enqueue a job for each id. Returns False if Redis is unavailable; then a sweep of the app does the work later."""
    kind = _kinds[name]
    job_ids = [f"{name}-{object_id}-{uuid4().hex[:8]}" for object_id in ids]
    try:
        _queue(kind.queue).enqueue_many(
            [
                Queue.prepare_data(
                    f"{kind.work.__module__}.{kind.work.__qualname__}",  # shown on the pages of the queues
                    (job_id[len(name) + 1 : -9],),
                    job_id=job_id,
                    description=job_id,
                    result_ttl=0,
                    failure_ttl=FAILED_JOB_SECONDS,
                    timeout=-1,
                )
                for job_id in job_ids
            ]
        )
    except RedisError as error:
        logger.warning(
            "%d jobs not queued: %s; the next sweep of the scheduler queues them",
            len(job_ids),
            error,
            extra={"count": len(job_ids)},
        )
        return False
    return True


def waiting(name: str) -> int:
    """Return how many jobs of any kind wait in the queue of this kind; 0 if Redis is unavailable."""
    try:
        return int(_queue(_kinds[name].queue).count)
    except RedisError:
        return 0


def work_of(job_id: str) -> Callable[[threading.Event], None] | None:
    """Return the function that does the work of a job; None if its kind is unknown."""
    match = _JOB_ID.fullmatch(job_id)
    kind = _kinds.get(match[1]) if match else None
    if match is None or kind is None:
        return None
    work, object_id = kind.work, UUID(match[2])
    return lambda stop: work(object_id, stop)


@cache
def _queue(name: str) -> Queue:
    return Queue(name, connection=patient_client())
