"""The RQ worker class: many executions at a time in one process.

RQ's main loop takes jobs; they are claimed together, run by the engine's driver without a thread each, and taken off
RQ's books together. What RQ itself costs is shared between jobs: registrations and heartbeats go in batches. Other work
than executions (`workflow_platform.core.jobs`) has a thread for each job.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq.command import parse_payload
from rq.exceptions import StopRequested
from rq.executions import Execution as RQExecution
from rq.job import Job
from rq.queue import Queue
from rq.timeouts import TimerDeathPenalty
from rq.utils import now
from rq.worker import BaseWorker, WorkerStatus

from events.bus import system_events
from executions import lifecycle
from executions.admission import rq_queues
from executions.admission.live_workers import STARVING_FIELD
from executions.engine.actor import ExecutionActor
from executions.engine.definition import definition
from executions.engine.driver import driver
from executions.engine.fair_share import FairSlots
from executions.engine.lease import heartbeats, worker_name
from executions.engine.recorder import recorder
from executions.models import Execution
from executions.workers.resource_limits import Pressure
from workflow_platform.core import jobs
from workflow_platform.core.batching import BatchThread
from workflow_platform.core.logs import execution_logging, log_uncaught_exceptions, set_process_fields

logger = logging.getLogger(__name__)

SLOT_WAIT_SECONDS = 5.0
MOMENT = 0.01
MOST_AT_ONCE = 16
"""The most jobs that one worker takes at a time, so that others get some too."""
HEARTBEAT_SECONDS = 5.0
SUSPENSION_LOOK_SECONDS = 0.5
RETRY_SECONDS = 1.0
PRESSURE_LOOK_SECONDS = 0.2
LOOKED_THROUGH = 1_000
"""How far down a queue a worker looks for jobs of workspaces that may have its last free slots."""
FEW_LOOK_SECONDS = 0.2
REPORT_SECONDS = 5.0
"""How often a worker says whether it starves, if that has not changed."""
TURNED_EVERY = 8
"""Every so many times the worker looks at its queues from the other end: what the limits let through is not held up for
ever by jobs of a higher priority."""


@dataclass(slots=True)
class ClaimedJob:
    """A job that this worker has taken, on RQ's books."""

    job: Job
    queue: Queue
    execution: RQExecution
    error: BaseException | None = None
    workspace_id: UUID | None = None
    """Of an execution that has been claimed."""

    @property
    def execution_id(self) -> UUID:
        """Return the execution's id, which is in the job's id."""
        return rq_queues.execution_of(self.job.id)


