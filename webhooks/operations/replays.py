"""Deliveries for replays of events: to an endpoint by its id, or to any URL (the port `events.replay.receivers`)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from events.log.recorded import RecordedEvent
from events.replay import sending as replay_sending
from events.replay.receivers import CannotDeliver, DeliveryProgress, EndpointTarget, UrlMessage
from events.replay.url_target import signing_key
from webhooks import outbox, signing
from webhooks.models import Delivery, DeliveryStatus, Endpoint, Origin
from webhooks.models.delivery import UNENDED
from webhooks.outbox import AdHoc, BadAdHoc, create_ad_hoc
from webhooks.retry_schedule import RetryPolicy
from webhooks.sending.sender import sender
from workflow_platform.core.accounts.models import Role, User
from workflow_platform.core.outbound.addresses import shown_url

RETRIES = RetryPolicy(
    preset="custom", max_attempts=5, initial_seconds=0.5, multiplier=2, max_seconds=60, retry_other_4xx=True
)
"""A replay keeps its order: an event that fails holds up the rest, so the attempts follow each other quickly."""


class ReplayDeliveries:
    """Implements `events.replay.receivers.DeliveryPort` with the outbox."""

    def find_endpoint(self, endpoint_id: UUID, user: User | None) -> EndpointTarget | None:
        """Return the endpoint if the user is an editor of its workspace."""
        rows = Endpoint.objects.filter(pk=endpoint_id, deleted_at=None)
        endpoint = (rows if user is None else rows.visible_to(user, Role.EDITOR)).first()
        return None if endpoint is None else EndpointTarget(endpoint.pk, endpoint.workspace_id, shown_url(endpoint.url))

    def deliver_to_endpoint(self, endpoint_id: UUID, event: RecordedEvent) -> None:
        """Write a delivery of the event. Raises CannotDeliver."""
        endpoint = Endpoint.objects.filter(pk=endpoint_id, deleted_at=None).first()
        if endpoint is None:
            raise CannotDeliver("The endpoint was deleted.")
        outbox.deliver_to(endpoint, [event], Origin.REPLAY)

    def deliver_to_url(self, message: UrlMessage) -> UUID:
        """Write an ad-hoc delivery in the event's workspace. Raises CannotDeliver."""
        try:
            (delivery,) = create_ad_hoc([_ad_hoc(message)])
        except BadAdHoc as error:
            raise CannotDeliver(str(error)) from None
        return delivery.pk

    def progress(self, delivery_id: UUID) -> DeliveryProgress | None:
        """Return the state of a delivery; None if it was removed."""
        names = ("status", "attempts_made", "attempts_before", "error")
        delivery = Delivery.objects.filter(pk=delivery_id).only(*names).first()
        if delivery is None:
            return None
        failed = delivery.attempts_made - delivery.attempts_before - (delivery.status == DeliveryStatus.SENDING)
        return DeliveryProgress(
            ended=delivery.status not in UNENDED,
            delivered=delivery.status == DeliveryStatus.DELIVERED,
            failed_attempts=max(0, failed),
            error=delivery.error,
        )

    def withdraw(self, delivery_id: UUID, reason: str) -> None:
        """Cancel the delivery if it has not ended."""
        outbox.cancel([delivery_id], reason)


def report_ends(ended: Sequence[Delivery]) -> None:
    """Advance the replays that wait for these deliveries."""
    if ids := [delivery.pk for delivery in ended if delivery.origin == Origin.REPLAY]:
        replay_sending.on_deliveries_ended(ids)
        sender().wake()  # in a worker, the next delivery is claimed without waiting for a job


def _ad_hoc(message: UrlMessage) -> AdHoc:
    event, target = message.event, message.target
    return AdHoc(
        workspace_id=UUID(event.workspace_id) if event.workspace_id else None,
        url=target.url,
        headers=target.headers,
        body=message.body,
        content_type=message.content_type,
        secret=signing.secret_of(signing_key(target.secret)) if target.secret else "",
        other_secrets=[target.secret] if target.secret else [],
        retry_policy=RETRIES,
        origin=Origin.REPLAY,
        execution_id=UUID(event.execution_id) if event.execution_id else None,
        workflow_id=UUID(event.workflow_id) if event.workflow_id else None,
        awaited=True,
        event=event,
        message_id=message.message_id,
        public_headers=message.headers,
    )
