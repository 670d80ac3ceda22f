"""`/hooks/{path}`: a request from outside starts a workflow."""

from __future__ import annotations

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from executions import lifecycle
from executions.answers import wait_for_end
from executions.models import NodeRun, Trigger, WebhookRoute
from executions.statuses import ExecutionStatus
from workflow_platform.problems import json_problem

NOT_KEPT = frozenset({"authorization", "cookie", "proxy-authorization"})
COMPLETION_SECONDS = 30.0


@csrf_exempt
def receive(request: HttpRequest, path: str) -> HttpResponse:
    """Start the workflow whose active webhook trigger has the path."""
    route = WebhookRoute.objects.select_related("workflow__latest_version").filter(path=path.rstrip("/")).first()
    if route is None or route.workflow.latest_version is None:
        return json_problem(request, 404, "No active workflow listens here.")
    node = next(n for n in route.workflow.latest_version.nodes if n["id"] == route.node_id)
    methods = node["parameters"].get("methods", ["POST"])
    if request.method not in methods:
        answer = json_problem(request, 405, f"This webhook takes {', '.join(methods)}.")
        answer["Allow"] = ", ".join(methods)
        return answer
    try:
        body = _body(request)
    except orjson.JSONDecodeError as error:
        return json_problem(request, 400, f"The body is not JSON: {error}.")
    item = {
        "method": request.method,
        "path": path,
        "headers": {name.lower(): value for name, value in request.headers.items() if name.lower() not in NOT_KEPT},
        "query": {name: values if len(values) > 1 else values[0] for name, values in request.GET.lists()},
        "body": body,
    }
    try:
        execution = lifecycle.create_execution(
            workflow=route.workflow,
            trigger=Trigger.WEBHOOK,
            input=[item],
            trigger_node=route.node_id,
            awaited=node["parameters"].get("respond", "immediately") != "immediately",
        )
    except lifecycle.CannotStart as error:
        return json_problem(request, 409, str(error))
    if node["parameters"].get("respond", "immediately") == "immediately":
        return JsonResponse({"execution_id": str(execution.pk), "status": execution.status}, status=202)
    if not wait_for_end(execution, COMPLETION_SECONDS):
        return JsonResponse({"execution_id": str(execution.pk), "status": execution.status}, status=202)
    if execution.status != ExecutionStatus.COMPLETED:
        return json_problem(request, 500, f"The execution {execution.pk} ended as {execution.status}.")
    last = NodeRun.objects.filter(execution=execution, output__isnull=False).order_by("ended_at", "id").last()
    items: list[Any] = next(iter((last.output or {}).values()), []) if last else []
    return JsonResponse({"execution_id": str(execution.pk), "status": execution.status, "items": items})


def _body(request: HttpRequest) -> Any:
    """Return JSON parsed, a form as an object, anything else as text."""
    kind = request.content_type or ""
    if "json" in kind:
        return orjson.loads(request.body) if request.body else None
    if kind in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        return {name: values if len(values) > 1 else values[0] for name, values in request.POST.lists()}
    return request.body.decode(errors="replace").replace("\x00", "�")
