"""The page of a trace: from the inbound request to the last response; each row links to its own page."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from executions.models import Execution
from executions.traces.lookup import focus_of
from executions.traces.rows import Pages, rows_of
from executions.traces.trace import trace
from workflow_platform.core.accounts.shortcuts import get_visible_or_404

KINDS = ("delivery", "inbound", "event")


@login_required
def trace_page(request: HttpRequest, execution_id: UUID) -> HttpResponse:
    """Show the trace of an execution; `?delivery=`, `?inbound=` or `?event=` highlights a row."""
    found = Execution.objects.select_related("workflow", "version")
    execution = get_visible_or_404(found, request.user, pk=execution_id)
    focus, looked_at = focus_of(request.user, "execution", execution.pk), ("execution", str(execution.pk))
    for kind in KINDS:
        if kind in request.GET:
            pk = _uuid(request.GET[kind])
            looked_at, named = (kind, str(pk)), focus_of(request.user, kind, pk)
            if named.execution_id == execution.pk:
                focus = named
    return render(request, "executions/trace.html", _context(trace(focus), looked_at) | {"execution": execution})


@login_required
def find(request: HttpRequest) -> HttpResponse:
    """Redirect to the trace of a delivery, an inbound request or an event."""
    for kind in KINDS:
        if kind in request.GET:
            pk = _uuid(request.GET[kind])
            focus = focus_of(request.user, kind, pk)
            if focus.execution_id is not None and Execution.objects.filter(pk=focus.execution_id).exists():
                path = reverse("execution-trace", args=[focus.execution_id])
                return redirect(f"{path}?{kind}={pk}#{kind}-{pk}")
            return render(request, "executions/trace.html", _context(trace(focus), (kind, str(pk))))
    raise Http404


def _context(result: dict[str, object], highlighted: tuple[str, str]) -> dict[str, object]:
    rows = rows_of(result, _pages(), highlighted)
    counts = {kind: sum(row.kind == kind for row in rows) for kind in ("execution", "node_run", "delivery", "attempt")}
    return {"rows": rows, "counts": counts, "left_out": result["left_out"]}


def _pages() -> Pages:
    def path(name: str, pk: str) -> str:
        return reverse(name, args=[pk])

    return Pages(
        execution=partial(path, "monitor"),
        workflow=partial(path, "workflow"),
        inbound=partial(path, "webhook-inbound-request"),
        delivery=partial(path, "webhook-delivery"),
        endpoint=partial(path, "webhook-endpoint"),
        events=reverse("events"),
    )


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
