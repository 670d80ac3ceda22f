"""The RQ worker class: runs many executions at a time in one process.

RQ's main loop takes jobs. Their executions are claimed in batches and run by the engine's driver, without a thread for
each; finished jobs are removed from RQ's registries in batches. Registrations and heartbeats are batched as well. Other
jobs (`workflow_platform.core.jobs`) each have a thread.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq.command import parse_payload
from rq.exceptions import StopRequested
from rq.job import Job
from rq.queue import Queue
from rq.timeouts import TimerDeathPenalty
from rq.worker import BaseWorker, WorkerStatus

from events.bus import system_events
from executions import instruments, lifecycle
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
from executions.workers.rq_books import Books, ClaimedJob
from workflow_platform.core import garbage_collection, jobs
from workflow_platform.core.batching import BatchThread
from workflow_platform.core.logs import execution_logging, log_uncaught_exceptions, set_process_fields
from workflow_platform.core.metrics import reporting
from workflow_platform.core.telemetry import sentry

logger = logging.getLogger(__name__)

SLOT_WAIT_SECONDS = 5.0
MOMENT = 0.01
MOST_AT_ONCE = 16
"""The most jobs that a worker takes at a time, so that other workers get jobs as well."""
HEARTBEAT_SECONDS = 5.0
SUSPENSION_LOOK_SECONDS = 0.5
RETRY_SECONDS = 1.0
PRESSURE_LOOK_SECONDS = 0.2
LOOKED_THROUGH = 1_000
"""The number of queued jobs that a worker searches for workspaces that may use its last free slots."""
FEW_LOOK_SECONDS = 0.2
BUSY_EXECUTIONS = 4
GATHER_SECONDS = 0.02
"""A worker that has so many executions gathers jobs for this time: those that begin together share their costs."""
REPORT_SECONDS = 5.0
"""How often a worker reports whether it is overloaded, if that has not changed."""
REVERSED_EVERY = 8
"""Every n-th time the worker reads its queues in reverse order, so that jobs of a high priority do not starve admitted
executions of a lower one."""

T = TypeVar("T")
Registration = tuple[ClaimedJob, Callable[[], None] | None]
"""A job to enter in RQ's registries, and what to call afterwards."""


