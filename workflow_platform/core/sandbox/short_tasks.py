"""Short requests of web processes to a sandbox process, with a limit for each workspace."""

from __future__ import annotations

from django.db import connection

from workflow_platform.core.sandbox.pool import sandbox
from workflow_platform.core.sandbox.task import Reply, Task
from workflow_platform.core.sandbox.turns import TooManyWaiting

MOST_WAITING = 16
"""The maximum number of waiting requests of one group, in addition to running ones."""
LONGEST_SECONDS = 20.0
"""The time limit of a request, including the wait for its turn."""
RETRY_AFTER_SECONDS = 2
_KILLED_FOR_TIME = "SIGPROF"


class SandboxUnavailable(Exception):
    """The request could not be processed now. `status` and `Retry-After` are for HTTP; the message is for the
    caller."""

    status = 503
    retry_after = RETRY_AFTER_SECONDS


class TooManyTasks(SandboxUnavailable):
    """The group has reached the limit of waiting requests."""

    status = 429


def run_short_task(task: Task, subject: str, *, group: str, seconds: float = LONGEST_SECONDS) -> Reply:
    """Run the task in a sandbox process of this process. `subject` ("The syntax check") begins the error messages.

    `group` is the workspace, or the user where there is none. Outside of a transaction, no database connection is
    held meanwhile. Returns a reply, with the failure `time`, `memory`, `output` or `lost` (the task ended its process)
    where the task is to blame. Raises SandboxUnavailable.
    """
    if not connection.in_atomic_block:
        connection.close()
    try:
        reply = sandbox().run(task, group=group, most_waiting=MOST_WAITING, within_seconds=seconds)
    except TooManyWaiting:
        message = f"{subject} was not started: {MOST_WAITING} requests of this workspace wait already. Try again later."
        raise TooManyTasks(message) from None
    if reply.failure == "lost" and _KILLED_FOR_TIME in reply.detail:
        reply.failure = "time"
    if reply.failure == "overdue":
        raise SandboxUnavailable(
            f"{subject} took longer than {seconds:g} s; the machine may be overloaded. Try again later."
        )
    if machine_failed(reply):
        raise SandboxUnavailable(f"{subject} failed: the process that ran it {reply.detail}. Try again.")
    return reply


def machine_failed(reply: Reply) -> bool:
    """Return whether the cause is the machine and not the task: no process, no time or no memory left, or a closed
    pool."""
    signals = ("could not be started", "was killed by SIGKILL", "was killed by SIGTERM")
    return reply.failure == "overdue" or (reply.failure == "lost" and reply.detail.startswith(signals))
