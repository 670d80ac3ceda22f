"""Spans of what happened earlier: the same ones, with the same ids, as were or would have been exported at the time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from events.catalogue.event_types import TERMINAL
from events.history import history
from events.history.event_filter import EventFilter
from executions.otlp import delivery_spans
from executions.otlp.building import TYPES, spans_of
from executions.otlp.spans import TraceSpan

AT_ONCE = 500
"""Events whose spans are made together."""


def earlier_spans(**which: Any) -> Iterator[list[TraceSpan]]:
    """Yield the spans of events, in pages. `which` are fields of EventFilter: `since`, `until`, `workflow`,
    `execution`. The deliveries of an execution come with its end."""
    events = history.walk(EventFilter(types=TYPES, workspaces=None, **which))
    while page := list(islice(events, AT_ONCE)):
        ended = {event.execution_id for event in page if event.type in TERMINAL and event.execution_id}
        attempts = delivery_spans.of_executions(ended)
        yield [*spans_of(page), *delivery_spans.spans_of_attempts(attempts)]
