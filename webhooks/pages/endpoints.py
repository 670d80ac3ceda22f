"""The list of endpoints, and the page of one."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils import timezone
from django.utils.translation import gettext

from events.catalogue.descriptions import DESCRIPTIONS, families
from webhooks.endpoints import policies
from webhooks.models import Endpoint, EndpointRevision, Operation, Violation
from webhooks.models.endpoint import EndpointQuerySet
from webhooks.pages import stats
from webhooks.pages.listing import deliveries_of
from webhooks.pages.reconciliation import hours, violations
from webhooks.pages.status import endpoint_status
from webhooks.retry_schedule import RetryPolicy
from webhooks.validation import DELIVERED
from workflow_platform.core.accounts.models import Role, User, Workspace
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.accounts.workspace_choice import in_shown_workspace, offered
from workflow_platform.core.outbound.addresses import shown_url

LISTED = 100
RECENT = 12
REVISIONS = 20
HOURS = 48


@login_required
def endpoints(request: HttpRequest) -> HttpResponse:
    """List the endpoints that the caller may see, by name, with their statistics of the last 24 hours."""
    user = cast(User, request.user)
    page = Paginator(in_shown_workspace(_endpoints(user), user).order_by("name", "id"), LISTED).get_page(
        request.GET.get("page")
    )
    ids = [row.pk for row in page]
    now, span = timezone.now(), stats.SPANS["24h"]
    measured, waiting = stats.statistics_of(ids, span, now), stats.pending(ids)
    admin_of, editor_of = offered(user, Role.ADMIN), offered(user, Role.EDITOR)
    admins, editors = {each.pk for each in admin_of}, {each.pk for each in editor_of}
    rows = [
        {
            "row": row,
            "url": shown_url(row.url),
            "status": endpoint_status(row, getattr(row, "lane", None), now),
            "figures": measured.endpoints[row.pk],
            "sparkline": stats.sparkline(measured, row.pk, span, now),
            "pending": waiting.get(row.pk, 0),
            "may_change": row.workspace_id in admins,
            "may_send": row.workspace_id in editors,
        }
        for row in page
    ]
    context = {
        "endpoints": rows,
        "page": page,
        "workspaces": admin_of,
        "can_create": bool(admin_of),
        "can_send": bool(editors),
        "several_workspaces": Workspace.objects.visible_to(user).count() > 1,
        "families": families(DELIVERED),
        "page_data": form_data(),
    }
    return render(request, "webhooks/endpoints.html", context)


@login_required
def endpoint(request: HttpRequest, endpoint_id: UUID) -> HttpResponse:
    """Show an endpoint: statistics, settings, subscription history and reconciliation."""
    user = cast(User, request.user)
    row = get_visible_or_404(_endpoints(user), user, pk=endpoint_id)
    name = request.GET.get("range", "24h")
    span = stats.SPANS.get(name) or stats.SPANS["24h"]
    now = timezone.now()
    measured = stats.statistics_of([row.pk], span, now)
    may_send = _may(user, row, Role.EDITOR)
    context = {
        "endpoint": row,
        "url": shown_url(row.url),
        "status": endpoint_status(row, getattr(row, "lane", None), now),
        "lane": getattr(row, "lane", None),
        "span": span,
        "spans": [(key, each.label, each is span) for key, each in stats.SPANS.items()],
        "figures": measured.endpoints[row.pk],
        "drawn": stats.drawn(measured, row.pk, span, now),
        "pending": stats.pending([row.pk]).get(row.pk, 0),
        "deliveries": deliveries_of(user).filter(endpoint=row)[:RECENT],
        "policy": policies.shown(RetryPolicy.model_validate(row.retry_policy)),
        "revisions": _revisions(row),
        "hours": hours().filter(endpoint=row).order_by("-hour")[:HOURS],
        "violations": violations(Violation.objects.filter(endpoint=row)),
        "operations": Operation.objects.filter(endpoint=row).select_related("created_by")[:5],
        "may_change": _may(user, row, Role.ADMIN),
        "may_send": may_send,
        "senders": {row.workspace_id} if may_send else set(),
        "families": families(DELIVERED),
        "page_data": form_data() | {"endpoint": str(row.pk), "name": row.name},
    }
    return render(request, "webhooks/endpoint.html", context)


def form_data() -> dict[str, Any]:
    """Return the data for the form of an endpoint."""
    types = {name: DESCRIPTIONS[name] for name in DELIVERED}
    presets = [each | {"description": gettext(each["description"])} for each in policies.presets()]
    return {"icons": static("icons.svg"), "types": types, "presets": presets}


def _endpoints(user: User) -> EndpointQuerySet:
    endpoints = Endpoint.objects.visible_to(user).filter(deleted_at__isnull=True)
    return endpoints.select_related("workspace", "lane", "created_by").defer("sealed")


def _may(user: User, row: Endpoint, role: Role) -> bool:
    return Workspace.objects.visible_to(user, role).filter(pk=row.workspace_id).exists()


def _revisions(row: Endpoint) -> list[EndpointRevision]:
    return list(row.revisions.order_by("-began_at")[:REVISIONS])
