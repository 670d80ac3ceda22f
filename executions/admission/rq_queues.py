"""RQ carries the work: a job holds an execution's id and nothing else; the database is the truth."""

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
from rq.job import Job
from rq.queue import Queue
from rq.suspension import is_suspended

from executions.admission.live_workers import count_live_workers
from executions.models import Execution
from workflow_platform.core.redis_server import patient_client

logger = logging.getLogger(__name__)

JOB = "executions.jobs.run_execution"
PRIORITIES = ("high", "default", "low")
"""The names of the queues, in the order in which workers look at them."""
FAILED_JOB_SECONDS = 86_400
TAKEN_GRACE = timedelta(seconds=5)
"""Between a worker's taking of a job and its claim there are milliseconds; after this the worker is given up."""


@dataclass(frozen=True, slots=True)
class NextClaim:
    """The next claim of an execution: its job's id is used up by it, since the token grows with it."""

    execution_id: UUID
    priority: str
    fencing_token: int

    @classmethod
    def of(cls, execution: Execution) -> NextClaim:
        """Return the claim that the execution waits for."""
        return cls(execution.pk, execution.priority, execution.fencing_token)

    @property
    def job_id(self) -> str:
        """Return the id of the job that makes the claim."""
        return f"execution-{self.execution_id}-{self.fencing_token}"


_JOB_ID = re.compile(r"execution-([0-9a-f-]{36})-[0-9]+")


def is_of_execution(job_id: str) -> bool:
    """Tell whether a job with this id claims an execution."""
    return _JOB_ID.fullmatch(job_id) is not None


def execution_of(job_id: str) -> UUID:
    """Return the execution that the job with this id claims."""
    found = _JOB_ID.fullmatch(job_id)
    assert found is not None
    return UUID(found[1])


def enqueue_quietly(claims: Sequence[NextClaim]) -> None:
    """Queue the jobs; if Redis is away, the sweep does it later."""
    try:
        enqueue(claims)
    except RedisError as error:
        logger.warning("%d executions not queued yet: %s", len(claims), error)


@cache
def _queue(name: str) -> Queue:
    """Return the queue; one connection pool serves the process."""
    return Queue(name, connection=_connection())


@cache
def _connection() -> Redis:
    return patient_client()


def enqueue(claims: Iterable[NextClaim]) -> None:
    """Queue the jobs that claim and run executions, all in one round trip."""
    by_queue: dict[str, list[NextClaim]] = {}
    for claim in claims:
        by_queue.setdefault(claim.priority, []).append(claim)
    with _queue("default").connection.pipeline(transaction=False) as pipeline:
        for priority, theirs in by_queue.items():
            _queue(priority).enqueue_many(
                [
                    Queue.prepare_data(
                        JOB,
                        (str(claim.execution_id),),
                        job_id=claim.job_id,
                        description=f"execution {claim.execution_id}",
                        result_ttl=0,
                        failure_ttl=FAILED_JOB_SECONDS,
                        timeout=-1,
                    )
                    for claim in theirs
                ],
                pipeline=pipeline,
            )
        pipeline.execute()


def without_job(executions: Sequence[Execution]) -> list[NextClaim]:
    """Return the claims of those whose job is in no queue, nor was taken from one a moment ago. Reads each queue once.

    What a job's own record says is not enough: a worker may have died after it took the job, before its claim.
    """
    claims = [NextClaim.of(execution) for execution in executions]
    queued: set[str] = set()
    for priority in {claim.priority for claim in claims}:
        queued.update(_queue(priority).get_job_ids())
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


def workers_and_jobs_ahead(execution: Execution) -> tuple[int | None, bool, int]:
    """Return how many workers live, whether they are suspended, and how many jobs are to be taken before that of the
    execution; 0 where it is in no queue. Raises RedisError."""
    live, suspended = count_live_workers(), bool(is_suspended(_connection()))
    job_id, ahead = NextClaim.of(execution).job_id, 0
    for name in PRIORITIES:
        if name == execution.priority:
            ids = _queue(name).get_job_ids()
            return live, suspended, ahead + ids.index(job_id) if job_id in ids else 0
        ahead += _queue(name).count
    return live, suspended, 0
