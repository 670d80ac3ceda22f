"""What is kept, shown and told of a request to /hooks/."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from django.conf import settings

from events import log
from events.log import NewEvent
from executions.triggers.hooks.requests import AcceptedRequest, Answered, PendingRequest, RefusedRequest
from webhooks.inbound import request_log
from webhooks.inbound.bodies import BadBody, read_query, without_nul
from webhooks.inbound.request_log import Kept

SOURCE = "executions.hooks"
PREVIEW_BYTES = 4_000
"""Of a body, in the event that a request to a test URL makes."""
LARGEST_LOGGED = 2**31 - 1
"""The column holds no more; a declared length may be any number."""
TEST_WORDS = "This is the test URL: the request is shown on the workflow's page and starts nothing."


def kept(waiting: PendingRequest) -> Kept:
    """Return the row of a request whose outcome is known."""
    request, found, outcome = waiting.request, waiting.listener, waiting.outcome
    refused = isinstance(outcome, RefusedRequest)
    execution_id = getattr(outcome, "execution_id", None)
    return Kept(
        id=waiting.id,
        received_at=request.received_at,
        method=request.method,
        path=without_nul(request.path),
        address=request.address,
        headers=request_log.masked_headers(request.headers, waiting.judged.proving),
        query=request_log.masked_query(_query(request.query_string)),
        body=request_log.beginning(request.body),
        body_bytes=min(max(len(request.body), request.body_bytes), LARGEST_LOGGED),
        content_type=without_nul(request.headers.get("content-type", "")),
        accepted=not refused,
        status_code=outcome.status if isinstance(outcome, RefusedRequest | Answered) else 202,
        reason=_reason(waiting),
        workspace_id=found.workflow.workspace_id if found else None,
        workflow_id=found.workflow.pk if found else None,
        node_id=found.node_id if found else "",
        execution_id=execution_id,
        message_id=waiting.judged.message_id,
        test=request.test,
    )


def _reason(waiting: PendingRequest) -> str:
    outcome = waiting.outcome
    if isinstance(outcome, RefusedRequest):
        return without_nul(outcome.reason or outcome.detail)
    if isinstance(outcome, Answered):
        return outcome.reason
    return "The same message came before: it was answered like then, and started nothing." if outcome.duplicate else ""


def _query(raw: bytes) -> dict[str, list[str]]:
    try:
        return read_query(raw)
    except BadBody:
        return {}


def answer_to_test(waiting: PendingRequest) -> Answered:
    """Return what a caller of the test URL is answered whose request would have been taken."""
    outcome = waiting.judged.outcome
    if isinstance(outcome, Answered):
        return outcome
    return Answered({"request_id": str(waiting.id), "test": True, "detail": TEST_WORDS})


def tell(tests: Sequence[PendingRequest]) -> None:
    """Append an event for each request to a test URL, inside the caller's transaction."""
    log.append([_event(each) for each in tests])


def _event(each: PendingRequest) -> NewEvent:
    assert each.listener is not None
    row = kept(each)
    data = {
        "request": str(each.id),
        "node": row.node_id,
        "method": row.method,
        "path": row.path,
        "accepted": row.accepted,
        "status_code": row.status_code,
        "reason": row.reason,
        "content_type": row.content_type,
        "body_bytes": row.body_bytes,
        "preview": _preview(each, row) if settings.EVENT_PREVIEWS else None,
    }
    workflow = each.listener.workflow
    return NewEvent(workflow.stream_id, "workflow.hook_tested", data, SOURCE, workflow_id=workflow.pk)


def _preview(each: PendingRequest, row: Kept) -> dict[str, Any]:
    """Return query and body, the body as the workflow would get it if it is small, else its beginning as text."""
    body: Any = row.body[:PREVIEW_BYTES]
    if isinstance(each.judged.outcome, AcceptedRequest):
        whole = each.judged.outcome.item["body"]
        if len(each.request.body) <= PREVIEW_BYTES and len(orjson.dumps(whole)) <= 2 * PREVIEW_BYTES:
            body = whole
    return {"query": row.query if len(orjson.dumps(row.query)) <= PREVIEW_BYTES else {}, "body": body}
