"""Database work for asynchronous code, on a few dedicated threads.

Django runs all thread-sensitive code in one thread of the process, where a page of history for one client would wait
for the requests of all others.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from django.db import connection

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 4
KEPT_SECONDS = 0.05
"""A connection that was idle for longer may be dead; the pool returns a checked one."""
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="database")


class _Thread(threading.local):
    used_at = 0.0
    """When the thread last used its connection."""


_thread = _Thread()


async def in_database(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work` in a thread and return its result. The connection returns to the pool, unless other work waits for a
    thread."""

    def run() -> T:
        if time.monotonic() - _thread.used_at > KEPT_SECONDS:
            connection.close()
        failed = True
        try:
            result = work(*args, **kwargs)
            failed = False
            return result
        finally:
            _thread.used_at = time.monotonic()
            if failed or _threads._work_queue.empty():
                connection.close()

    # In the caller's context, so that log lines name its request.
    return await asyncio.get_running_loop().run_in_executor(_threads, copy_context().run, run)
