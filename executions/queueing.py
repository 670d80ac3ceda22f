"""RQ carries the work: a job holds an execution's id and nothing else; the database is the truth."""

from __future__ import annotations

import logging

import django_rq
from django.db import transaction
from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus

from executions.models import Execution

logger = logging.getLogger(__name__)

JOB = "executions.jobs.run_execution"


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


def is_queued(execution: Execution) -> bool:
    """Tell whether Redis still has the job."""
    try:
        job = Job.fetch(job_id_of(execution), connection=django_rq.get_connection(execution.priority))
    except NoSuchJobError:
        return False
    return job.get_status(refresh=False) in {JobStatus.QUEUED, JobStatus.STARTED}
