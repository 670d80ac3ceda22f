"""`/hooks/{path}`: a request from outside starts a workflow, or goes on with one that waits for it."""

from __future__ import annotations

import asyncio
import hmac
from typing import Any
from uuid import UUID

import orjson
from channels.db import database_sync_to_async
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from executions import answers, hook_intake, waits
from executions.models import Wait, WaitKind
from executions.statuses import ExecutionStatus
from workflow_platform.problems import json_problem

NOT_KEPT = frozenset({"authorization", "cookie", "proxy-authorization"})
COMPLETION_SECONDS = 30.0
LOOKING_ONLY = frozenset({"HEAD", "OPTIONS"})
NO_BODY = frozenset({204, 304})


class BadBody(Exception):
    """The body is not what its content type says."""


@csrf_exempt
async def receive(request: HttpRequest, path: str) -> HttpResponse:
    """Start the workflow whose active webhook trigger has the path."""
    try:
        item = _item(request, path)
    except BadBody as error:
        return json_problem(request, 400, str(error))
    except RequestDataTooBig:
        return json_problem(request, 413, f"At most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes are taken.")
    taken = await asyncio.wrap_future(hook_intake.submit(str(request.method), path.rstrip("/"), item))
    if isinstance(taken, hook_intake.Refused):
        answer = json_problem(request, taken.status, taken.detail)
        for name, value in taken.headers.items():
            answer[name] = value
        return answer
    said: dict[str, Any] = {"execution_id": str(taken.execution_id), "status": "queued"}
    if taken.respond == "immediately":
        return JsonResponse(said, status=202)
    answered = taken.respond == "respond_node"
    state = await answers.wait_for(taken.execution_id, COMPLETION_SECONDS, answered=answered)
    said["status"] = state["status"]
    if answered and state["response"] is not None:
        return _response(state["response"])
    if not ExecutionStatus(state["status"]).ended:
        return JsonResponse(said, status=202)
    if state["status"] != ExecutionStatus.COMPLETED.value:
        return json_problem(request, 500, f"The execution {taken.execution_id} ended as {state['status']}.")
    return JsonResponse(said | {"items": state["items"]})


@csrf_exempt
async def resume(request: HttpRequest, execution_id: UUID, signature: str) -> HttpResponse:
    """Go on with the execution that waits for this call (`$execution.resumeUrl`), once."""
    if not hmac.compare_digest(signature, waits.resume_signature(execution_id)):
        return json_problem(request, 404, "Nothing waits here.")
    if request.method in LOOKING_ONLY:
        return json_problem(request, 405, "Programs that only look, such as previews of links, resume nothing.")
    try:
        item = _item(request, f"resume/{execution_id}")  # without what makes the URL a secret
    except BadBody as error:
        return json_problem(request, 400, str(error))
    try:
        await database_sync_to_async(_resume)(execution_id, request.GET.get("node"), item)
    except waits.NotWaiting as error:
        answer = json_problem(request, 409, str(error))
        answer["Retry-After"] = "1"  # whoever is called out of the workflow may be faster than its next node
        return answer
    return JsonResponse({"execution_id": str(execution_id)}, status=202)


def _resume(execution_id: UUID, node: str | None, item: dict[str, Any]) -> None:
    found = Wait.objects.filter(execution=execution_id, kind=WaitKind.WEBHOOK).order_by("resolved_at", "id")
    wait = (found.filter(node_id=node) if node else found).filter(resolved_at__isnull=True).first()
    if wait is None:
        raise waits.NotWaiting(waits.NotWaiting.__doc__)
    waits.resolve(wait.pk, item)


def _item(request: HttpRequest, path: str) -> dict[str, Any]:
    """Return the request as an item. Raises BadBody."""
    return {
        "method": request.method,
        "path": path,
        "headers": {name.lower(): value for name, value in request.headers.items() if name.lower() not in NOT_KEPT},
        "query": _first_or_all(request.GET),
        "body": _body(request),
    }


def _body(request: HttpRequest) -> Any:
    """Return JSON parsed, a form as an object, anything else as text."""
    kind = request.content_type or ""
    if "json" in kind:
        try:
            return orjson.loads(request.body) if request.body else None
        except orjson.JSONDecodeError as error:
            raise BadBody(f"The body is not JSON: {error}.") from None
    if kind in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        return _first_or_all(request.POST)
    return request.body.decode(errors="replace").replace("\x00", "�")


def _first_or_all(values: Any) -> dict[str, Any]:
    return {name: found if len(found) > 1 else found[0] for name, found in values.lists()}


def _response(said: dict[str, Any]) -> HttpResponse:
    """Return the answer that a `respond_to_webhook` node gave."""
    body, headers = said["body"], dict(said["headers"])
    named = {name.lower() for name in headers}
    text = isinstance(body, str)
    if "content-type" not in named:
        headers["Content-Type"] = "text/plain; charset=utf-8" if text else "application/json"
    content = b"" if said["status"] in NO_BODY else body.encode() if text else orjson.dumps(body)
    return HttpResponse(content, status=said["status"], headers=headers)