class ExecutionWorker(BaseWorker):
    """Takes jobs only for free slots of WORKER_CONCURRENCY, so that other workers can take the rest."""

    death_penalty_class = TimerDeathPenalty
    job_monitoring_interval = 30

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.log_job_description = self.log_result_lifespan = False
        self._taken: dict[str, ClaimedJob] = {}
        self._actors: dict[UUID, ExecutionActor] = {}
        self._books = Books(self)
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
        garbage_collection.spare_long_lived_objects()
        heartbeats()  # before `nice`: the companion keeps its priority
        os.nice(settings.WORKER_NICE)  # web processes and supervision go first
        self._claims = _batch_thread("claims", self._claim)
        self._registrations = _batch_thread("registrations", self._register)
        self._finishes = _batch_thread("finishes", self._finish)
        threading.Thread(target=self._keep_alive, name="job heartbeats", daemon=True).start()
        self._pressure.start()
        self._measure()
        if not logger.isEnabledFor(logging.DEBUG):
            kwargs["logging_level"] = max(logging.WARNING, logger.getEffectiveLevel())  # RQ logs every job at INFO
        set_process_fields("worker", worker=worker_name())
        sentry.start("worker")
        log_uncaught_exceptions()
        system_events.started(f"worker {worker_name()}")
        try:
            return super().work(*args, **kwargs)
        finally:
            system_events.stopped(f"worker {worker_name()}")

    def _measure(self) -> None:
        """Report what this worker measures."""
        instruments.SLOTS.read_from(lambda: float(len(self._taken)), "busy")
        instruments.SLOTS.read_from(lambda: float(max(0, settings.WORKER_CONCURRENCY - len(self._taken))), "free")
        instruments.TURN_DELAY.read_from(lambda: self._pressure.delay.value / 1000)
        reporting.MEMORY.read_from(lambda: self._pressure.memory.value * 2**20, "worker")
        reporting.CPU.read_from(lambda: self._pressure.cpu_percent_of_one_core, "worker")
        reporting.start("worker")

    # --- RQ's main loop --------------------------------------------------------------------------------------------

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Wait for memory, CPU and a free slot, then take a job, and more jobs of the same queue if there are any.

        Returns the first of `_dequeued`; RQ passes it to `execute_job`.
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
                popped = self._pop(timeout) if self._has_free_slot() else None
            except (RedisError, DatabaseError, InterfaceError) as error:
                _warn_of_retry("jobs not taken from the queue", error)
                connection.close()
                time.sleep(RETRY_SECONDS)
                continue
            if popped is not None:
                queue, self._dequeued = popped
                return self._dequeued[0], queue
            if timeout is None or (max_idle_time and time.monotonic() - idle_since > max_idle_time):
                return None
            self.check_for_suspension(burst=False)

    def _has_free_slot(self) -> bool:
        """Wait up to SLOT_WAIT_SECONDS for a free slot. Returns whether there is one."""
        self._freed.clear()
        if len(self._taken) < settings.WORKER_CONCURRENCY:
            return True
        return self._freed.wait(SLOT_WAIT_SECONDS)

    def _pop(self, timeout: int | None) -> tuple[Queue, list[Job]] | None:
        """Take jobs from the first queue that has any; without `timeout`, without waiting. The last free slots are
        reserved for workspaces with few slots."""
        self._pops += 1
        ordered = self._ordered_queues[:: -1 if self._pops % REVERSED_EVERY == 0 else 1]
        room = settings.WORKER_CONCURRENCY - len(self._taken) - FairSlots(settings.WORKER_CONCURRENCY).reserved
        if room <= 0:
            return self._pop_for_few(ordered)
        keys = {queue.key: queue for queue in ordered}
        seconds = MOMENT if timeout is None else min(timeout, SLOT_WAIT_SECONDS)
        popped: Any = self.connection.blpop(list(keys), timeout=seconds)
        if popped is None:
            return None
        queue, ids = keys[popped[0].decode()], [popped[1]]
        if len(self._taken) >= BUSY_EXECUTIONS:
            time.sleep(GATHER_SECONDS)
        if (further := min(room, MOST_AT_ONCE) - 1) > 0:
            more: Any = self.connection.lpop(queue.key, further)
            ids += more or []
        if self._pressure.high:  # memory and CPU may have changed while it waited
            self.connection.lpush(queue.key, *reversed(ids))
            return None
        popped_jobs = [self._job(job_id.decode(), queue) for job_id in ids]
        ours = [job for job in popped_jobs if rq_queues.is_of_execution(job.id) or jobs.work_of(job.id)]
        if len(ours) < len(popped_jobs):
            fields = {"queue": queue.name, "count": len(popped_jobs) - len(ours)}
            logger.error("jobs of unknown kinds dropped from the queue", extra=fields)
        return (queue, ours) if ours else None

    def _pop_for_few(self, queues: list[Queue]) -> tuple[Queue, list[Job]] | None:
        """Take jobs of workspaces with few slots in this worker, from any position in a queue."""
        slots = FairSlots(settings.WORKER_CONCURRENCY)
        for claimed_job in list(self._taken.values()):
            slots.take(claimed_job.workspace_id)
        for each in queues:
            listed: Any = self.connection.lrange(each.key, 0, LOOKED_THROUGH - 1)
            chosen = _for_few([job_id.decode() for job_id in listed], slots)
            with self.connection.pipeline(transaction=False) as pipeline:
                for job_id in chosen:
                    pipeline.lrem(each.key, 1, job_id)
                ours = [job_id for job_id, removed in zip(chosen, pipeline.execute(), strict=True) if removed]
            if ours:
                return each, [self._job(job_id, each) for job_id in ours]
        self._freed.clear()
        self._freed.wait(FEW_LOOK_SECONDS)
        return None

    def _job(self, job_id: str, queue: Queue) -> Job:
        """Return the job without reading its record, whose content is known."""
        job = Job(job_id, connection=self.connection, serializer=self.serializer)
        job.origin, job.timeout, job.result_ttl = queue.name, -1, 0
        return job

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Tell RQ that the jobs have started, pass them on to be claimed, and return without waiting."""
        dequeued, self._dequeued = self._dequeued, []
        while True:
            try:
                claimed_jobs = self._start_jobs(dequeued, queue)
                break
            except RedisError as error:
                _warn_of_retry("start of jobs not recorded in Redis", error, len(dequeued))
                self._state = WorkerStatus.IDLE  # the busy state was not written
                time.sleep(RETRY_SECONDS)
        self._pressure.wake()
        for one in claimed_jobs:
            self.executions[one.execution.id] = one.execution
            self._taken[one.execution.id] = one
            if (work := jobs.work_of(one.job.id)) is None:
                self._claims.put(one)
            else:
                threading.Thread(target=self._run_job, args=(one, work), name=one.job.id, daemon=True).start()

    def _start_jobs(self, dequeued: list[Job], queue: Queue) -> list[ClaimedJob]:
        with self.connection.pipeline(transaction=False) as pipeline:
            claimed_jobs = self._books.start(dequeued, queue, pipeline)
            self.set_state(WorkerStatus.BUSY, pipeline=pipeline)
            pipeline.execute()
        if others := [each for each in claimed_jobs if not rq_queues.is_of_execution(each.job.id)]:
            self._books.register(others)
        return claimed_jobs

    def _run_job(self, claimed_job: ClaimedJob, work: Callable[[threading.Event], None]) -> None:
        """Run a job that is not an execution."""
        try:
            work(self._stopping)
        except Exception as error:
            logger.exception("job failed", extra={"job_id": claimed_job.job.id, "queue": claimed_job.queue.name})
            claimed_job.error = error
        connection.close()
        self._finishes.put(claimed_job)

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Send a heartbeat. RQ calls this several times per job; once per HEARTBEAT_SECONDS is enough."""
        if pipeline is None and time.monotonic() - self._beaten_at < HEARTBEAT_SECONDS:
            return
        self._beaten_at = time.monotonic()
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
            return
        with _outliving_redis("heartbeat of the worker"):
            super().heartbeat(timeout)

    def _report_starving(self, starving: bool) -> None:
        """Report to the readiness check whether turns are late. Called by the thread that measures memory and CPU."""
        reported, at = self._reported
        if starving is reported and time.monotonic() - at < REPORT_SECONDS:
            return
        with _outliving_redis("report of late turns"):
            self.connection.hset(self.key, STARVING_FIELD, worker_name() if starving else "")
            self._reported = starving, time.monotonic()

    def run_maintenance_tasks(self) -> None:
        """Run RQ's periodic maintenance."""
        with _outliving_redis("maintenance of the queues"):
            super().run_maintenance_tasks()

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """The worker is busy while it has executions, regardless of the main loop."""
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
                except RedisError as error:  # a suspended worker takes no jobs until this is readable
                    _warn_of_retry("no jobs taken: suspension of workers not readable", error)
                    time.sleep(RETRY_SECONDS)
            self._looked_at = time.monotonic()

    def procline(self, message: str) -> None:
        """Keep the process title: it would change with every job."""

    # --- claims and completed jobs, in batches ----------------------------------------------------------------------

    def _claim(self, batch: Sequence[ClaimedJob]) -> None:
        # A second job of an execution that begins here is removed: both would take the same lease.
        beginning = {pk for pk, actor in list(self._actors.items()) if actor.is_beginning}
        ids = [each.execution_id for each in batch if each.execution_id not in beginning]
        found = lifecycle.read_new(ids, worker_name())
        new = {each.execution.pk for each in found}
        if others := [execution_id for execution_id in ids if execution_id not in new]:
            found += recorder().claim(others, worker_name()).result()
        claimed = {each.execution.pk: each for each in found}
        for claimed_job in batch:
            claim = claimed.pop(claimed_job.execution_id, None)
            if claim is None:  # it has ended, waits, or another worker holds it
                self._finishes.put(claimed_job)
                continue
            claimed_job.workspace_id = claim.execution.workspace_id
            if not claim.begins:
                self._registrations.put((claimed_job, None))
            with execution_logging(claim.execution):
                actor = ExecutionActor(
                    driver(),
                    claim,
                    definition(claim.execution.version_id),
                    self._on_closed(claimed_job),
                    partial(self._register_then, claimed_job),
                )
                self._actors[claimed_job.execution_id] = actor
                actor.start()

    def _register_then(self, claimed_job: ClaimedJob, then: Callable[[], None]) -> None:
        self._registrations.put((claimed_job, then))

    def _register(self, batch: Sequence[Registration]) -> None:
        """Enter jobs that go on after their first turn in RQ's registries, then let them begin what has effects."""
        with _outliving_redis("registration of jobs"):
            self._books.register([claimed_job for claimed_job, _ in batch])
        for _, then in batch:
            if then is not None:
                then()

    def _on_closed(self, claimed_job: ClaimedJob) -> Callable[[ExecutionActor], None]:
        def on_closed(actor: ExecutionActor) -> None:
            claimed_job.error = actor.error
            if self._actors.get(claimed_job.execution_id) is actor:
                del self._actors[claimed_job.execution_id]
            self._finishes.put(claimed_job)

        return on_closed

    def _finish(self, batch: Sequence[ClaimedJob]) -> None:
        """Remove jobs that have ended."""
        self._books.forget([claimed_job for claimed_job in batch if claimed_job.error is None])
        for claimed_job in batch:
            if (error := claimed_job.error) is not None:
                claimed_job.registered = True  # from now on RQ has it among the failed ones
                self._finalize_failure(
                    claimed_job.job, claimed_job.queue, claimed_job.execution, (type(error), error, error.__traceback__)
                )
            self.executions.pop(claimed_job.execution.id, None)
            self._taken.pop(claimed_job.execution.id, None)
        self._freed.set()
        if not self.executions:
            self.set_state(WorkerStatus.IDLE)

    def _keep_alive(self) -> None:
        """Send the heartbeats of jobs, so that RQ does not treat long executions as abandoned."""
        while True:
            time.sleep(self.job_monitoring_interval / 2)
            for claimed_job in list(self._taken.values()):
                try:
                    self._books.register([claimed_job])  # if Redis was away before
                    self.maintain_heartbeats(claimed_job.job, claimed_job.execution)
                except RedisError as error:
                    logger.warning("heartbeats of jobs not sent: %s; trying again with the next round", error)
                    break

    # --- stopping --------------------------------------------------------------------------------------------------

    def handle_payload(self, message: Any) -> None:
        """Handle a command of RQ. The stop command names a job of this worker."""
        payload = parse_payload(message)
        if payload["command"] == "stop-job":
            for claimed_job in list(self._taken.values()):
                if claimed_job.job.id == payload.get("job_id"):
                    self.request_stop_execution(claimed_job.execution.id)
        else:
            super().handle_payload(message)

    def request_stop_execution(self, execution_id: str) -> None:
        """Cancel the execution for RQ's stop command."""
        claimed_job = self._taken.get(execution_id)
        if claimed_job is None or not rq_queues.is_of_execution(claimed_job.job.id):
            self.log.warning("command to stop job %s ignored: it does not run here", execution_id)
            return
        execution = Execution.objects.filter(pk=claimed_job.execution_id).first()
        if execution is not None:
            lifecycle.request_cancel(execution, reason="Stopped through RQ.")
        connection.close()

    def _shutdown(self) -> None:
        """Take no more jobs. `teardown` ends the running ones."""
        self._stop_requested = True
        raise StopRequested

    def teardown(self) -> None:
        """Wait up to WORKER_GRACE_SECONDS for running executions, hand over the rest, and deregister the worker."""
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


