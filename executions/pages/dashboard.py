"""The list of executions: filtered, sorted, in pages, and live."""

from __future__ import annotations

from contextlib import suppress
from typing import cast
from uuid import UUID

from babel.numbers import format_decimal
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from events import log
from events.catalogue.stream_names import FEED
from executions.listing import MAX_COUNTED, ListOrder, Position, count_up_to, matching, page_of, visible_workspaces
from executions.listing.attribute_keys import attribute_keys
from executions.listing.columns import ATTRIBUTE, LABELS, USUAL, columns_of
from executions.models import Execution, SavedView, Workflow
from executions.pages.filters import ExecutionFilters
from executions.pages.listing import activity, row_fields
from workflow_platform.core.accounts.models import Role, User, Workspace
from workflow_platform.core.api.page_filters import page_query, uuid_or_none

LISTED = 50
MOST_ROWS = 100
MOST_VIEWS = 200


@login_required
def dashboard(request: HttpRequest) -> HttpResponse:
    """List the executions that the caller may see, live, filtered by the query; `before` pages on."""
    head = log.head(FEED)  # before the rows: an event that is committed in between is sent again
    user = cast(User, request.user)
    filters = ExecutionFilters(request.GET, user)
    sort, at = filters.sort_order(), None
    with suppress(ValueError):  # as with other values that make no sense
        at = Position.parse(request.GET.get("before", ""), sort)
    criteria = filters.criteria()
    workspaces = visible_workspaces(user, criteria)
    columns, keys = filters.shown_columns(user), attribute_keys(workspaces)
    page = page_of(workspaces, criteria, row_fields(), sort=sort, limit=LISTED, at=at)
    context = {
        "filters": filters,
        "filtered": filters.narrowed,
        "executions": page.rows,
        "columns": columns,
        "all_columns": columns_of([*LABELS, *(column.name for column in columns), *(ATTRIBUTE + key for key in keys)]),
        "attribute_keys": keys,
        "several_workspaces": len(workspaces) > 1,
        "views": SavedView.objects.readable_by(user).select_related("owner", "workspace")[:MOST_VIEWS],
        "before": at is not None,
        "older": page_query(request, before=page.last.text()) if page.after and page.last else None,
        "newest": page_query(request),
        "activity": activity(user, workspaces=workspaces),
        "can_run": Workspace.objects.visible_to(user, Role.EDITOR).exists(),
        "has_workflows": Workflow.objects.visible_to(user).filter(deleted_at__isnull=True).exists(),
        "list_data": {
            "stream": FEED,
            "head": head,
            "attributes": criteria.attribute,
            "grows": at is None and sort == ListOrder.named("-queued"),
        },
        "page_data": {},
    }
    return render(request, "executions/dashboard.html", context)


@login_required
def rows(request: HttpRequest) -> HttpResponse:
    """The rows of the executions `ids` and the counters, for a live list, and which of the ids `new` match.

    HTMX replaces the rows. Those that do not match any more stay where they are, so that no row moves.
    """
    user = cast(User, request.user)
    filters = ExecutionFilters(request.GET, user)
    listed, new = _ids(request, "ids"), _ids(request, "new")
    criteria = filters.criteria()
    workspaces = visible_workspaces(user, criteria)
    among = matching(workspaces, criteria.model_copy(update={"ids": [*listed, *new]})) if listed or new else None
    found = set(among.values_list("pk", flat=True)) if among is not None else set()
    in_workflow = "in_workflow" in request.GET
    context = {
        "executions": row_fields().filter(pk__in=listed, workspace__in=workspaces).order_by("-id"),
        "columns": columns_of(USUAL) if in_workflow else filters.shown_columns(user),
        "matching": found,
        "new": [pk for pk in new if pk in found],
        "several_workspaces": len(workspaces) > 1,
        "activity": None if in_workflow else activity(user, workspaces=workspaces),
        "in_workflow": in_workflow,
        "selectable": not in_workflow and Workspace.objects.visible_to(user, Role.EDITOR).exists(),
        "oob": True,
    }
    return render(request, "executions/_update.html", context)


@login_required
def count(request: HttpRequest) -> HttpResponse:
    """How many executions match the filters of the query, for the head of the list."""
    user = cast(User, request.user)
    criteria = ExecutionFilters(request.GET, user).criteria()
    number = count_up_to(visible_workspaces(user, criteria), criteria)
    if number is None or number > MAX_COUNTED:
        most = format_decimal(MAX_COUNTED, locale=get_language() or "en")
        text = _("More than %(count)s executions") % {"count": most} if number else _("Many executions")
    else:
        text = ngettext("%(count)s execution", "%(count)s executions", number)
        text %= {"count": format_decimal(number, locale=get_language() or "en")}
    return HttpResponse(text, content_type="text/plain")


def _ids(request: HttpRequest, name: str) -> list[UUID]:
    texts = request.GET.get(name, "").split(",")[:MOST_ROWS]
    return [pk for text in texts if (pk := uuid_or_none(text))]


def executions_of(workflow: Workflow, count: int) -> list[Execution]:
    """Return the newest executions of a workflow, with the fields of a row."""
    return list(row_fields().filter(workflow=workflow).order_by("-id")[:count])
