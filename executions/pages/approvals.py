"""The page of approvals, and the count in the navigation."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from events import log
from events.catalogue.stream_names import FEED
from executions.models import Wait
from executions.waits import approvals
from executions.waits.approval_items import items_of
from workflow_platform.core.accounts.models import Role, User
from workflow_platform.core.accounts.workspace_choice import offered, shown_workspace
from workflow_platform.core.api.page_filters import uuid_or_none

LISTED = 50
MAX_COUNTED = 100
SHOWS = {"mine": _("For me"), "open": _("All open"), "decided": _("Decided")}
STATE_TEXTS = {
    "approved": _("approved"),
    "rejected": _("rejected"),
    "expired": _("expired"),
    "withdrawn": _("withdrawn"),
}


@login_required
def page(request: HttpRequest) -> HttpResponse:
    """List approvals: those for the caller, all open ones, or the decided ones; `before` pages back."""
    head = log.head(FEED)
    user = cast(User, request.user)
    show = request.GET.get("show", "mine")
    show = show if show in SHOWS else "mine"
    shown = _workspace(request, user)
    query = approvals.listed(user, show).select_related("execution__workspace").order_by("-id")
    elsewhere = approvals.listed(user, "mine").exclude(execution__workspace=shown)[:MAX_COUNTED].count() if shown else 0
    if shown is not None:
        query = query.filter(execution__workspace=shown)
    if (before := uuid_or_none(request.GET.get("before"))) is not None:
        query = query.filter(pk__lt=before)
    waits = list(query[: LISTED + 1])
    roles = approvals.roles_of(user)
    context = {
        "show": show,
        "shows": SHOWS.items(),
        "approvals": [_row(wait, user, roles) for wait in waits[:LISTED]],
        "before": before,
        "older": waits[LISTED - 1].pk if len(waits) > LISTED else None,
        "workspaces": offered(user, Role.VIEWER),
        "shown": shown,
        "elsewhere": elsewhere,
        "parameters": f"&{urlencode({'workspace': shown or ''})}" if "workspace" in request.GET else "",
        "page_data": {"head": head},
    }
    return render(request, "executions/approvals.html", context)


def _workspace(request: HttpRequest, user: User) -> UUID | None:
    """Return the workspace whose approvals are listed: that of the URL, else the one chosen in the navigation. None:
    all."""
    named = request.GET.get("workspace")
    return uuid_or_none(named) if named is not None else shown_workspace(user)


def count(request: HttpRequest) -> dict[str, Any]:
    """Give every page `approvals_count`, the open approvals for the caller in all workspaces; queried only where it is
    shown."""
    return {"approvals_count": SimpleLazyObject(lambda: _count(request.user))}


def _count(user: Any) -> str:
    if not user.is_authenticated:
        return ""
    number = Wait.objects.approvals().open().meant_for(user)[:MAX_COUNTED].count()
    return f"{MAX_COUNTED - 1}+" if number == MAX_COUNTED else str(number or "")


def _row(wait: Wait, user: User, roles: dict[Any, Any]) -> dict[str, Any]:
    state = approvals.state_of(wait)
    return {
        "wait": wait,
        "state": state,
        "state_text": STATE_TEXTS.get(state, state),
        "may_decide": state == "open" and approvals.may_decide(wait, user, roles),
        "data": items_of(wait) if state == "open" else None,
        "comment": (wait.outcome or {}).get("comment", ""),
    }
