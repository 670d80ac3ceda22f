"""The task of a sandbox process, and its reply."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from workflow_platform.core.sandbox.frames import Part

WALL_GRACE_SECONDS = 10.0

Failure = Literal["", "time", "memory", "output", "overdue", "lost"]


class TaskCancelled(Exception):
    """The task was cancelled."""


@dataclass(frozen=True, slots=True)
class Task:
    """One call of a function in a sandbox process, with its limits."""

    function: str
    """`package.module:name` of a function of ours that takes a list of byte strings and returns one. It runs in the
    sandbox process, so its module must not import Django."""
    parts: Sequence[Part]
    cpu_seconds: float
    memory_bytes: int
    """The memory limit of the function, without its input and output."""
    output_bytes: int
    """The maximum size of the answer, over all parts."""

    @property
    def wall_seconds(self) -> float:
        """Return the seconds of wall clock after which the machine is considered overloaded."""
        return WALL_GRACE_SECONDS + 6 * self.cpu_seconds


@dataclass(slots=True)
class Reply:
    """The result of the function or the limit that it hit, and its CPU time and memory."""

    parts: list[bytes] = field(default_factory=list)
    failure: Failure = ""
    detail: str = ""
    """Of `lost`: how the process ended. Of `output`: how large the answer was."""
    cpu_ms: float = 0
    memory_bytes: int = 0

    @property
    def retryable(self) -> bool:
        """Return whether the cause is the machine and not the task."""
        return self.failure in {"overdue", "lost"}

    def explain(self, task: Task, subject: str) -> str:
        """Return the failure as a sentence about `subject` ("The code"): the limit that was hit."""
        match self.failure:
            case "time":
                return f"{subject} took longer than {task.cpu_seconds:g} s of CPU time."
            case "memory":
                return f"{subject} needs more than {task.memory_bytes // 2**20} MiB of memory."
            case "output":
                return f"{subject} returned {self.detail} bytes; at most {task.output_bytes} are allowed."
            case "overdue":
                seconds = math.ceil(task.wall_seconds)
                return f"{subject} had no result after {seconds} s; the machine may be overloaded."
            case _:
                return f"{subject}: the process that ran it {self.detail}; the run can be tried again."
