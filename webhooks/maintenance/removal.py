"""Endpoints, deliveries and inbound requests of a workspace that is deleted."""

from __future__ import annotations

from uuid import UUID

from webhooks.maintenance import cleanup
from webhooks.models import Delivery, Endpoint, InboundRequest
from webhooks.models.delivery import UNENDED
from workflow_platform.core.accounts.removal import RemovalSlice

CONTENTS = (Endpoint, Delivery, InboundRequest)


def remove(workspace_id: UUID) -> RemovalSlice:
    """Remove deliveries that have ended, with their attempts, and inbound requests."""
    deliveries = Delivery.objects.filter(workspace=workspace_id).order_by("pk")
    ended = deliveries.exclude(status__in=UNENDED).values_list("pk", flat=True)[: cleanup.BATCH]
    if cleanup.remove_deliveries(list(ended)):
        return RemovalSlice.MORE
    if deliveries.exists():
        return RemovalSlice.WAITING
    requests = InboundRequest.objects.filter(workspace=workspace_id).order_by("pk")
    return RemovalSlice.MORE if cleanup.remove_requests(requests) else RemovalSlice.DONE