def _close_connection() -> None:
    connection.close()  # that of the calling thread; the bound method would be that of the thread that starts


def _batch_thread(name: str, handle: Callable[[Sequence[T]], None]) -> BatchThread[T]:
    """Start a thread that calls `handle`, and calls it again while PostgreSQL or Redis is unavailable."""

    def flush(batch: Sequence[T]) -> None:
        while True:
            try:
                return handle(batch)
            except (DatabaseError, InterfaceError, RedisError) as error:
                _warn_of_retry(f"{name} not processed", error, len(batch))
                connection.close()
                time.sleep(RETRY_SECONDS)

    def failed(batch: Sequence[T], error: Exception) -> None:
        message = "%s given up; the scheduler queues their executions again"
        logger.error(message, name, exc_info=error, extra={"count": len(batch)})

    return BatchThread(name, flush, failed, idle=_close_connection)


def _for_few(ids: list[str], slots: FairSlots) -> list[str]:
    """Return the jobs, in their order, whose workspaces may have another slot. A job that is not an execution may."""
    executions = {job_id: rq_queues.execution_of(job_id) for job_id in ids if rq_queues.is_of_execution(job_id)}
    rows = Execution.objects.filter(pk__in=executions.values()).values_list("pk", "workspace_id")
    workspaces: dict[UUID, UUID] = dict(rows) if executions else {}
    connection.close()
    chosen: list[str] = []
    for job_id in ids:
        if job_id not in executions and jobs.work_of(job_id) is None:
            continue  # unknown kind: dropped when it is first in the queue
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
    """Keep the main loop running without Redis: RQ would leave it at any error, while executions run."""
    try:
        yield
    except RedisError as error:
        logger.warning("%s skipped: Redis failed: %s", what, error)


def _end_process() -> None:
    """Stop as on SIGTERM. The supervisor starts another worker."""
    os.kill(os.getpid(), signal.SIGTERM)
