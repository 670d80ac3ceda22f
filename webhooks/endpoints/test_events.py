"""Test events for an endpoint: a sample event, or the newest recorded event of a type."""

from __future__ import annotations

import orjson
from django.utils import timezone

from events.history import history
from events.history.event_filter import EventFilter
from events.log.recorded import RecordedEvent, time_text
from webhooks import outbox
from webhooks.models import Delivery, Endpoint, Origin, Rank
from workflow_platform.core.accounts.models import User
from workflow_platform.core.identifiers import uuid7

TYPE = "webhook.test"
SOURCE = "webhooks.test"


class NothingRecorded(Exception):
    """The workspace has no recorded event of this type. Omit event_type to send a sample event."""


class NotSending(Exception):
    """The endpoint is paused or inactive; the message says which."""


def send(endpoint: Endpoint, by: User, event_type: str = "") -> Delivery:
    """Create a delivery of high priority: of a sample event, or of the newest recorded event of a type.

    Raises NothingRecorded, NotSending, UnknownEventType.
    """
    if not endpoint.active:
        raise NotSending("The endpoint is inactive. Enable it first.")
    if endpoint.paused_at is not None:
        raise NotSending("The endpoint is paused. Resume it first.")
    event = _newest(endpoint, event_type) if event_type else _sample(endpoint, by)
    (delivery,) = outbox.deliver_to(endpoint, [event], Origin.TEST, rank=Rank.HIGH)
    return delivery


def _newest(endpoint: Endpoint, event_type: str) -> RecordedEvent:
    event_filter = EventFilter(types=[event_type], workflow=endpoint.workflow_id, workspaces=[endpoint.workspace_id])
    events = history.read(event_filter, None, 1, newest_first=True).events
    if not events:
        raise NothingRecorded(NothingRecorded.__doc__)
    return events[0]


def _sample(endpoint: Endpoint, by: User) -> RecordedEvent:
    data = {"message": "A test event.", "endpoint": str(endpoint.pk), "asked_for_by": by.get_username()}
    return RecordedEvent(
        id=str(uuid7()),
        type=TYPE,
        source=SOURCE,
        time=time_text(timezone.now()),
        execution_id=None,
        workflow_id=None,
        stream=f"endpoint:{endpoint.pk}",
        stream_id=0,
        workspace_id=str(endpoint.workspace_id),
        sequence=1,
        feed_sequence=None,
        workflow_sequence=None,
        transaction=0,
        payload=orjson.dumps(data).decode(),
    )
