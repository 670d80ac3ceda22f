from __future__ import annotations

from typing import Any, Literal

import orjson
from pydantic import Field

from executions.domain.errors import NodeError
from executions.domain.items import PACKED_BYTES
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters, UsableCredential
from executions.sandbox.bodies import BodyTooLarge, as_json
from workflow_platform.core import outbound
from workflow_platform.core.sandbox.task import TaskCancelled

RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


class HttpRequestParameters(Parameters):
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = Field("GET", title="Method")
    url: str = Field(title="URL", description="http or https; private addresses are refused.", max_length=8000)
    query: dict[str, Any] = Field({}, title="Query", description="Parameters added to the URL.")
    headers: dict[str, str] = Field({}, title="Headers")
    body: Any = Field(None, title="Body", description="Text is sent as it is, anything else as JSON.")
    credential: str = Field(
        "",
        title="Credential",
        description="Name or id of a credential of the workspace; it signs the request in.",
        max_length=100,
        json_schema_extra={"format": "credential"},
    )
    timeout_seconds: float = Field(30, title="Timeout", description="For the whole request, in seconds.", gt=0, le=600)
    fail_on_error_status: bool = Field(True, title="Fail on error status", description="Whether 4xx and 5xx fail.")


class HttpRequest(NodeType[HttpRequestParameters]):
    type = "http_request"
    label = "HTTP request"
    description = "Calls a URL, once per item."
    icon = "globe"
    category = "network"
    Parameters = HttpRequestParameters
    blocking = True
    url_parameters = ("url",)

    def run(self, context: NodeContext[HttpRequestParameters]) -> NodeResult:
        # Opened once for all items: it is named as it is, never by an expression.
        reference = context.node.parameters.get("credential") or context.node.credentials
        credential = context.credential(str(reference)) if reference and context.items else None
        return NodeResult({"main": [self._send(context, index, credential) for index in range(len(context.items))]})

    def _send(
        self, context: NodeContext[HttpRequestParameters], index: int, credential: UsableCredential | None
    ) -> dict[str, Any]:
        if context.cancelled.is_set():
            raise NodeError("Cancelled.")
        parameters = context.parameters(index)
        headers, body = dict(parameters.headers), None
        named = {name.lower() for name in headers}
        if isinstance(parameters.body, str):
            body = parameters.body.encode()
        elif parameters.body is not None:
            body = orjson.dumps(parameters.body)
            if "content-type" not in named:
                headers["Content-Type"] = "application/json"
        if parameters.method not in {"GET", "HEAD", "OPTIONS"} and "idempotency-key" not in named:
            headers["Idempotency-Key"] = f"{context.idempotency_key}/{index}"
        answer = _signed_in(context, parameters, headers, body, credential)
        if parameters.fail_on_error_status and answer.status >= 400:
            raise NodeError(
                f"{parameters.method} {answer.url} answered {answer.status}.",
                retryable=answer.status in RETRYABLE_STATUSES,
            )
        return {"status": answer.status, "headers": answer.headers, "body": _body(context, answer, credential)}


def _signed_in(
    context: NodeContext[HttpRequestParameters],
    parameters: HttpRequestParameters,
    headers: dict[str, str],
    body: bytes | None,
    credential: UsableCredential | None,
) -> outbound.OutboundResponse:
    """Send with the node's credential, if it has one; once more if the token that it fetched is refused."""
    if credential is None:
        return _answer(context, parameters, headers, parameters.query, body)
    answer = _answer(context, parameters, *credential.apply(parameters.url, headers, parameters.query), body)
    if answer.status == 401 and credential.renew():
        answer = _answer(context, parameters, *credential.apply(parameters.url, headers, parameters.query), body)
    return answer


def _answer(
    context: NodeContext[HttpRequestParameters],
    parameters: HttpRequestParameters,
    headers: dict[str, str],
    query: dict[str, Any],
    body: bytes | None,
) -> outbound.OutboundResponse:
    try:
        return outbound.send(
            parameters.method,
            parameters.url,
            params=query,
            headers=headers,
            body=body,
            timeout_seconds=parameters.timeout_seconds,
            cancelled=context.cancelled,
        )
    except outbound.OutboundRefused as error:
        raise NodeError(f"parameters.url: {error}") from None
    except outbound.OutboundCancelled as error:
        raise NodeError(str(error)) from None
    except outbound.OutboundFailed as error:
        raise NodeError(str(error), retryable=True) from None


def _body(
    context: NodeContext[HttpRequestParameters],
    answer: outbound.OutboundResponse,
    credential: UsableCredential | None,
) -> Any:
    """Return JSON parsed where the answer says that it is JSON, else text; what is large, as JSON text."""
    is_json = "json" in answer.headers.get("content-type", "")
    if len(answer.body) > PACKED_BYTES and credential is None:  # else secrets are looked for in the values
        queue = str(context.evaluator.scope.execution.get("id", ""))
        try:
            return as_json(
                answer.body, is_json=is_json, group=context.workspace, queue=queue, cancelled=context.cancelled
            )
        except BodyTooLarge as error:
            raise NodeError(str(error)) from None
        except TaskCancelled:
            raise NodeError("Cancelled.") from None
    if is_json:
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            pass
    return answer.body.decode(errors="replace").replace("\x00", "�")