class ExecutionWorker(BaseWorker):
    """Takes jobs only for free slots of WORKER_CONCURRENCY, so that jobs wait where others see them."""

    death_penalty_class = TimerDeathPenalty
    job_monitoring_interval = 30

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.log_job_description = self.log_result_lifespan = False
        self._taken: dict[str, ClaimedJob] = {}
        self._freed = threading.Event()
        self._dequeued: list[Job] = []
        self._stopping = threading.Event()
        self._beaten_at = self._looked_at = 0.0
        self._pops = 0
        self._reported: tuple[bool, float] = (False, 0.0)
        self._pressure = Pressure(
            worker_name(),
            lambda: bool(self._taken),
            _end_process,
            lambda: driver().turn_latency.take_worst(),
            self._report_starving,
        )

    def work(self, *args: Any, **kwargs: Any) -> bool:
        """Work until the worker is stopped."""
        heartbeats()  # its companion does not get the worker's low priority
        os.nice(settings.WORKER_NICE)  # who asks and who watches goes before what is computed
        self._claims = _batch_thread("claims", self._claim)
        self._finishes = _batch_thread("finishes", self._finish)
        threading.Thread(target=self._keep_alive, name="job heartbeats", daemon=True).start()
        self._pressure.start()
        if not logger.isEnabledFor(logging.DEBUG):
            kwargs["logging_level"] = max(logging.WARNING, logger.getEffectiveLevel())  # RQ logs every job at INFO
        set_process_fields("worker", worker=worker_name())
        log_uncaught_exceptions()
        system_events.started(f"worker {worker_name()}")
        try:
            return super().work(*args, **kwargs)
        finally:
            system_events.stopped(f"worker {worker_name()}")

    # --- RQ's main loop --------------------------------------------------------------------------------------------

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Wait for memory, CPU and a free slot, then for a job; more jobs of the same queue are taken with it.

        Returns the first of `_dequeued`; RQ hands it on to `execute_job`.
        """
        idle_since = time.monotonic()
        while True:
            self.heartbeat()
            if self.should_run_maintenance_tasks:
                self.run_maintenance_tasks()
            if self._pressure.high or driver().turn_latency.pending_seconds > settings.LEASE_SECONDS:
                time.sleep(PRESSURE_LOOK_SECONDS)
                continue
            try:
                found = self._pop(timeout) if self._has_free_slot() else None
            except (RedisError, DatabaseError, InterfaceError) as error:
                _warn_of_retry("jobs not taken from the queue", error)
                connection.close()
                time.sleep(RETRY_SECONDS)
                continue
            if found is not None:
                queue, self._dequeued = found
                return self._dequeued[0], queue
            if timeout is None or (max_idle_time and time.monotonic() - idle_since > max_idle_time):
                return None
            self.check_for_suspension(burst=False)

    def _has_free_slot(self) -> bool:
        """Wait a while for a slot to be free. Tells whether one is."""
        self._freed.clear()
        if len(self._taken) < settings.WORKER_CONCURRENCY:
            return True
        return self._freed.wait(SLOT_WAIT_SECONDS)

    def _pop(self, timeout: int | None) -> tuple[Queue, list[Job]] | None:
        """Take jobs from the first queue that has any; without `timeout`, only what is there now. The last free slots
        are for workspaces that hold few."""
        self._pops += 1
        ordered = self._ordered_queues[:: -1 if self._pops % TURNED_EVERY == 0 else 1]
        room = settings.WORKER_CONCURRENCY - len(self._taken) - FairSlots(settings.WORKER_CONCURRENCY).reserved
        if room <= 0:
            return self._pop_for_few(ordered)
        keys = {queue.key: queue for queue in ordered}
        seconds = MOMENT if timeout is None else min(timeout, SLOT_WAIT_SECONDS)
        popped: Any = self.connection.blpop(list(keys), timeout=seconds)
        if popped is None:
            return None
        queue, ids = keys[popped[0].decode()], [popped[1]]
        if (further := min(room, MOST_AT_ONCE) - 1) > 0:
            more: Any = self.connection.lpop(queue.key, further)
            ids += more or []
        if self._pressure.high:  # they came long after the look at memory and CPU
            self.connection.lpush(queue.key, *reversed(ids))
            return None
        popped_jobs = [self._job(job_id.decode(), queue) for job_id in ids]
        ours = [job for job in popped_jobs if rq_queues.is_of_execution(job.id) or jobs.work_of(job.id)]
        if len(ours) < len(popped_jobs):
            fields = {"queue": queue.name, "count": len(popped_jobs) - len(ours)}
            logger.error("jobs of unknown kinds dropped from the queue", extra=fields)
        return (queue, ours) if ours else None

    def _pop_for_few(self, queues: list[Queue]) -> tuple[Queue, list[Job]] | None:
        """Take jobs of workspaces that hold few slots of this worker, at any position in a queue."""
        slots = FairSlots(settings.WORKER_CONCURRENCY)
        for taken in list(self._taken.values()):
            slots.take(taken.workspace_id)
        for each in queues:
            listed: Any = self.connection.lrange(each.key, 0, LOOKED_THROUGH - 1)
            wanted = _for_few([job_id.decode() for job_id in listed], slots)
            with self.connection.pipeline(transaction=False) as pipeline:
                for job_id in wanted:
                    pipeline.lrem(each.key, 1, job_id)
                ours = [job_id for job_id, removed in zip(wanted, pipeline.execute(), strict=True) if removed]
            if ours:
                return each, [self._job(job_id, each) for job_id in ours]
        self._freed.clear()
        self._freed.wait(FEW_LOOK_SECONDS)
        return None

    def _job(self, job_id: str, queue: Queue) -> Job:
        """Return the job without reading its record: what it says is known."""
        job = Job(job_id, connection=self.connection, serializer=self.serializer)
        job.origin, job.timeout, job.result_ttl = queue.name, -1, 0
        return job

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Put the jobs on RQ's books, have them claimed, and return at once."""
        dequeued, self._dequeued = self._dequeued, []
        while True:
            try:
                taken = self._book(dequeued, queue)
                break
            except RedisError as error:
                _warn_of_retry("jobs not registered in Redis", error, len(dequeued))
                self._state = WorkerStatus.IDLE  # no other status was reported
                time.sleep(RETRY_SECONDS)
        for one in taken:
            self.executions[one.execution.id] = one.execution
            self._taken[one.execution.id] = one
            if (work := jobs.work_of(one.job.id)) is None:
                self._claims.put(one)
            else:
                threading.Thread(target=self._do, args=(one, work), name=one.job.id, daemon=True).start()

    def _book(self, dequeued: list[Job], queue: Queue) -> list[ClaimedJob]:
        """Put the jobs on RQ's books in one round trip."""
        taken = []
        with self.connection.pipeline() as pipeline:
            for each in dequeued:
                ttl = self.get_heartbeat_ttl(each)
                execution = RQExecution.create(each, ttl, pipeline=pipeline, worker_name=self.name)
                each.heartbeat(now(), ttl, pipeline=pipeline)
                each.prepare_for_execution(self.name, pipeline=pipeline)
                pipeline.persist(each.key)
                taken.append(ClaimedJob(each, queue, execution))
            self.set_state(WorkerStatus.BUSY, pipeline=pipeline)
            pipeline.execute()
        return taken

    def _do(self, taken: ClaimedJob, work: Callable[[threading.Event], None]) -> None:
        """Do other work than an execution."""
        try:
            work(self._stopping)
        except Exception as error:
            logger.exception("job failed", extra={"job_id": taken.job.id, "queue": taken.queue.name})
            taken.error = error
        connection.close()
        self._finishes.put(taken)

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Tell that the worker lives: RQ asks for it several times a job, once in some seconds is enough."""
        if pipeline is None and time.monotonic() - self._beaten_at < HEARTBEAT_SECONDS:
            return
        self._beaten_at = time.monotonic()
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
            return
        with _outliving_redis("heartbeat of the worker"):
            super().heartbeat(timeout)

    def _report_starving(self, starving: bool) -> None:
        """Tell readiness whether turns come late here. From the thread that watches memory and CPU."""
        said, at = self._reported
        if starving is said and time.monotonic() - at < REPORT_SECONDS:
            return
        with _outliving_redis("report of late turns"):
            self.connection.hset(self.key, STARVING_FIELD, worker_name() if starving else "")
            self._reported = starving, time.monotonic()

    def run_maintenance_tasks(self) -> None:
        """Do what RQ does now and then."""
        with _outliving_redis("maintenance of the queues"):
            super().run_maintenance_tasks()

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """Busy is who has an execution, whatever the main loop is about to do."""
        state = WorkerStatus.BUSY if self.executions and state == WorkerStatus.IDLE else state
        if state != self._state:
            super().set_state(state, pipeline)

    def check_for_suspension(self, burst: bool) -> None:
        """Wait while workers are suspended."""
        if time.monotonic() - self._looked_at >= SUSPENSION_LOOK_SECONDS:
            while True:
                try:
                    super().check_for_suspension(burst)
                    break
                except RedisError as error:  # a suspended worker takes no later jobs either
                    _warn_of_retry("no jobs taken: suspension of workers not readable", error)
                    time.sleep(RETRY_SECONDS)
            self._looked_at = time.monotonic()

    def procline(self, message: str) -> None:
        """Leave the process's title alone: it would change with every job."""

    # --- claims and ends, in batches -------------------------------------------------------------------------------

    def _claim(self, batch: Sequence[ClaimedJob]) -> None:
        claimed = {
            found.execution.pk: found
            for found in recorder().claim([taken.execution_id for taken in batch], worker_name()).result()
        }
        for taken in batch:
            found = claimed.pop(taken.execution_id, None)
            if found is None:  # it has ended, waits, or another worker holds it
                self._finishes.put(taken)
                continue
            taken.workspace_id = found.execution.workspace_id
            with execution_logging(found.execution):
                ExecutionActor(driver(), found, definition(found.execution.version_id), self._on_closed(taken)).start()

    def _on_closed(self, taken: ClaimedJob) -> Callable[[ExecutionActor], None]:
        def on_closed(actor: ExecutionActor) -> None:
            taken.error = actor.error
            self._finishes.put(taken)

        return on_closed

    def _finish(self, batch: Sequence[ClaimedJob]) -> None:
        """Remove jobs from RQ's registries, as `handle_job_success` does for a job without a result."""
        with self.connection.pipeline() as pipeline:
            for taken in batch:
                if taken.error is None:
                    self._forget(taken, pipeline)
            pipeline.execute()
        for taken in batch:
            if (error := taken.error) is not None:
                self._finalize_failure(
                    taken.job, taken.queue, taken.execution, (type(error), error, error.__traceback__)
                )
            self.executions.pop(taken.execution.id, None)
            self._taken.pop(taken.execution.id, None)
        self._freed.set()
        if not self.executions:
            self.set_state(WorkerStatus.IDLE)

    def _forget(self, taken: ClaimedJob, pipeline: Pipeline) -> None:
        job, execution = taken.job, taken.execution
        job.ended_at = now()
        self.increment_successful_job_count(pipeline=pipeline)
        self.increment_total_working_time(job.ended_at - (job.started_at or job.ended_at), pipeline)
        job.started_job_registry.remove_execution(execution, pipeline=pipeline)
        pipeline.srem(execution.worker_executions_key, execution.composite_key)
        pipeline.delete(execution.key, job.execution_registry.key, job.key)

    def _keep_alive(self) -> None:
        """Keep the registries from taking long executions for abandoned."""
        while True:
            time.sleep(self.job_monitoring_interval / 2)
            for taken in list(self._taken.values()):
                try:
                    self.maintain_heartbeats(taken.job, taken.execution)
                except RedisError as error:
                    logger.warning("heartbeats of jobs not sent: %s; trying again with the next round", error)
                    break

    # --- stopping --------------------------------------------------------------------------------------------------

    def handle_payload(self, message: Any) -> None:
        """Take a command of RQ's: the one that stops a job names any of those that run here."""
        payload = parse_payload(message)
        if payload["command"] == "stop-job":
            for taken in list(self._taken.values()):
                if taken.job.id == payload.get("job_id"):
                    self.request_stop_execution(taken.execution.id)
        else:
            super().handle_payload(message)

    def request_stop_execution(self, execution_id: str) -> None:
        """RQ's stop command: cancel the execution."""
        taken = self._taken.get(execution_id)
        if taken is None or not rq_queues.is_of_execution(taken.job.id):
            self.log.warning("command to stop job %s ignored: it does not run here", execution_id)
            return
        found = Execution.objects.filter(pk=taken.execution_id).first()
        if found is not None:
            lifecycle.request_cancel(found, reason="Stopped through RQ.")
        connection.close()

    def _shutdown(self) -> None:
        """Take no more jobs, whatever runs: `teardown` sees to that."""
        self._stop_requested = True
        raise StopRequested

    def teardown(self) -> None:
        """Let what runs come to its end for WORKER_GRACE_SECONDS, hand the rest over, and say goodbye."""
        self._stopping.set()
        deadline = time.monotonic() + settings.WORKER_GRACE_SECONDS
        while self._taken and time.monotonic() < deadline:
            time.sleep(0.05)
        for actor in driver().actors():
            actor.stop()
        deadline = time.monotonic() + settings.WORKER_GRACE_SECONDS / 2
        while self._taken and time.monotonic() < deadline:
            time.sleep(0.05)
        super().teardown()


