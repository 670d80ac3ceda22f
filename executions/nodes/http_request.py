from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from executions.domain.errors import NodeError
from executions.domain.items import PACKED_BYTES
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters, UsableCredential
from executions.sandbox.bodies import BodyTooLarge, as_json
from workflow_platform.core import exact_json, outbound
from workflow_platform.core.sandbox.task import TaskCancelled

RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


class HttpRequestParameters(Parameters):
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = Field("GET", title="Method")
    url: str = Field(title="URL", description="http or https. Private addresses are not allowed.", max_length=8000)
    query: dict[str, Any] = Field({}, title="Query", description="Parameters to add to the URL.")
    headers: dict[str, str] = Field({}, title="Headers")
    body: Any = Field(None, title="Body", description="Text is sent as it is, any other value as JSON.")
    credential: str = Field(
        "",
        title="Credential",
        description="The name or id of a credential that authenticates the request.",
        max_length=100,
        json_schema_extra={"format": "credential"},
    )
    timeout_seconds: float = Field(30, title="Timeout", description="Seconds for the whole request.", gt=0, le=600)
    fail_on_error_status: bool = Field(
        True, title="Fail on error status", description="Fail if the response status is 4xx or 5xx."
    )


class HttpRequest(NodeType[HttpRequestParameters]):
    type = "http_request"
    label = "HTTP request"
    description = "Sends an HTTP request for each item."
    icon = "globe"
    category = "network"
    Parameters = HttpRequestParameters
    blocking = True
    url_parameters = ("url",)

    def run(self, context: NodeContext[HttpRequestParameters]) -> NodeResult:
        # Decrypted once for all items: the name is literal, never an expression.
        reference = context.node.parameters.get("credential") or context.node.credentials
        credential = context.credential(str(reference)) if reference and context.items else None
        return NodeResult({"main": [self._request(context, index, credential) for index in range(len(context.items))]})

    def _request(
        self, context: NodeContext[HttpRequestParameters], index: int, credential: UsableCredential | None
    ) -> dict[str, Any]:
        if context.cancelled.is_set():
            raise NodeError("Cancelled.")
        parameters = context.parameters(index)
        headers, body = dict(parameters.headers), None
        header_names = {name.lower() for name in headers}
        if isinstance(parameters.body, str):
            body = parameters.body.encode()
        elif parameters.body is not None:
            body = exact_json.write(parameters.body)
            if "content-type" not in header_names:
                headers["Content-Type"] = "application/json"
        if parameters.method not in {"GET", "HEAD", "OPTIONS"} and "idempotency-key" not in header_names:
            headers["Idempotency-Key"] = f"{context.idempotency_key}/{index}"
        response = _send_authenticated(context, parameters, headers, body, credential)
        if parameters.fail_on_error_status and response.status >= 400:
            raise NodeError(
                f"{parameters.method} {response.url} responded with status {response.status}.",
                retryable=response.status in RETRYABLE_STATUSES,
            )
        return {"status": response.status, "headers": response.headers, "body": _body(context, response, credential)}


def _send_authenticated(
    context: NodeContext[HttpRequestParameters],
    parameters: HttpRequestParameters,
    headers: dict[str, str],
    body: bytes | None,
    credential: UsableCredential | None,
) -> outbound.OutboundResponse:
    """Send with the node's credential, if it has one; retry once with a new token if the token is rejected."""
    if credential is None:
        return _send(context, parameters, headers, parameters.query, body)
    response = _send(context, parameters, *credential.apply(parameters.url, headers, parameters.query), body)
    if response.status == 401 and credential.renew():
        response = _send(context, parameters, *credential.apply(parameters.url, headers, parameters.query), body)
    return response


def _send(
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
    response: outbound.OutboundResponse,
    credential: UsableCredential | None,
) -> Any:
    """Return the body: parsed if its content type is JSON, else as text; large bodies as packed JSON text."""
    is_json = "json" in response.headers.get("content-type", "")
    if len(response.body) > PACKED_BYTES and credential is None:  # with a credential, the values must be redacted
        queue = str(context.evaluator.scope.execution.get("id", ""))
        try:
            return as_json(
                response.body, is_json=is_json, group=context.workspace, queue=queue, cancelled=context.cancelled
            )
        except BodyTooLarge as error:
            raise NodeError(str(error)) from None
        except TaskCancelled:
            raise NodeError("Cancelled.") from None
    if is_json:
        try:
            return exact_json.read(response.body)
        except exact_json.NotJson:
            pass
    return response.body.decode(errors="replace").replace("\x00", "�")
