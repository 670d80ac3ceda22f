"""The reconciliation page of all endpoints, and its part on the page of one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import cast

from django.contrib.auth.decorators import login_required
from django.db.models import F, Max, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static

from webhooks.models import Endpoint, HourCount, Violation
from workflow_platform.core.accounts.models import Role, User, Workspace
from workflow_platform.core.accounts.workspace_choice import in_shown_workspace
from workflow_platform.core.api.page_filters import page_query, uuid_or_none

HOURS_LISTED = 100
VIOLATIONS = 100
_SUMMED = ("due", "delivered", "pending", "failed", "cancelled", "violations")
_MATCHES = Q(violations=0, due=F("delivered") + F("pending") + F("failed") + F("cancelled"))


@login_required
def reconciliation(request: HttpRequest) -> HttpResponse:
    """Show, per endpoint and hour, the events due and their deliveries; `before` pages back."""
    user = cast(User, request.user)
    endpoints: QuerySet[Endpoint] = Endpoint.objects.visible_to(user)
    if "endpoint" not in request.GET:
        endpoints = in_shown_workspace(endpoints, user)
    counts = hours().filter(endpoint__in=endpoints)
    endpoint_id = uuid_or_none(request.GET.get("endpoint"))
    chosen = endpoints.filter(pk=endpoint_id).first() if endpoint_id else None
    if chosen:
        counts = counts.filter(endpoint=chosen)
    listed = Violation.objects.filter(endpoint__in=endpoints.filter(pk=chosen.pk) if chosen else endpoints)
    only = request.GET.get("only") == "violations"
    shown = counts.filter(~_MATCHES) if only else counts
    before = _position(request.GET.get("before"))
    if before:
        hour, pk = before
        shown = shown.filter(Q(hour__lt=hour) | Q(hour=hour, pk__lt=pk))
    rows = list(shown.order_by("-hour", "-pk")[: HOURS_LISTED + 1])
    last = rows[HOURS_LISTED - 1] if len(rows) > HOURS_LISTED else None
    context = {
        "rows": rows[:HOURS_LISTED],
        "sums": counts.aggregate(*(Sum(name) for name in _SUMMED), checked=Max("checked_at"))
        | {"broken": counts.filter(~_MATCHES).count()},
        "violations": violations(listed),
        "senders": {each.pk for each in Workspace.objects.visible_to(user, Role.EDITOR)},
        "endpoints": endpoints.order_by("name").values_list("pk", "name"),
        "chosen": chosen,
        "only": only,
        "before": before,
        "newest": page_query(request),
        "older": page_query(request, before=f"{last.hour.timestamp():.0f}.{last.pk}") if last else None,
        "page_data": {"icons": static("icons.svg")},
    }
    return render(request, "webhooks/reconciliation.html", context)


def hours() -> QuerySet[HourCount]:
    """Return the counts of hours, each with `held`: whether its counts match."""
    return HourCount.objects.select_related("endpoint").annotate(held=_MATCHES)


def violations(rows: QuerySet[Violation]) -> Iterable[Violation]:
    """Return the newest violations."""
    return rows.select_related("endpoint").order_by("-id")[:VIOLATIONS]


def _position(text: str | None) -> tuple[datetime, int] | None:
    """Return the hour and id in the parameter `before`."""
    seconds, _, pk = (text or "").partition(".")
    if not (seconds.isdecimal() and pk.isdecimal() and len(seconds) < 12 and len(pk) < 19):
        return None
    return datetime.fromtimestamp(int(seconds), UTC), int(pk)
