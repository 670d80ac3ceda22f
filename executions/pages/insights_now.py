"""What holds throughput back now: the part of the page of insights that is fetched again every few seconds."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from executions.admission.explanation import Reason
from executions.insights import now
from executions.insights.now import LimitNow, Now, QueueNow, ServerNow, WorkersNow
from executions.models.insight import is_staff
from executions.pages.insight_sentences import duration, number, share
from workflow_platform.core.accounts.models import User, Workspace
from workflow_platform.core.accounts.workspace_choice import shown_workspace
from workflow_platform.core.api.page_filters import uuid_or_none

REASONS: dict[Reason, Any] = {
    "key_concurrency": gettext_lazy("Limit for each key"),
    "workflow_concurrency": gettext_lazy("Limit of the workflow"),
    "rate_limit": gettext_lazy("Rate limit of the workflow"),
    "workspace_concurrency": gettext_lazy("Limit of the workspace"),
    "cluster_concurrency": gettext_lazy("Limit of the installation"),
    "no_worker": gettext_lazy("No worker is running"),
    "workers_suspended": gettext_lazy("The workers are suspended"),
    "workers_busy": gettext_lazy("All workers are busy"),
    "on_its_way": gettext_lazy("Starting"),
}
QUEUES = {
    "high": gettext_lazy("High priority"),
    "default": gettext_lazy("Default priority"),
    "low": gettext_lazy("Low priority and tests"),
}
NEARLY_FULL = 0.9


@login_required
def panel(request: HttpRequest) -> HttpResponse:
    """Render the part again."""
    user = cast(User, request.user)
    named = request.GET.get("workspace")
    shown = uuid_or_none(named) if named is not None else shown_workspace(user)
    return render(request, "executions/_insights_now.html", now_context(user, shown))


def now_context(user: User, shown: UUID | None) -> dict[str, Any]:
    """Return the context of the part, for one workspace or all that the user sees."""
    visible = Workspace.objects.visible_to(user)
    if shown is not None:
        visible = visible.filter(pk=shown)
    found = now.look(list(visible.values_list("pk", flat=True)), staff=is_staff(user))
    return {
        "now_of": shown or "",
        "now": {
            "waiting": found.waiting,
            "headline": _headline(found),
            "held": found.bottleneck is not None,
            "reasons": _reasons(found),
            "queues": [_queue(queue) for queue in found.queues],
            "limits": [_limit(limit) for limit in found.limits],
            "workers": _workers(found.workers),
            "servers": [
                _server(name, server)
                for name, server in (("PostgreSQL", found.database), ("Redis", found.redis))
                if server
            ],
        },
    }


def _headline(found: Now) -> str:
    if found.bottleneck is None:
        return _("Nothing is held back")
    held = found.limits[0] if found.limits and found.limits[0].reason == found.bottleneck else None
    reason = str(REASONS[found.bottleneck])
    return f"{reason}: {held.name}" if held and held.name else reason


def _reasons(found: Now) -> list[dict[str, Any]]:
    return [
        {"label": REASONS[reason], "count": number(n), "percent": round(100 * n / found.waiting)}
        for reason, n in found.reasons.items()
    ]


def _queue(queue: QueueNow) -> dict[str, Any]:
    return {
        "label": QUEUES[queue.queue],
        "rate": number(round(queue.arrivals_per_s, 2 if queue.arrivals_per_s < 10 else 0)),
        "waiting": number(queue.waiting),
        "wait": duration(queue.wait_s),
        "oldest": duration(queue.oldest_s) if queue.waiting else "–",
    }


def _limit(limit: LimitNow) -> dict[str, Any]:
    return {
        "label": REASONS[limit.reason],
        "name": limit.name,
        "workflow": limit.workflow,
        "limit": number(limit.limit),
        "in_use": number(limit.in_use),
        "percent": min(100, round(100 * limit.in_use / max(limit.limit, 1))),
        "waiting": number(limit.waiting),
        "wait": duration(limit.wait_s),
    }


def _workers(workers: WorkersNow) -> dict[str, Any]:
    slots = workers.slots or 0
    used = min(1.0, workers.busy / slots) if slots else None
    return {
        "alive": workers.alive,
        "busy": number(workers.busy),
        "slots": number(slots),
        "share": share(used),
        "percent": round(100 * (used or 0)),
        "full": used is not None and used >= NEARLY_FULL,
        "starving": workers.starving,
    }


def _server(name: str, server: ServerNow) -> dict[str, Any]:
    used = server.connections / server.most_connections if server.connections and server.most_connections else None
    return {
        "name": name,
        "round_trip": duration(server.round_trip_s),
        "responds": server.round_trip_s is not None,
        "mean": duration(server.mean_s) if server.mean_s is not None else None,
        "usual": duration(server.usual_mean_s) if server.usual_mean_s is not None else None,
        "connections": None if used is None else number(server.connections or 0),
        "most": number(server.most_connections or 0),
        "percent": round(100 * (used or 0)),
        "full": used is not None and used >= NEARLY_FULL,
    }
