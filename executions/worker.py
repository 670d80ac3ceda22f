"""The RQ worker class: many executions at a time in one process, each in a thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from rq.executions import Execution as RQExecution
from rq.job import Job
from rq.queue import Queue
from rq.timeouts import TimerDeathPenalty
from rq.worker import BaseWorker, WorkerStatus

SLOT_WAIT_SECONDS = 10.0


class ExecutionWorker(BaseWorker):
    """Takes a job only when it has a free slot of WORKER_CONCURRENCY, so that jobs wait where others see them."""

    death_penalty_class = TimerDeathPenalty
    job_monitoring_interval = 30

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.log_job_description = False
        self.log_result_lifespan = False
        self._slots = threading.BoundedSemaphore(settings.WORKER_CONCURRENCY)
        self._threads = ThreadPoolExecutor(settings.WORKER_CONCURRENCY, thread_name_prefix="execution")

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Wait for a free slot, then for a job."""
        while not self._slots.acquire(timeout=SLOT_WAIT_SECONDS):
            self.heartbeat()
        taken = None
        try:
            taken = super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
        finally:
            if taken is None:
                self._slots.release()
        return taken

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Start the job in a thread and return at once."""
        execution = self.prepare_execution(job)
        self._threads.submit(self._perform, job, queue, execution)

    def _perform(self, job: Job, queue: Queue, execution: RQExecution) -> None:
        try:
            self.perform_job(job, queue, execution)
        except Exception:
            self.log.exception("job %s ended badly", job.id)
        finally:
            self.executions.pop(execution.id, None)
            if not self.executions:
                self.set_state(WorkerStatus.IDLE)
            self._slots.release()

    def teardown(self) -> None:
        """Let what runs come to its end before the worker says goodbye (SIGTERM drains; a second one does not wait)."""
        self._threads.shutdown(wait=True)
        super().teardown()
