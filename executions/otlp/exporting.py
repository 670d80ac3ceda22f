"""Puts spans into deliveries for the collector, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from events.log.recorded import RecordedEvent
from executions.otlp import delivery_spans
from executions.otlp.building import spans_of
from executions.otlp.spans import TraceSpan, requests_of
from webhooks import outbox
from workflow_platform.core.telemetry import exporting

MOST_ATTEMPTS = 300
"""Attempts of deliveries whose spans are made in one transaction."""


def export_events(events: Sequence[RecordedEvent]) -> None:
    """Create deliveries of the spans that these events complete: the handler of the durable consumer."""
    deliver_spans(spans_of(events))


@transaction.atomic
def export_attempts() -> int:
    """Create deliveries of the spans of webhook attempts that are due. Returns how many attempts there were."""
    attempts = delivery_spans.due(MOST_ATTEMPTS)
    if attempts:
        deliver_spans(delivery_spans.spans_of_attempts(attempts))
        delivery_spans.mark(attempts)
    return len(attempts)


def deliver_spans(spans: Sequence[TraceSpan]) -> None:
    """Create deliveries of spans."""
    if spans:
        outbox.create_for_collector(list(requests_of(spans, exporting.resource())))
