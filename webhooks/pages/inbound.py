"""The log of requests to /hooks/, including rejected ones with the reason."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static

from webhooks.pages.listing import LISTED, InboundFilters, inbound_of
from workflow_platform.core.accounts.models import User
from workflow_platform.core.accounts.workspace_choice import shown_workspace
from workflow_platform.core.api.page_filters import page_query, uuid_or_none


@login_required
def inbound(request: HttpRequest) -> HttpResponse:
    """List the requests that the caller may see, newest first, with filters in the URL; `before` pages back."""
    filters = InboundFilters(request.GET)
    user = cast(User, request.user)
    matches = filters.filter(inbound_of(user)).defer("body", "headers", "query")
    if not {"execution", "workflow"} & filters.chosen().keys() and (workspace := shown_workspace(user)):
        matches = matches.filter(Q(workspace=workspace) | Q(workspace__isnull=True))
    before = uuid_or_none(request.GET.get("before"))
    rows = list((matches.filter(pk__lt=before) if before else matches)[: LISTED + 1])
    shown = rows[:LISTED]
    context = {
        "filters": filters,
        "filtered": bool(filters.chosen()),
        "requests": shown,
        "before": before,
        "older": page_query(request, before=shown[-1].pk) if len(rows) > LISTED else None,
        "newest": page_query(request),
        "list_data": {"newest": before is None},
        "page_data": {"icons": static("icons.svg")},
    }
    return render(request, "webhooks/inbound.html", context)


@login_required
def inbound_request(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Show a request, its answer with the reason, and the execution that it started."""
    row = inbound_of(cast(User, request.user)).filter(pk=request_id).first()
    if row is None:
        raise Http404
    return render(
        request, "webhooks/inbound_request.html", {"request_": row, "page_data": {"icons": static("icons.svg")}}
    )
