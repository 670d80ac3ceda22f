"""Test events: what an endpoint is sent when somebody wants to see it arrive."""

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
    """No event of this type is recorded in the workspace; without event_type a test event is made up."""


class NotSending(Exception):
    """The endpoint sends nothing now; the message says why."""


def send(endpoint: Endpoint, by: User, event_type: str = "") -> Delivery:
    """Have a test event delivered before all others: one that is made up, or the newest recorded one of a type.

    Raises NothingRecorded, NotSending, UnknownEventType.
    """
    if not endpoint.active:
        raise NotSending("The endpoint is inactive, and sends nothing: enable it first.")
    if endpoint.paused_at is not None:
        raise NotSending("The endpoint is paused, and sends nothing: resume it first.")
    event = _newest(endpoint, event_type) if event_type else _made_up(endpoint, by)
    (delivery,) = outbox.deliver_to(endpoint, [event], Origin.TEST, rank=Rank.HIGH)
    return delivery


def _newest(endpoint: Endpoint, event_type: str) -> RecordedEvent:
    wanted = EventFilter(types=[event_type], workflow=endpoint.workflow_id, workspaces=[endpoint.workspace_id])
    found = history.read(wanted, None, 1, newest_first=True).events
    if not found:
        raise NothingRecorded(NothingRecorded.__doc__)
    return found[0]


def _made_up(endpoint: Endpoint, by: User) -> RecordedEvent:
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
