"""Workers that stand still for a while, so that what is queued stays queued for as long as a test looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import redis
from rq import Worker

from tests.conftest import Platform


@contextmanager
def frozen_workers(platform: Platform) -> Iterator[None]:
    """Stop every worker of the platform while the block runs (SIGSTOP).

    RQ's own suspension would not do: a worker that waits for a job takes the next one before it looks.
    """
    with redis.Redis.from_url(platform.environment["REDIS_URL"]) as client:
        known = [worker.pid for worker in Worker.all(connection=client)]
    processes = [psutil.Process(pid) for pid in known if pid and psutil.pid_exists(pid)]
    living = [process for process in processes if process.status() != psutil.STATUS_ZOMBIE]
    workers = [process for process in living if "rqworker" in process.cmdline()]
    assert workers, "No worker was found."
    with ExitStack() as stack:
        for worker in workers:
            stack.callback(worker.resume)
            worker.suspend()
        yield
