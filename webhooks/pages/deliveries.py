"""The list of deliveries, and the page of a delivery, which updates until the delivery has ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils import timezone

from events.catalogue.descriptions import families
from webhooks.explanation import why_pending
from webhooks.models import Delivery, DeliveryAttempt, DeliveryStatus, InboundRequest
from webhooks.models.delivery import UNENDED
from webhooks.pages.listing import LISTED, DeliveryFilters, deliveries_of
from webhooks.pages.waterfall import waterfall
from webhooks.validation import DELIVERED
from workflow_platform.core.accounts.models import Role, User, Workspace
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.workspace_choice import in_shown_workspace, offered
from workflow_platform.core.api.page_filters import page_query, uuid_or_none
from workflow_platform.core.outbound.addresses import shown_url

ATTEMPTS = 60
"""More than any retry policy allows. After repeated redeliveries, the latest attempts are shown."""
SOON = timedelta(minutes=1)
POLL_SOON, POLL_LATER = 1, 5
"""Seconds between two requests of the page: rarely while the next attempt is more than `SOON` away."""


@login_required
def deliveries(request: HttpRequest) -> HttpResponse:
    """List the deliveries that the caller may see, newest first, with filters in the URL; `before` pages back."""
    user = cast(User, request.user)
    filters = DeliveryFilters(request.GET, user)
    named = {"endpoint", "execution", "workflow"} & filters.chosen().keys()  # they are in one workspace
    matches = filters.filter(deliveries_of(user) if named else in_shown_workspace(deliveries_of(user), user))
    before = uuid_or_none(request.GET.get("before"))
    rows = list((matches.filter(pk__lt=before) if before else matches)[: LISTED + 1])
    shown = rows[:LISTED]
    editor_of = offered(user, Role.EDITOR)
    context = {
        "filters": filters,
        "filtered": bool(filters.chosen()),
        "deliveries": shown,
        "before": before,
        "older": page_query(request, before=shown[-1].pk) if len(rows) > LISTED else None,
        "newest": page_query(request),
        "can_send": bool(editor_of),
        "workspaces": editor_of,
        "families": families(DELIVERED),
        "list_data": {"question": filters.question(), "newest": before is None},
        "page_data": {"icons": static("icons.svg")},
    }
    return render(request, "webhooks/deliveries.html", context)


@login_required
def delivery(request: HttpRequest, delivery_id: UUID) -> HttpResponse:
    """Show a delivery: its cause, its status and its attempts."""
    return render(request, "webhooks/delivery.html", _context(request, delivery_id))


@login_required
def delivery_state(request: HttpRequest, delivery_id: UUID) -> HttpResponse:
    """Render the part of the page that changes until the delivery has ended."""
    return render(request, "webhooks/_delivery.html", _context(request, delivery_id))


def _context(request: HttpRequest, delivery_id: UUID) -> dict[str, Any]:
    user = cast(User, request.user)
    rows = Delivery.objects.select_related("endpoint", "workspace").defer("sealed", "endpoint__sealed")
    row = get_visible_or_404(rows, user, pk=delivery_id)
    attempts = list(DeliveryAttempt.objects.filter(delivery=row).order_by("-number")[:ATTEMPTS])
    slowest = max((attempt.total_ms or 0.0 for attempt in attempts), default=0.0)
    editor = Workspace.objects.visible_to(user, Role.EDITOR).filter(deliveries=row).exists()
    inbound = (
        InboundRequest.objects.visible_to(user).filter(execution_id=row.execution_id) if row.execution_id else None
    )
    return {
        "delivery": row,
        "url": shown_url(row.endpoint.url if row.endpoint else row.url),
        "ended": row.status not in UNENDED,
        "poll_seconds": _poll_seconds(row),
        "waits_for": why_pending(row),
        "node_run_query": "?" + urlencode({"node": row.node_id, "run": row.run_index or 0}),
        "events_query": "?" + urlencode(_event_filters(row)),
        "attempts": [{"row": each, "phases": waterfall(each, slowest)} for each in attempts],
        "inbound": inbound.order_by("id").defer("body").first() if inbound is not None else None,
        "may_cancel": editor and row.status in UNENDED and not row.cancel_requested,
        "may_redeliver": editor and row.status not in UNENDED and _has_receiver(row),
        "page_data": {"icons": static("icons.svg"), "id": str(row.pk)},
    }


def _event_filters(row: Delivery) -> dict[str, object]:
    execution = {"execution": row.execution_id} if row.execution_id else {}
    return execution | {"type": row.event_type}


def _poll_seconds(row: Delivery) -> int | None:
    """Return how often the page asks for changes; None when the delivery has ended."""
    if row.status not in UNENDED:
        return None
    waits = row.status == DeliveryStatus.PENDING and row.due_at > timezone.now() + SOON
    return POLL_LATER if waits else POLL_SOON


def _has_receiver(row: Delivery) -> bool:
    return row.endpoint_id is None or (row.endpoint is not None and row.endpoint.deleted_at is None)
