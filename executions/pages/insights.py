"""The page of insights: what holds a workspace back, in sentences, with the change that would help."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import orjson
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from executions.insights import automatic
from executions.models import HELD, Insight, InsightKind, InsightStatus
from executions.pages.insight_sentences import duration, number, sentence
from executions.pages.insights_now import now_context
from workflow_platform.core.accounts.models import Role, User
from workflow_platform.core.accounts.workspace_choice import offered, shown_workspace
from workflow_platform.core.api.page_filters import page_query, uuid_or_none

LISTED = 50
AUTOMATIC = {
    InsightKind.CACHE_NODE: gettext_lazy(
        "Nodes that read nothing outside, if half of 50 runs had been computed before."
    ),
    InsightKind.RETRY_NEVER_HELPS: gettext_lazy("Attempts that never succeeded in 30 tries."),
}
SHOWS = {"open": gettext_lazy("Current"), "settled": gettext_lazy("Settled")}


@login_required
def page(request: HttpRequest) -> HttpResponse:
    """List insights: the open and applied ones, or the settled ones; `before` pages back."""
    user = cast(User, request.user)
    show = request.GET.get("show", "open")
    show = show if show in SHOWS else "open"
    named = request.GET.get("workspace")
    shown = uuid_or_none(named) if named is not None else shown_workspace(user)
    rows = Insight.objects.visible_to(user).select_related("workspace", "workflow", "by")
    rows = rows.filter(status__in=HELD) if show == "open" else rows.exclude(status__in=HELD)
    if shown is not None:
        rows = rows.filter(Q(workspace=shown) | Q(workspace=None))
    if (before := uuid_or_none(request.GET.get("before"))) is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: LISTED + 1])
    editable = {each.pk for each in offered(user, Role.EDITOR)}
    context = {
        "show": show,
        "shows": SHOWS.items(),
        "insights": [_row(insight, editable) for insight in found[:LISTED]],
        "several_workspaces": shown is None and len(offered(user, Role.VIEWER)) > 1,
        "before": before,
        "older": page_query(request, before=found[LISTED - 1].pk) if len(found) > LISTED else None,
        "newest": page_query(request),
        "automation": _automation(user, shown),
        "page_data": {},
        **now_context(user, shown),
    }
    return render(request, "executions/insights.html", context)


def _automation(user: User, shown: UUID | None) -> dict[str, Any] | None:
    """Return what the platform applies by itself in the workspace that is shown, and whether the user may choose it."""
    workspaces = [each for each in offered(user, Role.VIEWER) if shown in {None, each.pk}]
    if len(workspaces) != 1:
        return None
    workspace = workspaces[0]
    on = automatic.kinds_of(workspace)
    kinds = [(kind.value, _(kind.label), AUTOMATIC[kind], kind in on) for kind in automatic.KINDS]
    admin = workspace.pk in {each.pk for each in offered(user, Role.ADMIN)}
    return {"workspace": workspace, "kinds": kinds, "on": len(on), "admin": admin}


def _row(insight: Insight, editable: set[UUID]) -> dict[str, Any]:
    may = insight.workspace_id is None or insight.workspace_id in editable
    changed = insight.status in {InsightStatus.APPLIED, InsightStatus.CONFIRMED, InsightStatus.REFUTED}
    return {
        "insight": insight,
        "kind": _(InsightKind(insight.kind).label),
        "status": _(InsightStatus(insight.status).label),
        "sentence": sentence(insight),
        "basis": _basis(insight.evidence),
        "preview": _preview(insight.action) if insight.action else None,
        "outcome": _outcome(insight.outcome) if insight.outcome else "",
        "may_apply": may and insight.status == InsightStatus.OPEN and insight.action is not None,
        "may_dismiss": may and insight.status == InsightStatus.OPEN,
        "may_undo": may and changed,
    }


def _basis(evidence: dict[str, Any]) -> str:
    count = int(evidence.get("n") or 0)
    values = {"count": number(count), "time": duration(evidence.get("span_s"))}
    return ngettext("from %(count)s observation in %(time)s", "from %(count)s observations in %(time)s", count) % values


def _outcome(outcome: dict[str, Any]) -> str:
    before, after = outcome.get("before") or {}, outcome.get("after") or {}
    unit = 1 if str(outcome.get("measure")).endswith("_s") else 1000
    shown = [duration(None if each.get("value") is None else each["value"] / unit) for each in (before, after)]
    counts = {"n_before": before.get("n", 0), "n_after": after.get("n", 0)}
    values = {"before": shown[0], "after": shown[1]} | counts
    return _("Before: %(before)s (%(n_before)s). Since: %(after)s (%(n_after)s).") % values


def _preview(action: dict[str, Any]) -> str:
    """Return the change as lines, as in a diff."""
    lines = []
    for name, value in action["changes"].items():
        for sign, each in (("-", action["before"].get(name)), ("+", value)):
            lines.append(f"{sign} {name}: {orjson.dumps(each).decode()}")
    return "\n".join(lines)
