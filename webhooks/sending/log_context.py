"""The fields of log lines about a delivery."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection

from webhooks.sending.claimed_delivery import ClaimedDelivery
from workflow_platform.core.logs import log_context

TraceLookup = Callable[[UUID], UUID | None]
"""Returns the trace id of an execution. None: it does not exist any more."""
_lookups: list[TraceLookup] = []


def find_traces_with(lookup: TraceLookup) -> None:
    """Register how the trace id of an execution is found."""
    _lookups[:] = [lookup]


class _TraceId:
    """The trace id of an execution, read when a line is written. Nothing else in these threads uses the database."""

    def __init__(self, execution_id: UUID) -> None:
        self._execution_id = execution_id

    def __str__(self) -> str:
        try:
            found = [lookup(self._execution_id) for lookup in _lookups]
        except (DatabaseError, InterfaceError):  # the line may be about the same trouble
            return ""
        finally:
            connection.close()
        return str(found[0] or "") if found else ""


def delivery_logging(claimed: ClaimedDelivery) -> log_context:
    """Add the ids of a delivery to every log line of the block, and those of the execution that it belongs to. For
    threads that hold no connection to the database."""
    execution_id = claimed.execution_id
    return log_context(
        delivery_id=claimed.id,
        endpoint_id=claimed.receiver.endpoint_id,
        workspace_id=claimed.receiver.workspace_id,
        attempt=claimed.attempts_made,
        execution_id=execution_id,
        workflow_id=claimed.workflow_id,
        trace_id=_TraceId(execution_id) if execution_id is not None else None,
    )
