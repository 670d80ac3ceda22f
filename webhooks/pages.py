"""The pages of endpoints and of reconciliation. What is changed on them goes through the API."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import F, Max, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils import timezone

from events.descriptions import DESCRIPTIONS
from events.event_types import CATALOGUE
from webhooks import figures, policies
from webhooks.listing import deliveries_of, page_query, uuid_or_none
from webhooks.models import Endpoint, EndpointRevision, HourCount, Operation, Violation
from webhooks.models.endpoint import EndpointQuerySet
from webhooks.retry_schedule import RetryPolicy
from webhooks.standing import standing
from webhooks.transport import shown_url
from workflow_platform.accounts.models import Role, User, Workspace
from workflow_platform.accounts.shortcuts import get_visible_or_404

LISTED = 200
RECENT = 12
REVISIONS = 20
HOURS = 48
HOURS_LISTED = 100
VIOLATIONS = 100


@login_required
def endpoints(request: HttpRequest) -> HttpResponse:
    """List the endpoints that the caller may see, with how each did in the last 24 hours."""
    user = cast(User, request.user)
    found = list(_endpoints(user).order_by("name", "id")[:LISTED])
    ids = [row.pk for row in found]
    now, span = timezone.now(), figures.SPANS["24h"]
    done, waiting = figures.figures(ids, span, now), figures.pending(ids)
    admin_of, editor_of = _workspaces(user, Role.ADMIN), _workspaces(user, Role.EDITOR)
    admins, editors = {each.pk for each in admin_of}, {each.pk for each in editor_of}
    rows = [
        {
            "row": row,
            "url": shown_url(row.url),
            "standing": standing(row, getattr(row, "lane", None), now),
            "figures": done[row.pk],
            "sparkline": figures.sparkline(done[row.pk], span, now),
            "pending": waiting.get(row.pk, 0),
            "may_change": row.workspace_id in admins,
            "may_send": row.workspace_id in editors,
        }
        for row in found
    ]
    context = {
        "endpoints": rows,
        "workspaces": admin_of,
        "can_create": bool(admin_of),
        "can_send": bool(editors),
        "several_workspaces": Workspace.objects.visible_to(user).count() > 1,
        "families": families(),
        "page_data": form_data(),
    }
    return render(request, "webhooks/endpoints.html", context)


@login_required
def endpoint(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    """Show one endpoint: how it does, what it is, what it wanted when, and whether its sums hold."""
    user = cast(User, request.user)
    row = get_visible_or_404(_endpoints(user), user, pk=endpoint_id)
    name = request.GET.get("range", "24h")
    span = figures.SPANS.get(name) or figures.SPANS["24h"]
    now = timezone.now()
    found = figures.figures([row.pk], span, now)[row.pk]
    may_send = _may(user, row, Role.EDITOR)
    context = {
        "endpoint": row,
        "url": shown_url(row.url),
        "standing": standing(row, getattr(row, "lane", None), now),
        "lane": getattr(row, "lane", None),
        "span": span,
        "spans": [(key, each.label, each is span) for key, each in figures.SPANS.items()],
        "figures": found,
        "drawn": figures.drawn(found, span, now),
        "pending": figures.pending([row.pk]).get(row.pk, 0),
        "deliveries": deliveries_of(user).filter(endpoint=row)[:RECENT],
        "policy": policies.shown(RetryPolicy.model_validate(row.retry_policy)),
        "revisions": _revisions(row),
        "hours": _hours().filter(endpoint=row).order_by("-hour")[:HOURS],
        "violations": _violations(Violation.objects.filter(endpoint=row)),
        "operations": Operation.objects.filter(endpoint=row).select_related("created_by")[:5],
        "may_change": _may(user, row, Role.ADMIN),
        "may_send": may_send,
        "senders": {row.workspace_id} if may_send else set(),
        "families": families(),
        "page_data": form_data() | {"endpoint": str(row.pk), "name": row.name},
    }
    return render(request, "webhooks/endpoint.html", context)


@login_required
def reconciliation(request: HttpRequest) -> HttpResponse:
    """Show, per endpoint and hour, whether every event that was due is accounted for; `before` pages back."""
    user = cast(User, request.user)
    mine = _endpoints(user, deleted=True)
    counts = _hours().filter(endpoint__in=mine)
    chosen = mine.filter(pk=wanted).first() if (wanted := uuid_or_none(request.GET.get("endpoint"))) else None
    if chosen:
        counts = counts.filter(endpoint=chosen)
    violations = Violation.objects.filter(endpoint__in=mine.filter(pk=chosen.pk) if chosen else mine)
    only = request.GET.get("only") == "violations"
    shown = counts.filter(~_HOLDS) if only else counts
    before = _place(request.GET.get("before"))
    if before:
        hour, pk = before
        shown = shown.filter(Q(hour__lt=hour) | Q(hour=hour, pk__lt=pk))
    rows = list(shown.order_by("-hour", "-pk")[: HOURS_LISTED + 1])
    last = rows[HOURS_LISTED - 1] if len(rows) > HOURS_LISTED else None
    context = {
        "rows": rows[:HOURS_LISTED],
        "sums": counts.aggregate(*(Sum(name) for name in _SUMMED), checked=Max("checked_at"))
        | {"broken": counts.filter(~_HOLDS).count()},
        "violations": _violations(violations),
        "senders": {each.pk for each in _workspaces(user, Role.EDITOR)},
        "endpoints": mine.order_by("name").values_list("pk", "name"),
        "chosen": chosen,
        "only": only,
        "before": before,
        "newest": page_query(request),
        "older": page_query(request, before=f"{last.hour.timestamp():.0f}.{last.pk}") if last else None,
        "page_data": {"icons": static("icons.svg")},
    }
    return render(request, "webhooks/reconciliation.html", context)


_SUMMED = ("due", "delivered", "pending", "failed", "cancelled", "violations")
_HOLDS = Q(violations=0, due=F("delivered") + F("pending") + F("failed") + F("cancelled"))


def families() -> list[dict[str, Any]]:
    """Return the types of events that can be delivered, by family, each with a sentence."""
    return [
        {"name": family, "types": [{"name": name, "description": DESCRIPTIONS[name]} for name in names]}
        for family, names in groupby(CATALOGUE, key=lambda name: name.split(".")[0])
        if family != "system"
    ]


def form_data() -> dict[str, Any]:
    """Return what the form of an endpoint needs to know."""
    types = {each["name"]: each["description"] for family in families() for each in family["types"]}
    return {"icons": static("icons.svg"), "types": types, "presets": policies.presets()}


def _endpoints(user: User, deleted: bool = False) -> EndpointQuerySet:
    found = Endpoint.objects.visible_to(user).select_related("workspace", "lane", "created_by").defer("sealed")
    return found if deleted else found.filter(deleted_at__isnull=True)


def _hours() -> QuerySet[HourCount]:
    """Return the counts of hours, each with `held`: whether its sum is right."""
    return HourCount.objects.select_related("endpoint").annotate(held=_HOLDS)


def _workspaces(user: User, role: Role) -> list[Workspace]:
    return list(Workspace.objects.visible_to(user, role).order_by("created_at"))


def _may(user: User, row: Endpoint, role: Role) -> bool:
    return Workspace.objects.visible_to(user, role).filter(pk=row.workspace_id).exists()


def _revisions(row: Endpoint) -> list[EndpointRevision]:
    return list(row.revisions.order_by("-began_at")[:REVISIONS])


def _violations(found: QuerySet[Violation]) -> Iterable[Violation]:
    return found.select_related("endpoint").order_by("-id")[:VIOLATIONS]


def _place(text: str | None) -> tuple[datetime, int] | None:
    """Return the hour and the id that `before` names."""
    seconds, _, pk = (text or "").partition(".")
    if not (seconds.isdecimal() and pk.isdecimal() and len(seconds) < 12 and len(pk) < 19):
        return None
    return datetime.fromtimestamp(int(seconds), UTC), int(pk)
