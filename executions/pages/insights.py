"""The page of insights: what holds a workspace back, in sentences, with the change that would help."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import orjson
from babel.numbers import format_decimal
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from executions.models import HELD, Insight, InsightKind, InsightStatus
from workflow_platform.core.accounts.models import Role, User
from workflow_platform.core.accounts.workspace_choice import offered, shown_workspace
from workflow_platform.core.api.page_filters import page_query, uuid_or_none

LISTED = 50
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
        rows = rows.filter(workspace=shown)
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
        "page_data": {},
    }
    return render(request, "executions/insights.html", context)


def _row(insight: Insight, editable: set[UUID]) -> dict[str, Any]:
    may = insight.workspace_id in editable
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


def sentence(insight: Insight) -> str:
    """Return the evidence as a sentence in the language of the page."""
    seen = insight.evidence
    match insight.kind:
        case InsightKind.SLOW_NODE:
            values = {"time": _time(seen.get("mean_s")), "share": _share(seen.get("share"))}
            return _("It takes %(time)s on average, %(share)s of the time of an execution.") % values
        case InsightKind.CACHE_NODE:
            values = {"share": _share(seen.get("hit_rate")), "time": _time(seen.get("saved_s"))}
            return _("%(share)s of its runs had been computed before. A cache would have saved %(time)s.") % values
        case InsightKind.LIMIT_TOO_LOW:
            values = {"limit": str(seen.get("limit")), "proposed": str(seen.get("proposed"))}
            values |= {"before": _time(seen.get("median_wait_s")), "after": _time(seen.get("replayed_wait_s"))}
            text = _("Limit %(proposed)s instead of %(limit)s: median wait %(before)s → %(after)s.") % values
            hint = _("Check first that the systems it calls can take more.")
            return f"{text} {hint}"
        case InsightKind.QUEUE_STARVED:
            workers = seen.get("workers")
            count = _("unknown") if workers is None else str(workers)
            values = {"time": _time(seen.get("median_wait_s")), "workers": count}
            return _("Executions wait %(time)s for a worker. Live workers: %(workers)s. Start more.") % values
        case InsightKind.ENDPOINT_FAILING:
            values = {"share": _share(seen.get("failure_rate")), "reason": str(seen.get("reason"))}
            text = _("%(share)s of the attempts failed (%(reason)s).") % values
            if not (waited := seen.get("oldest_pending_s")):
                return text
            oldest = _("The oldest delivery has waited %(time)s.") % {"time": _time(waited)}
            return f"{text} {oldest}"
        case InsightKind.RETRY_NEVER_HELPS:
            values = {"last": str(seen.get("last_useful")), "tries": str(seen.get("tries"))}
            values["time"] = _time(seen.get("wasted_s"))
            return _("Attempts after %(last)s never succeeded in %(tries)s tries. They took %(time)s.") % values
        case InsightKind.BATCH_REQUESTS:
            values = {"count": _number(round(seen.get("calls") or 0)), "time": _time(seen.get("calls_s"))}
            text = _("It sends %(count)s requests in a run, which take %(time)s together.") % values
            hint = _("Check whether the service takes several items in one request.")
            return f"{text} {hint}"
        case InsightKind.PARALLEL_BRANCHES:
            values = {"node": str(seen.get("after")), "time": _time(seen.get("saved_s"))}
            return _("It uses nothing of %(node)s and waits for it. Side by side they would save %(time)s.") % values
    return str(insight.figure["text"])


def _basis(evidence: dict[str, Any]) -> str:
    count = int(evidence.get("n") or 0)
    values = {"count": _number(count), "time": _time(evidence.get("span_s"))}
    return ngettext("from %(count)s observation in %(time)s", "from %(count)s observations in %(time)s", count) % values


def _outcome(outcome: dict[str, Any]) -> str:
    before, after = outcome.get("before") or {}, outcome.get("after") or {}
    unit = 1 if str(outcome.get("measure")).endswith("_s") else 1000
    shown = [_time(None if each.get("value") is None else each["value"] / unit) for each in (before, after)]
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


def _share(share: float | None) -> str:
    return "–" if share is None else f"{_number(round(share * 100))} %"


def _number(number: float) -> str:
    """Return a number as the language of the page writes it."""
    return format_decimal(number, locale=get_language() or "en")


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{_number(round(seconds * 1000))} ms"
    if seconds < 120:
        return f"{_number(round(seconds, 1) if seconds < 10 else round(seconds))} s"
    if seconds < 7200:
        return f"{_number(round(seconds / 60))} min"
    return f"{_number(round(seconds / 3600))} h"
