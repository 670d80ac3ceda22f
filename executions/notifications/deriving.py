"""Writes the notifications of events: each fact once for each recipient, whatever is repeated."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from events.bus import RecordedEvent
from executions.models import Notification
from executions.notifications import facts, user_stream
from executions.notifications.email_times import due_at
from executions.notifications.facts import NotableFact
from executions.notifications.recipients import Audience, FactRecipient


@transaction.atomic
def derive(events: Sequence[RecordedEvent]) -> list[Notification]:
    """Write the notifications of events, in their order, and tell the pages of the recipients. Returns the new ones.

    Runs in the transaction that moves the position of the consumer, so that each event takes effect once. Events that
    were handled before, because an operator moved the position back, cause nothing.
    """
    found = facts.found_in(events)
    if not found:
        return []
    audience = Audience(found)
    rows = [_row(fact, recipient) for fact in found for recipient in audience.of(fact)]
    known = Notification.objects.filter(event_id__in={row.event_id for row in rows}, recipient__in={
        row.recipient_id for row in rows
    }).order_by()  # fmt: skip
    before = set(known.values_list("recipient_id", "event_id"))
    rows = [row for row in rows if (row.recipient_id, row.event_id) not in before]
    Notification.objects.bulk_create(rows)
    user_stream.announce([row for row in rows if row.in_page])
    return rows


def _row(fact: NotableFact, recipient: FactRecipient) -> Notification:
    return Notification(
        recipient_id=recipient.user_id,
        kind=fact.kind,
        workspace_id=fact.workspace_id,
        needs=fact.needs,
        event_id=fact.event_id,
        happened_at=fact.at,
        workflow_id=fact.workflow_id,
        execution_id=fact.execution_id,
        wait_id=fact.wait_id,
        endpoint_id=fact.endpoint_id,
        subject=fact.subject[:200],
        node=fact.node[:200],
        failures=fact.failures,
        in_page=recipient.in_page,
        email_due_at=due_at(recipient.email, recipient.time_zone, timezone.now()),
    )
