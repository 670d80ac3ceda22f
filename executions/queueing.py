"""RQ carries the work: a job holds an execution's id and nothing else; the database is the truth."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, timedelta

import django_rq
from django.db import transaction
from django.utils import timezone
from redis.exceptions import RedisError
from rq.job import Job

from executions.models import Execution

logger = logging.getLogger(__name__)

JOB = "executions.jobs.run_execution"
TAKEN_GRACE = timedelta(seconds=5)
"""Between a worker's taking of a job and its claim there are milliseconds; after this the worker is given up."""


def job_id_of(execution: Execution) -> str:
    """Return the id of the job that makes the next claim; a claim uses it up, since the token grows with it."""
    return f"execution-{execution.pk}-{execution.fencing_token}"


def enqueue_on_commit(execution: Execution) -> None:
    """Queue the job once the transaction has committed; if Redis is away then, the sweep does it later."""

    def enqueue_quietly() -> None:
        try:
            enqueue(execution)
        except RedisError as error:
            logger.warning("execution %s not queued yet: %s", execution.pk, error)

    transaction.on_commit(enqueue_quietly)


def enqueue(execution: Execution) -> None:
    """Queue the job that claims and runs the execution."""
    django_rq.get_queue(execution.priority).enqueue(
        JOB, str(execution.pk), job_id=job_id_of(execution), result_ttl=0, failure_ttl=86_400, job_timeout=-1
    )


def without_job(executions: Sequence[Execution]) -> list[Execution]:
    """Return those whose job is in no queue, nor was taken from one a moment ago. Reads each queue once.

    What a job's own record says is not enough: a worker may have died after it took the job, before its claim.
    """
    queued: set[str] = set()
    for priority in {execution.priority for execution in executions}:
        queued.update(django_rq.get_queue(priority).get_job_ids())
    missing = [execution for execution in executions if job_id_of(execution) not in queued]
    if not missing:
        return []
    jobs = Job.fetch_many([job_id_of(execution) for execution in missing], connection=django_rq.get_connection())
    since = timezone.now() - TAKEN_GRACE
    return [
        execution
        for execution, job in zip(missing, jobs, strict=True)
        if job is None or job.started_at is None or job.started_at.replace(tzinfo=UTC) < since
    ]
