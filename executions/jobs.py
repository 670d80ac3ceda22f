"""Entry points of RQ jobs."""

from __future__ import annotations

from uuid import UUID

from executions.engine import runner


def run_execution(execution_id: str) -> None:
    """Claim the execution and run it to its end, to a wait, or until its lease is lost."""
    runner.run(UUID(execution_id))
