"""Records the jobs of a worker in RQ, in as few Redis commands as possible.

Most executions end within milliseconds. For their jobs only the start and the removal are recorded. A job that
continues is also entered in the registries of running jobs, which dashboards and commands read, and where RQ
finds the jobs of lost workers.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID, uuid4

from redis import Redis
from redis.client import Pipeline
from rq.executions import Execution as RQExecution
from rq.executions import ExecutionRegistry
from rq.job import Job
from rq.queue import Queue
from rq.utils import now

from executions.admission import rq_queues

UNREGISTERED_SECONDS = 3600
"""The record of a job that is in no registry is removed after this time, in case its worker dies."""


@dataclass(slots=True)
class ClaimedJob:
    """A job that this worker has taken."""

    job: Job
    queue: Queue
    execution: RQExecution
    error: BaseException | None = None
    workspace_id: UUID | None = None
    """The workspace of the execution, once it is claimed."""
    registered: bool = False
    """It is in RQ's registries."""

    @property
    def execution_id(self) -> UUID:
        """Return the execution's id, from the job's id."""
        return rq_queues.execution_of(self.job.id)


class _Worker(Protocol):
    """What the books need of RQ's worker."""

    name: str
    connection: Redis

    def get_heartbeat_ttl(self, job: Job) -> int: ...

    def increment_total_working_time(self, job_execution_time: Any, pipeline: Pipeline) -> None: ...

    @property
    def key(self) -> str: ...


class Books:
    """The records and registry entries of the jobs of one worker."""

    def __init__(self, worker: _Worker) -> None:
        self._worker = worker
        self._lock = threading.Lock()
        """A job is not entered while it is being removed."""

    def start(self, jobs: Sequence[Job], queue: Queue, pipeline: Pipeline) -> list[ClaimedJob]:
        """Record that the worker has taken the jobs."""
        claimed_jobs = []
        for job in jobs:
            job.prepare_for_execution(self._worker.name, pipeline=pipeline)
            pipeline.expire(job.key, UNREGISTERED_SECONDS)
            execution = RQExecution(uuid4().hex, job.id, self._worker.connection, self._worker.name)
            claimed_jobs.append(ClaimedJob(job, queue, execution))
        return claimed_jobs

    def register(self, claimed_jobs: Sequence[ClaimedJob]) -> None:
        """Enter the jobs in the registries, as RQ does for every job. Jobs that have ended are left out."""
        with self._lock, self._worker.connection.pipeline() as pipeline:
            missing = [each for each in claimed_jobs if not each.registered]
            for each in missing:
                job, execution, ttl = each.job, each.execution, self._worker.get_heartbeat_ttl(each.job)
                execution.save(ttl=ttl, pipeline=pipeline)
                ExecutionRegistry(job_id=job.id, connection=pipeline).add(execution, ttl, pipeline=pipeline)
                job.started_job_registry.add_execution(execution, pipeline=pipeline, ttl=ttl, xx=False)
                pipeline.sadd(execution.worker_executions_key, execution.composite_key)
                pipeline.expire(execution.worker_executions_key, ttl + 60)
                pipeline.persist(job.key)
            if missing:
                pipeline.execute()
            for each in missing:
                each.registered = True

    def forget(self, claimed_jobs: Sequence[ClaimedJob]) -> None:
        """Remove jobs that have ended, as RQ does for a job without a result, and count them."""
        if not claimed_jobs:
            return
        with self._lock, self._worker.connection.pipeline() as pipeline:
            keys: list[str] = []
            ended_at, worked = now(), 0.0
            for each in claimed_jobs:
                job, execution = each.job, each.execution
                job.ended_at = ended_at
                worked += (ended_at - (job.started_at or ended_at)).total_seconds()
                keys.append(job.key)
                if each.registered:
                    job.started_job_registry.remove_execution(execution, pipeline=pipeline)
                    pipeline.srem(execution.worker_executions_key, execution.composite_key)
                    keys += [execution.key, job.execution_registry.key]
                each.registered = True  # so that it is not entered any more
            pipeline.delete(*keys)
            pipeline.hincrby(self._worker.key, "successful_job_count", len(claimed_jobs))
            pipeline.hincrbyfloat(self._worker.key, "total_working_time", worked)
            pipeline.execute()
