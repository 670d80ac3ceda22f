"""The name under which service files and scripts of running installations start the worker's class."""

from executions.workers.worker import ExecutionWorker

__all__ = ["ExecutionWorker"]
