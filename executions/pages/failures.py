"""Failures grouped by cause."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from executions.listing import MAX_GROUPS, failure_groups, visible_workspaces
from executions.pages.filters import ExecutionFilters
from workflow_platform.core.accounts.models import User
from workflow_platform.core.api.page_filters import page_query

USUAL_RANGE = "7d"


@login_required
def failures(request: HttpRequest) -> HttpResponse:
    """Group the failures that match the filters of the query: of the last seven days, unless it names a time."""
    user = cast(User, request.user)
    query = request.GET.copy()
    if "range" not in query:
        query["range"] = USUAL_RANGE
    filters = ExecutionFilters(query, user)
    criteria = filters.criteria()
    groups = failure_groups(visible_workspaces(user, criteria), criteria)
    context: dict[str, Any] = {
        "filters": filters,
        "groups": groups,
        "cut": groups is not None and len(groups) == MAX_GROUPS,
        "query": page_query(request, range=query["range"]) if query["range"] else page_query(request) + "&",
        "page_data": {},
    }
    return render(request, "executions/failures.html", context)
