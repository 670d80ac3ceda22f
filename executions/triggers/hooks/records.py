"""The records of a request to /hooks/: its row in the request log, the response to a test, and its event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from django.conf import settings

from events import log
from events.log import NewEvent
from executions.triggers.hooks.requests import AcceptedRequest, AnsweredRequest, PendingRequest, RefusedRequest
from webhooks.inbound import request_log
from webhooks.inbound.bodies import BadBody, read_query
from webhooks.inbound.request_log import LoggedRequest
from workflow_platform.core.content.charsets import without_nul

SOURCE = "executions.hooks"
PREVIEW_BYTES = 4_000
"""The largest body preview in the event of a request to a test URL."""
LARGEST_LOGGED = 2**31 - 1
"""The limit of the column; the declared length of a request may exceed it."""
DUPLICATE = "Duplicate message: it got the response of the first message and started no execution."
TEST_DETAIL = "Test request received. It is shown on the workflow's page and starts no execution."


def log_row(pending: PendingRequest) -> LoggedRequest:
    """Return the log row of a request whose outcome is known."""
    request, listener, outcome = pending.request, pending.listener, pending.outcome
    refused = isinstance(outcome, RefusedRequest)
    execution_id = getattr(outcome, "execution_id", None)
    return LoggedRequest(
        id=pending.id,
        received_at=request.received_at,
        method=request.method,
        path=without_nul(request.path),
        address=request.address,
        headers=request_log.masked_headers(request.headers, pending.verdict.proving),
        query=request_log.masked_query(_query(request.query_string)),
        body=request_log.beginning(request.body),
        body_bytes=min(max(len(request.body), request.body_bytes), LARGEST_LOGGED),
        content_type=without_nul(request.headers.get("content-type", "")),
        accepted=not refused,
        status_code=outcome.status if isinstance(outcome, RefusedRequest | AnsweredRequest) else 202,
        reason=_reason(pending),
        workspace_id=listener.workflow.workspace_id if listener else None,
        workflow_id=listener.workflow.pk if listener else None,
        node_id=listener.node_id if listener else "",
        execution_id=execution_id,
        message_id=pending.verdict.message_id,
        test=request.test,
    )


def _reason(pending: PendingRequest) -> str:
    outcome = pending.outcome
    if isinstance(outcome, RefusedRequest):
        return without_nul(outcome.reason or outcome.detail)
    if isinstance(outcome, AnsweredRequest):
        return outcome.reason
    return DUPLICATE if outcome.duplicate else ""


def _query(raw: bytes) -> dict[str, list[str]]:
    try:
        return read_query(raw)
    except BadBody:
        return {}


def response_to_test(pending: PendingRequest) -> AnsweredRequest:
    """Return the response to an accepted request at a test URL."""
    outcome = pending.verdict.outcome
    if isinstance(outcome, AnsweredRequest):
        return outcome
    return AnsweredRequest({"request_id": str(pending.id), "test": True, "detail": TEST_DETAIL})


def append_test_events(tests: Sequence[PendingRequest]) -> None:
    """Append an event for each request to a test URL, in the caller's transaction."""
    log.append([_event(pending) for pending in tests])


def _event(pending: PendingRequest) -> NewEvent:
    assert pending.listener is not None
    row = log_row(pending)
    data = {
        "request": str(pending.id),
        "node": row.node_id,
        "method": row.method,
        "path": row.path,
        "accepted": row.accepted,
        "status_code": row.status_code,
        "reason": row.reason,
        "content_type": row.content_type,
        "body_bytes": row.body_bytes,
        "preview": _preview(pending, row) if settings.EVENT_PREVIEWS else None,
    }
    workflow = pending.listener.workflow
    return NewEvent(workflow.stream_id, "workflow.hook_tested", data, SOURCE, workflow_id=workflow.pk)


def _preview(pending: PendingRequest, row: LoggedRequest) -> dict[str, Any]:
    """Return query and body. A small body is as the workflow would receive it, a larger one is cut off text."""
    body: Any = row.body[:PREVIEW_BYTES]
    if isinstance(pending.verdict.outcome, AcceptedRequest):
        parsed = pending.verdict.outcome.item["body"]
        if len(pending.request.body) <= PREVIEW_BYTES and len(orjson.dumps(parsed)) <= 2 * PREVIEW_BYTES:
            body = parsed
    return {"query": row.query if len(orjson.dumps(row.query)) <= PREVIEW_BYTES else {}, "body": body}
