"""The fields of all log lines of a request or an execution, in context variables.

asyncio tasks and asgiref's threads inherit the context. Threads of the standard library start without one: a thread
that works on an execution enters `execution_logging` itself.
"""

from __future__ import annotations

import contextvars
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol

_fields: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar("log_fields", default={})  # noqa: B039
_process_fields: dict[str, Any] = {}


class LoggedExecution(Protocol):
    """The fields of a log line about an execution."""

    @property
    def pk(self) -> Any: ...

    @property
    def workflow_id(self) -> Any: ...

    @property
    def workspace_id(self) -> Any: ...

    @property
    def trace_id(self) -> Any: ...


class log_context:
    """Add fields to every log line of the block. Names are those of FIELDS; values are written with `str`."""

    __slots__ = ("_added", "_token")

    def __init__(self, **added: Any) -> None:
        self._added = added

    def __enter__(self) -> None:
        self._token = _fields.set({**_fields.get(), **self._added})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _fields.reset(self._token)


def execution_logging(execution: LoggedExecution, **added: Any) -> log_context:
    """Add the ids of an execution and its trace id to every log line of the block, and further fields such as `node`.

    Cheap enough for every turn of an execution: values are turned into text only when a line is written.
    """
    return log_context(
        execution_id=execution.pk,
        workflow_id=execution.workflow_id,
        workspace_id=execution.workspace_id,
        trace_id=execution.trace_id,
        **added,
    )


def without_log_context() -> contextvars.Context:
    """Return an empty context, for an asyncio task that outlives the request that happens to start it."""
    return contextvars.Context()


def set_process_fields(component: str, **added: Any) -> None:
    """Set the fields of every JSON line of this process, such as `worker`."""
    _process_fields.clear()
    _process_fields.update(component=component, **added)


def context_fields() -> Mapping[str, Any]:
    """Return the fields of the current context."""
    return _fields.get()


def process_fields() -> dict[str, Any]:
    """Return the fields of this process."""
    return {"pid": os.getpid(), **_process_fields}
