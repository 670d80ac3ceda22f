from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import Field

from executions.domain.binaries import DEFAULT_KEY
from executions.domain.effects import Effect
from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes.base import ItemNodeType, NodeContext, Parameters, UsableCredential
from executions.nodes.file_access import file_of
from executions.nodes.http.bodies import Body, build_body, file_body
from executions.nodes.http.file_answers import AnswerFile, ResponseForm
from executions.nodes.http.pages import PageSequence, Pagination, Place
from executions.nodes.http.recording import send_recorded
from executions.nodes.http.sending import MAX_REDIRECTS, NodeRequest, Redirects, RequestSender, Url, fail_on_status
from executions.nodes.http.texts import Headers, ListFormat, text_of

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
        " application/x-www-form-urlencoded or multipart/form-data, where a file is {filename, content_type, base64} or"
        " one of $binary;"
        " {base64} with another type as bytes; any other value as JSON.",
    )
    binary: str = Field(
        "",
        title="File",
        description="The key of a file of the item ($binary) that is sent as the body.",
        max_length=200,
    )
    response: ResponseForm = Field(
        "auto",
        title="Response",
        description="auto: text and JSON become the body, anything else a file ($binary); file: always a file; value:"
        " never.",
    )
    response_binary: str = Field(
        DEFAULT_KEY,
        title="Key of the response",
        description="The key of the response under $binary, if it is a file.",
        min_length=1,
        max_length=200,
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
    pagination: Pagination | None = Field(
        None, title="Pagination", description="Fetches further pages. Each page is an item."
    )


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
        call = partial(_call, context, parameters, credential, index)
        if parameters.pagination is None:
            return {"main": [call(request)[0]]}
        rebuild = partial(_with_parameter, context, parameters, index)
        return {"main": list(PageSequence(request, parameters.pagination, call, rebuild, context.cancelled).all())}


def _call(
    context: NodeContext[HttpRequestParameters],
    parameters: HttpRequestParameters,
    credential: UsableCredential | None,
    index: int,
    request: NodeRequest,
) -> tuple[Item, int]:
    """Send a request. Returns the answer as an item, and the size of its body. Raises NodeError."""
    pagination = parameters.pagination
    with AnswerFile(context, parameters.response, request.url) as answer:
        limits = context.cancelled, parameters.timeout_seconds, parameters.redirects
        sender = RequestSender(credential, *limits, answer.receive, context.traceparent())
        response = send_recorded(context, index, sender, request, answer)
        if parameters.fail_on_error_status and not (pagination and response.status in pagination.end_statuses):
            fail_on_status(request, response, parameters.redirects)
        # With a credential the body must be values, in which its secrets can be redacted; with pages, to find the next.
        packed = credential is None and pagination is None
        return answer.item(response, parameters.response_binary, packed=packed), len(response.body) or answer.size


def _with_parameter(
    context: NodeContext[HttpRequestParameters],
    parameters: HttpRequestParameters,
    index: int,
    place: Place,
    name: str,
    value: Any,
) -> NodeRequest:
    """Return the request with a parameter set in its query, body or headers. Raises NodeError."""
    fields = getattr(parameters, place)
    if fields is None and place == "body":
        fields = {}
    if not isinstance(fields, dict):
        raise NodeError(f"parameters.pagination.place: the body must be an object, in which {name!r} is set.")
    added = {name: text_of(value) if place == "headers" else value}
    return _request(context, parameters.model_copy(update={place: fields | added}), index)


def _pause(context: NodeContext[HttpRequestParameters], batch: Batch | None, index: int) -> None:
    """Wait before the first item of a batch. Raises NodeError if the node run is cancelled."""
    if batch is not None and batch.interval_ms and index and index % batch.size == 0:
        context.cancelled.wait(batch.interval_ms / 1000)
    if context.cancelled.is_set():
        raise NodeError("Cancelled.")


def _request(context: NodeContext[HttpRequestParameters], parameters: HttpRequestParameters, index: int) -> NodeRequest:
    body: Body | None
    if parameters.binary:
        if parameters.body is not None:
            raise NodeError(f"parameters.body: leave it empty to send the file {parameters.binary!r} (item {index}).")
        body, headers = file_body(
            context.files.open(file_of(context.items[index], parameters.binary, index)), parameters.headers
        )
    else:
        body, headers = build_body(parameters.body, parameters.headers, parameters.lists, context.files)
    names = {name.lower() for name in headers}
    if parameters.method not in SAFE_METHODS and "idempotency-key" not in names:
        headers = headers | {"Idempotency-Key": f"{context.idempotency_key}/{index}"}
    return NodeRequest(parameters.method, parameters.url, headers, parameters.query, body, parameters.lists)
