"""Endpoints and deliveries of tests, made in this process."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from events import log
from events.log import NewEvent
from events.log.models import Stream
from events.log.recorded import RecordedEvent
from tests.recording import said
from webhooks.models import Delivery, DeliveryAttempt, Endpoint, EndpointRevision, Lane
from webhooks.secrets import SealedSecrets
from workflow_platform.core.accounts.models import Workspace


def make_workspace(slug: str = "tests") -> Workspace:
    """Return the workspace with this slug."""
    return Workspace.objects.get_or_create(slug=slug, defaults={"name": slug.title()})[0]


def make_endpoint(workspace: str = "tests", *event_types: str, **fields: Any) -> Endpoint:
    """Make an endpoint that wants to hear of these types; of all if none are given."""
    types = list(event_types or ["*"])
    endpoint = Endpoint.objects.create(
        workspace=make_workspace(workspace),
        name=f"Receiver {uuid4().hex[:6]}",
        event_types=types,
        sealed=SealedSecrets().sealed(),
        **{"url": "http://127.0.0.2:9/hook", **fields},
    )
    Lane.objects.create(id=endpoint.pk, workspace=endpoint.workspace, endpoint=endpoint)
    EndpointRevision.objects.create(
        endpoint=endpoint, listening=endpoint.active, event_types=types, workflow_id=endpoint.workflow_id
    )
    return endpoint


def append_to(
    stream: Stream, *types: str, workflow: UUID | None = None, execution: UUID | None = None
) -> list[RecordedEvent]:
    """Append an event of each type (`execution.log` or `execution.paused`), in one transaction."""
    data = {"execution.log": said("hello"), "execution.paused": {"reason": "tests"}}
    with transaction.atomic():
        return log.append([NewEvent(stream.pk, type_, data[type_], "tests", execution, workflow) for type_ in types])


def deliveries_of(endpoint: Endpoint) -> list[Delivery]:
    """Return an endpoint's deliveries, the oldest first."""
    return list(Delivery.objects.filter(endpoint=endpoint).order_by("pk"))


def end(deliveries: list[Delivery], status: str = "delivered", ago: timedelta = timedelta(), attempts: int = 1) -> None:
    """Have deliveries ended, with attempts."""
    for each in deliveries:
        ended = timezone.now() - ago
        Delivery.objects.filter(pk=each.pk).update(status=status, ended_at=ended, attempts_made=attempts)
        DeliveryAttempt.objects.bulk_create(
            DeliveryAttempt(
                workspace_id=each.workspace_id, delivery=each, endpoint_id=each.endpoint_id, number=number,
                outcome=status if number == attempts else "retry", started_at=ended, url="http://127.0.0.2/",
            )
            for number in range(1, attempts + 1)
        )  # fmt: skip
