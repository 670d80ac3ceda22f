"""The header `traceparent` of deliveries: the attempt is a span of the execution's trace.

Only while traces are exported. The lookup is registered by the app that knows executions; it runs once for all
deliveries that are claimed together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from uuid import UUID

from webhooks.models import Origin
from webhooks.sending.claimed_delivery import ClaimedDelivery
from workflow_platform.core.telemetry import exporting
from workflow_platform.core.telemetry.trace_context import TraceContext, delivery_attempt_span

ContextLookup = Callable[[Collection[UUID]], Mapping[UUID, TraceContext]]
"""Returns the contexts of executions, without those that do not exist."""
OF_TRACES = frozenset({Origin.EVENT.value, Origin.NODE.value})
"""The origins of deliveries that an execution caused; the others are no part of its trace."""
_lookups: list[ContextLookup] = []


def find_contexts_with(lookup: ContextLookup) -> None:
    """Register how the trace contexts of executions are found."""
    _lookups[:] = [lookup]


def set_traceparents(claimed: Sequence[ClaimedDelivery]) -> None:
    """Give each delivery of an execution the header of its attempt."""
    if not exporting.is_on():
        return
    ids = {each.execution_id for each in claimed if each.execution_id is not None and each.origin in OF_TRACES}
    contexts = _lookups[0](ids) if ids and _lookups else {}
    for each in claimed:
        if each.origin in OF_TRACES and (context := contexts.get(each.execution_id or each.id)) is not None:
            each.traceparent = exporting.outgoing(context, delivery_attempt_span(each.id, each.attempts_made))
