"""Makes endpoints inactive that answer 410 or fail for too long."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from events.bus import RecordedEvent, system_events
from webhooks.models import Endpoint, EndpointRevision

SOURCE = "webhooks.endpoints"
_ENDPOINT = "endpoint "


@transaction.atomic
def disable(endpoint_id: UUID, reason: str) -> bool:
    """Make an endpoint inactive, and append `system.error` with the reason.

    Returns whether the endpoint was active. Its deliveries stay pending until it is enabled again.
    """
    endpoint = (
        Endpoint.objects.select_for_update(no_key=True).filter(pk=endpoint_id, active=True, deleted_at=None).first()
    )
    if endpoint is None:
        return False
    now = timezone.now()
    endpoint.active, endpoint.disabled_at, endpoint.disabled_reason = False, now, reason[:500]
    endpoint.save(update_fields=["active", "disabled_at", "disabled_reason", "updated_at"])
    EndpointRevision.objects.filter(endpoint=endpoint, ended_at=None).update(ended_at=now)
    EndpointRevision.objects.create(
        endpoint=endpoint, began_at=now, listening=False, event_types=endpoint.event_types,
        workflow_id=endpoint.workflow_id,
    )  # fmt: skip
    message = f"The endpoint {endpoint.name!r} was disabled. {reason}"
    system_events.emit("error", source=SOURCE, component=f"{_ENDPOINT}{endpoint.pk}", message=message[:500])
    return True


def disabled_endpoint(event: RecordedEvent) -> UUID | None:
    """Return the endpoint whose disabling `disable` recorded in the event; None for any other event."""
    if event.type != "system.error" or event.source != SOURCE:
        return None
    return UUID(event.data["component"].removeprefix(_ENDPOINT))