def _batch_thread(name: str, handle: Callable[[Sequence[ClaimedJob]], None]) -> BatchThread[ClaimedJob]:
    """Start a thread that calls `handle`, and calls it again while PostgreSQL or Redis is unavailable."""

    def flush(batch: Sequence[ClaimedJob]) -> None:
        while True:
            try:
                return handle(batch)
            except (DatabaseError, InterfaceError, RedisError) as error:
                _warn_of_retry(f"{name} not processed", error, len(batch))
                connection.close()
                time.sleep(RETRY_SECONDS)

    def failed(batch: Sequence[ClaimedJob], error: Exception) -> None:
        message = "%s given up; the scheduler queues their executions again"
        logger.error(message, name, exc_info=error, extra={"count": len(batch)})

    return BatchThread(name, flush, failed, idle=connection.close)


def _for_few(ids: list[str], slots: FairSlots) -> list[str]:
    """Return those of the jobs, in their order, whose workspaces may have a slot yet; other work may."""
    executions = {job_id: rq_queues.execution_of(job_id) for job_id in ids if rq_queues.is_of_execution(job_id)}
    found = Execution.objects.filter(pk__in=executions.values()).values_list("pk", "workspace_id")
    workspaces: dict[UUID, UUID] = dict(found) if executions else {}
    connection.close()
    chosen: list[str] = []
    for job_id in ids:
        if job_id not in executions and jobs.work_of(job_id) is None:
            continue  # unknown here: it is dropped when it is first in the queue
        workspace = workspaces.get(executions[job_id], job_id) if job_id in executions else job_id
        if len(chosen) < MOST_AT_ONCE and slots.may_take(workspace):
            slots.take(workspace)
            chosen.append(job_id)
    return chosen


def _warn_of_retry(what: str, error: Exception, count: int | None = None) -> None:
    fields = {"count": count, "retry_seconds": RETRY_SECONDS}
    logger.warning("%s: %s; retrying in %g s", what, error, RETRY_SECONDS, extra=fields)


@contextmanager
def _outliving_redis(what: str) -> Iterator[None]:
    """Keep the main loop, which RQ leaves for every error, running without Redis: executions are running."""
    try:
        yield
    except RedisError as error:
        logger.warning("%s skipped: Redis failed: %s", what, error)


def _end_process() -> None:
    """Stop as on SIGTERM; the supervisor starts another worker instead."""
    os.kill(os.getpid(), signal.SIGTERM)
