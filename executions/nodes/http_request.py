from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Literal

from pydantic import Field

from executions.domain.effects import Effect
from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, Parameters, UsableCredential
from executions.nodes.http.answers import item_of
from executions.nodes.http.bodies import build_body
from executions.nodes.http.sending import MAX_REDIRECTS, NodeRequest, Redirects, RequestSender, Url, fail_on_status
from executions.nodes.http.texts import Headers, ListFormat

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
EFFECTS: dict[str, Effect] = {
    **dict.fromkeys(sorted(SAFE_METHODS), "reads"),
    **dict.fromkeys(("POST", "PUT", "PATCH", "DELETE"), "writes"),
}


class Batch(Parameters):
    size: int = Field(1, title="Size", description="Requests that are sent without a pause.", ge=1, le=10_000)
    interval_ms: float = Field(0, title="Pause", description="Milliseconds between batches.", ge=0, le=600_000)


class HttpRequestParameters(Parameters):
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = Field("GET", title="Method")
    url: Url = Field(title="URL", description="http or https. Private addresses are not allowed.", max_length=8000)
    query: dict[str, Any] = Field(
        {}, title="Query", description="Parameters to add to the URL. Those that are null are left out."
    )
    lists: ListFormat = Field(
        "repeat",
        title="Lists",
        description="How lists are written in the query and in forms: a=1&a=2, a[]=1&a[]=2 (objects as a[b]=1) or"
        " a=1,2.",
    )
    headers: Headers = Field({}, title="Headers")
    body: Any = Field(
        None,
        title="Body",
        description="Text is sent as it is. An object is sent as a form if the header Content-Type is"
        " application/x-www-form-urlencoded or multipart/form-data, where a file is {filename, content_type, base64};"
        " {base64} with another type as bytes; any other value as JSON.",
    )
    credential: str = Field(
        "",
        title="Credential",
        description="The name or id of a credential that authenticates the request.",
        max_length=100,
        json_schema_extra={"format": "credential"},
    )
    timeout_seconds: float = Field(30, title="Timeout", description="Seconds for the whole request.", gt=0, le=600)
    redirects: Redirects = Field(
        "follow",
        title="Redirects",
        description=f"follow: up to {MAX_REDIRECTS}, without credentials to other hosts; stop: the redirect is the"
        " result; error: fail.",
    )
    fail_on_error_status: bool = Field(
        True, title="Fail on error status", description="Fail if the response status is not a success."
    )
    batch: Batch | None = Field(None, title="Batches", description="Pauses between the requests of many items.")


class HttpRequest(ItemNodeType[HttpRequestParameters]):
    type = "http_request"
    label = "HTTP request"
    description = "Sends an HTTP request for each item."
    icon = "globe"
    category = "network"
    Parameters = HttpRequestParameters
    blocking = True
    url_parameters = ("url",)
    effect = "writes"
    effects: ClassVar[Mapping[str, Mapping[str, Effect]]] = {"method": EFFECTS}

    def opened(self, context: NodeContext[HttpRequestParameters]) -> AbstractContextManager[UsableCredential | None]:
        # Decrypted once for all items: the name is literal, never an expression.
        reference = context.node.parameters.get("credential") or context.node.credentials
        return nullcontext(context.credential(str(reference)) if reference and context.items else None)

    def run_item(self, context: NodeContext[HttpRequestParameters], index: int, item: Item) -> dict[str, Items]:
        credential: UsableCredential | None = context.shared
        parameters = context.parameters(index)
        _pause(context, parameters.batch, index)
        request = _request(context, parameters, index)
        sender = RequestSender(credential, context.cancelled, parameters.timeout_seconds, parameters.redirects)
        response = sender.send(request)
        if parameters.fail_on_error_status:
            fail_on_status(request, response, parameters.redirects)
        # With a credential the body must be values, in which its secrets can be redacted.
        return {"main": [item_of(context, response, packed=credential is None)]}


def _pause(context: NodeContext[HttpRequestParameters], batch: Batch | None, index: int) -> None:
    """Wait before the first item of a batch. Raises NodeError if the node run is cancelled."""
    if batch is not None and batch.interval_ms and index and index % batch.size == 0:
        context.cancelled.wait(batch.interval_ms / 1000)
    if context.cancelled.is_set():
        raise NodeError("Cancelled.")


def _request(context: NodeContext[HttpRequestParameters], parameters: HttpRequestParameters, index: int) -> NodeRequest:
    body, headers = build_body(parameters.body, parameters.headers, parameters.lists)
    names = {name.lower() for name in headers}
    if parameters.method not in SAFE_METHODS and "idempotency-key" not in names:
        headers = headers | {"Idempotency-Key": f"{context.idempotency_key}/{index}"}
    return NodeRequest(parameters.method, parameters.url, headers, parameters.query, body, parameters.lists)
