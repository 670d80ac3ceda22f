"""The Lane of an endpoint, as whoever changes the endpoint sees it. What sends keeps it up to date."""

from __future__ import annotations

from uuid import UUID

from webhooks.models import Endpoint, Lane


def open_lane(endpoint: Endpoint) -> Lane:
    """Make the lane of a new endpoint, in the transaction that makes the endpoint."""
    return Lane.objects.create(id=endpoint.pk, workspace_id=endpoint.workspace_id, endpoint=endpoint)


def reset_lane(endpoint_id: UUID) -> None:
    """Let it be tried again, slowly at first: one attempt at a time, the circuit breaker closed."""
    Lane.objects.filter(pk=endpoint_id).update(
        window=1, failures=0, failing_since=None, open_until=None, opened_times=0, not_before=None
    )
