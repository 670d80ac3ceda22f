"""Entry points of RQ jobs."""

from __future__ import annotations


class WrongWorker(Exception):
    """Start workers with `--worker-class executions.worker.ExecutionWorker`; it claims executions in batches."""


def run_execution(execution_id: str) -> None:
    """Run an execution: what the job of an execution names. Only ExecutionWorker knows how; raises WrongWorker."""
    raise WrongWorker(WrongWorker.__doc__)
