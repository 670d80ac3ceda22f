"""`/hooks/{path}`: an inbound request starts a workflow, or resumes an execution that waits for it.

`/hooks/test/{path}` verifies and shows the request without starting an execution.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from typing import Any
from uuid import UUID

import orjson
from channels.db import database_sync_to_async
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from executions.binaries import BinaryReader, NoSuchBinary, find, streamed
from executions.domain.binaries import file_in
from executions.domain.statuses import ExecutionStatus
from executions.models import Execution, Wait, WaitKind
from executions.nodes.http.hook_responses import encoded_text
from executions.triggers.hooks import intake
from executions.triggers.hooks.requests import Accepted, AnsweredRequest, HookRequest, RefusedRequest, requested_path
from executions.triggers.hooks.spooled_bodies import largest_body, spooled_body
from executions.triggers.hooks.unpacking import RefusedBody, unpacked_body
from executions.triggers.hooks.verification import NOT_KEPT
from executions.waits import responses, waits
from webhooks.inbound import response_headers
from webhooks.inbound.bodies import BadBody, first_or_all, read_body, read_query
from workflow_platform.core.api.problems import json_problem, unfit_body
from workflow_platform.core.database_threads import in_database
from workflow_platform.core.requests.client_address import client_address

logger = logging.getLogger(__name__)

COMPLETION_SECONDS = 30.0
READ_ONLY_METHODS = frozenset({"HEAD", "OPTIONS"})
NO_CONTENT = frozenset({204, 205, 304})
NO_LENGTH = frozenset({204, 304})
"""Statuses without Content-Length; a response with 205 has an empty body."""


@csrf_exempt
async def receive(request: HttpRequest, path: str, test: bool = False) -> HttpResponseBase:
    """Start the workflow whose active webhook trigger has the path. A test URL only verifies and shows the request."""
    outcome = await asyncio.wrap_future(intake.submit(_hook_request(request, path, test)))
    if isinstance(outcome, RefusedRequest):
        answer: HttpResponseBase = json_problem(request, outcome.status, outcome.detail)
    elif isinstance(outcome, AnsweredRequest):
        has_body = outcome.status not in NO_CONTENT
        answer = JsonResponse(outcome.body, status=outcome.status) if has_body else HttpResponse(status=outcome.status)
    else:
        answer = await _accepted(request, outcome)
        if outcome.respond != "immediately":
            intake.note_answer(outcome.id, answer.status_code)
    for name, value in outcome.headers.items():
        if name == "Vary":
            patch_vary_headers(answer, [value])
        else:
            answer.setdefault(name, value)  # what the workflow says about other origins goes first
    return answer


def _hook_request(request: HttpRequest, path: str, test: bool) -> HookRequest:
    unfit = unfit_body(request, largest_body(request))
    spooled = spooled_body(request) if unfit is None else None
    return HookRequest(
        method=str(request.method),
        path=path.rstrip("/"),
        requested_path=requested_path(request, path),
        headers=_headers(request),
        query_string=request.META.get("QUERY_STRING", "").encode("latin-1", "replace"),
        body=request.body if unfit is None and spooled is None else b"",
        address=client_address(request.META),
        received_at=timezone.now(),
        test=test,
        unread=unfit and unfit[:2],
        body_bytes=unfit[2] if unfit else spooled.size if spooled else 0,
        spooled=spooled,
    )


def _headers(request: HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


async def _accepted(request: HttpRequest, outcome: Accepted) -> HttpResponseBase:
    body: dict[str, Any] = {"execution_id": str(outcome.execution_id), "status": "queued"}
    if outcome.duplicate:
        body["duplicate"] = True
    if outcome.respond == "immediately":
        return JsonResponse(body, status=202)
    by_node = outcome.respond == "respond_node"
    try:
        state = await responses.wait_for(outcome.execution_id, COMPLETION_SECONDS, until_response=by_node)
    except Execution.DoesNotExist:  # retention removed the execution of the first copy of this message
        return JsonResponse(body | {"status": "removed"}, status=202)
    except (DatabaseError, InterfaceError):  # the request is stored; its result is not known now
        return JsonResponse(body, status=202)
    body["status"] = state["status"]
    if by_node and state["response"] is not None:
        return await _answered(request, outcome.execution_id, state["response"])
    if not ExecutionStatus(state["status"]).ended:
        return JsonResponse(body, status=202)
    if state["status"] != ExecutionStatus.COMPLETED.value:
        return json_problem(request, 500, f"The execution {outcome.execution_id} ended with status {state['status']}.")
    if by_node:  # no node responded, and what other nodes gave is not meant for the caller
        return await _answered(request, outcome.execution_id, outcome.default_response.model_dump())
    if problem := state.get("problem"):
        return json_problem(request, 500, problem)
    return JsonResponse(body | {"items": state["items"]})


@csrf_exempt
async def resume(request: HttpRequest, execution_id: UUID, signature: str) -> HttpResponse:
    """Resume the execution that waits for this call (`$execution.resumeUrl`), once."""
    if (unfit := unfit_body(request)) is not None:
        return json_problem(request, *unfit[:2])
    if not hmac.compare_digest(signature.encode(), waits.resume_signature(execution_id).encode()):
        return json_problem(request, 404, "No execution waits at this URL.")
    if request.method in READ_ONLY_METHODS:
        return json_problem(request, 405, f"{request.method} does not resume an execution. Use GET or POST.")
    try:
        item = _item(request, f"resume/{execution_id}")  # without the signature, which is secret
    except BadBody as error:
        return json_problem(request, 400, str(error))
    except RefusedBody as error:
        return json_problem(request, error.refusal.status, error.refusal.detail)
    try:
        await database_sync_to_async(_resume)(execution_id, request.GET.get("node"), item)
    except waits.NotWaiting as error:
        answer = json_problem(request, 409, str(error))
        answer["Retry-After"] = "1"  # a called system may answer before the wait node has started
        return answer
    return JsonResponse({"execution_id": str(execution_id)}, status=202)


def _resume(execution_id: UUID, node: str | None, item: dict[str, Any]) -> None:
    open_waits = Wait.objects.filter(execution=execution_id, kind=WaitKind.WEBHOOK, resolved_at__isnull=True)
    wait = (open_waits.filter(node_id=node) if node else open_waits).order_by("id").first()
    if wait is None:
        raise waits.NotWaiting(waits.NotWaiting.__doc__)
    waits.resolve(wait.pk, item)


def _item(request: HttpRequest, path: str) -> dict[str, Any]:
    """Return the request as an item. Raises BadBody, RefusedBody."""
    headers = _headers(request)
    return {
        "method": request.method,
        "path": path,
        "headers": {name: value for name, value in headers.items() if name not in NOT_KEPT},
        "query": first_or_all(read_query(request.META.get("QUERY_STRING", "").encode("latin-1", "replace"))),
        "body": read_body(headers.get("content-type", ""), unpacked_body(headers, request.body, None)),
    }


async def _answered(request: HttpRequest, execution_id: UUID, response: dict[str, Any]) -> HttpResponseBase:
    """Return the response of a `respond_to_webhook` node: a file of the execution, or a value."""
    file = file_in(response.get("file") or {})
    if file is None or response["status"] in NO_CONTENT:
        return _response(execution_id, response)
    try:
        binary = await in_database(find, execution_id, file.reference)
    except NoSuchBinary as error:
        return json_problem(request, 500, str(error))
    content = streamed(BinaryReader(binary))
    answer = StreamingHttpResponse(content, status=response["status"], content_type=binary.media_type)
    answer["Content-Length"] = str(binary.size)
    return _with_headers(answer, execution_id, response["headers"])


def _response(execution_id: UUID, response: dict[str, Any]) -> HttpResponseBase:
    """Return a value as a response.

    The node rejects headers that a workflow may not set. A response that an earlier version of the platform stored may
    have such headers; they are left out.
    """
    body, status = response["body"], response["status"]
    text = isinstance(body, str)
    content = b"" if status in NO_CONTENT else encoded_text(body, response["headers"]) if text else orjson.dumps(body)
    answer = HttpResponse(
        content, status=status, content_type="text/plain; charset=utf-8" if text else "application/json"
    )
    if status not in NO_LENGTH:
        answer["Content-Length"] = str(len(content))
    return _with_headers(answer, execution_id, response["headers"])


def _with_headers(answer: HttpResponseBase, execution_id: UUID, headers: dict[str, Any]) -> HttpResponseBase:
    for name, value in headers.items():
        if (problem := response_headers.problem(name, value)) is not None:
            logger.warning("header left out of a webhook response: %s", problem, extra={"execution_id": execution_id})
        else:
            answer[name] = value
    return answer
