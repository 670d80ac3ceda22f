"""RQ distributes the work. A job holds only the id of an execution; the state is in the database."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import cache
from uuid import UUID

from django.utils import timezone
from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job, JobStatus
from rq.queue import Queue
from rq.suspension import is_suspended
from rq.utils import now

from executions.admission.live_workers import count_live_workers
from executions.models import Execution, Priority
from workflow_platform.core.redis_server import patient_client

logger = logging.getLogger(__name__)

JOB = "executions.jobs.run_execution"
PRIORITIES = ("high", "default", "low")
"""The names of the queues, in the order in which workers read them."""
FAILED_JOB_SECONDS = 86_400
TAKEN_GRACE = timedelta(seconds=5)
"""A worker claims a job within milliseconds. After this time the worker counts as lost."""


@dataclass(frozen=True, slots=True)
class NextClaim:
    """The next claim of an execution. Each claim increases the fencing token, so each has a different job id."""

    execution_id: UUID
    queue: str
    fencing_token: int

    @classmethod
    def of(cls, execution: Execution) -> NextClaim:
        """Return the claim that the execution waits for."""
        return cls(execution.pk, queue_of(execution), execution.fencing_token)

    @property
    def job_id(self) -> str:
        """Return the id of the job that makes the claim."""
        return f"execution-{self.execution_id}-{self.fencing_token}"


def queue_of(execution: Execution) -> str:
    """Return the name of the RQ queue of the execution: its priority, and `low` for test and debug executions."""
    return execution.priority if execution.is_live else Priority.LOW.value


_JOB_ID = re.compile(r"execution-([0-9a-f-]{36})-[0-9]+")


def is_of_execution(job_id: str) -> bool:
    """Return whether a job with this id claims an execution."""
    return _JOB_ID.fullmatch(job_id) is not None


def execution_of(job_id: str) -> UUID:
    """Return the execution that the job with this id claims."""
    match = _JOB_ID.fullmatch(job_id)
    assert match is not None
    return UUID(match[1])


def enqueue_quietly(claims: Sequence[NextClaim]) -> None:
    """Enqueue the jobs. If Redis is unavailable, the scheduler's sweep enqueues them later."""
    try:
        enqueue(claims)
    except RedisError as error:
        logger.warning(
            "%d executions not queued: %s; the next sweep of the scheduler queues them",
            len(claims),
            error,
            extra={"count": len(claims)},
        )


@cache
def _queue(name: str) -> Queue:
    """Return the queue; one connection pool serves the process."""
    return Queue(name, connection=_connection())


@cache
def _connection() -> Redis:
    return patient_client()


def enqueue(claims: Iterable[NextClaim]) -> None:
    """Enqueue the jobs of the claims in one round trip."""
    by_queue: dict[str, list[NextClaim]] = {}
    for claim in claims:
        by_queue.setdefault(claim.queue, []).append(claim)
    with _connection().pipeline(transaction=False) as pipeline:
        for name, queue_claims in by_queue.items():
            queue = _queue(name)
            pipeline.sadd(Queue.redis_queues_keys, queue.key)
            for claim in queue_claims:
                _job(queue, claim).save(pipeline=pipeline)
            pipeline.rpush(queue.key, *[claim.job_id for claim in queue_claims])
        pipeline.execute()


def _job(queue: Queue, claim: NextClaim) -> Job:
    """Return the job as `Queue.enqueue_many` would write it, in three commands instead of one."""
    job = queue.create_job(
        JOB,
        (str(claim.execution_id),),
        job_id=claim.job_id,
        description=f"execution {claim.execution_id}",
        result_ttl=0,
        failure_ttl=FAILED_JOB_SECONDS,
        timeout=-1,
        status=JobStatus.QUEUED,
    )
    job.origin, job.enqueued_at = queue.name, now()
    return job


def without_job(executions: Sequence[Execution]) -> list[NextClaim]:
    """Return the claims of executions whose job is in no queue and was not just taken. Reads each queue once.

    A job's record is not enough: a worker may have died after it took the job and before it claimed the execution.
    """
    claims = [NextClaim.of(execution) for execution in executions]
    queued: set[str] = set()
    for name in {claim.queue for claim in claims}:
        queued.update(_queue(name).get_job_ids())
    missing = [claim for claim in claims if claim.job_id not in queued]
    if not missing:
        return []
    jobs = Job.fetch_many([claim.job_id for claim in missing], connection=_connection())
    since = timezone.now() - TAKEN_GRACE
    return [
        claim
        for claim, job in zip(missing, jobs, strict=True)
        if job is None or job.started_at is None or job.started_at.replace(tzinfo=UTC) < since
    ]


def lengths() -> dict[str, int]:
    """Return how many jobs wait in each queue. Raises RedisError."""
    with _connection().pipeline(transaction=False) as pipeline:
        for name in PRIORITIES:
            pipeline.llen(_queue(name).key)
        return dict(zip(PRIORITIES, pipeline.execute(), strict=True))


def workers_and_jobs_ahead(execution: Execution) -> tuple[int | None, bool, int]:
    """Return the number of live workers, whether they are suspended, and the number of jobs ahead of the execution's
    job; 0 if it is in no queue. Raises RedisError."""
    live, suspended = count_live_workers(), bool(is_suspended(_connection()))
    job_id, ahead = NextClaim.of(execution).job_id, 0
    for name in PRIORITIES:
        if name == queue_of(execution):
            ids = _queue(name).get_job_ids()
            return live, suspended, ahead + ids.index(job_id) if job_id in ids else 0
        ahead += _queue(name).count
    return live, suspended, 0
