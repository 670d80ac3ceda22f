"""Finds the trace of an execution, a delivery, an inbound request or an event."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404

from events.log.models import Event
from executions.models import Execution
from executions.traces.trace import Focus
from webhooks.models import Delivery, InboundRequest
from workflow_platform.core.accounts.shortcuts import get_visible_or_404


def focus_of(user: Any, kind: str, pk: UUID) -> Focus:
    """Return the focus of the trace. Raises Http404 if the object does not exist or the user may not see it."""
    if kind == "execution":
        return Focus(get_visible_or_404(Execution.objects.only("workspace_id"), user, pk=pk).workspace_id, pk)
    if kind == "delivery":
        delivery = get_visible_or_404(Delivery.objects.only("workspace_id", "execution_id"), user, pk=pk)
        if delivery.workspace_id is None:
            raise Http404
        return Focus(delivery.workspace_id, delivery.execution_id, delivery_id=pk)
    if kind == "inbound":
        request = get_visible_or_404(InboundRequest.objects.only("workspace_id", "execution_id"), user, pk=pk)
        if request.workspace_id is None:  # refused, without a workspace
            raise Http404
        return Focus(request.workspace_id, request.execution_id, inbound_id=pk)
    event = get_visible_or_404(Event.objects.only("workspace_id", "execution_id"), user, pk=pk)
    if event.workspace_id is None:
        raise Http404
    return Focus(event.workspace_id, event.execution_id, event_id=pk)
