"""Replays of events to an endpoint that is named by its id: each event becomes a delivery when it is due."""

from __future__ import annotations

from uuid import UUID

from events.log.recorded import RecordedEvent
from events.replay.receivers import Gone, Receiver
from webhooks import outbox
from webhooks.models import Endpoint, Origin
from workflow_platform.core.accounts.models import Role, User
from workflow_platform.core.outbound.addresses import shown_url


class Endpoints:
    """What replays are told of endpoints (`events.replay.receivers.Receivers`)."""

    def find(self, receiver_id: UUID, user: User | None) -> Receiver | None:
        """Return the endpoint as a receiver, if the user is an editor there."""
        rows = Endpoint.objects.filter(pk=receiver_id, deleted_at=None)
        row = (rows if user is None else rows.visible_to(user, Role.EDITOR)).first()
        return None if row is None else Receiver(row.pk, row.workspace_id, shown_url(row.url))

    def give(self, receiver_id: UUID, event: RecordedEvent) -> None:
        """Make a delivery of the event. Raises Gone."""
        endpoint = Endpoint.objects.filter(pk=receiver_id, deleted_at=None).first()
        if endpoint is None:
            raise Gone("The endpoint was deleted.")
        outbox.deliver_to(endpoint, [event], Origin.REPLAY)
