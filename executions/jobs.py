"""Entry points of RQ jobs."""

from __future__ import annotations


class WrongWorker(Exception):
    """Executions run in `executions.workers.worker.ExecutionWorker`, which claims them together: start that class of worker."""


def run_execution(execution_id: str) -> None:
    """Run an execution: what the job of an execution names. Only ExecutionWorker knows how; raises WrongWorker."""
    raise WrongWorker(WrongWorker.__doc__)
