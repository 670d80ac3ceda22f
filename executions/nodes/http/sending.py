"""Sends the requests of a node: with its credential, through redirects, within its time limit."""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urljoin, urlsplit

from pydantic import AfterValidator

from executions.domain.errors import NodeError
from executions.nodes.base import UsableCredential
from executions.nodes.http.answers import headers_of
from executions.nodes.http.texts import ListFormat, encoded
from executions.nodes.responses import response_of
from workflow_platform.core import backoff, outbound
from workflow_platform.core.secrets.secret_names import is_secret
from workflow_platform.core.telemetry.trace_context import HEADER as TRACEPARENT

RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
MAX_REDIRECTS = 10

Url = Annotated[str, AfterValidator(outbound.escaped)]
Redirects = Literal["follow", "stop", "error"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OF_THE_BODY = re.compile(r"content-.*|idempotency-key", re.IGNORECASE)
_UPGRADE = (("http", 80), ("https", 443))


@dataclass(frozen=True, slots=True)
class NodeRequest:
    """A request, and what must hold for its sending."""

    method: str
    url: str
    headers: dict[str, str]
    query: dict[str, Any]
    body: bytes | outbound.OutboundBody | None = None
    lists: ListFormat = "repeat"
    trusted: bool = True
    """Whether it goes to the host that the node names, which may receive the credential."""


@dataclass(frozen=True, slots=True)
class RequestSender:
    """Sends the requests of one node run."""

    credential: UsableCredential | None
    cancelled: threading.Event
    timeout_seconds: float
    redirects: Redirects
    receiver: outbound.Receiver | None = None
    """Where the body of an answer goes."""
    traceparent: str = ""
    """The header of that name, unless the request has its own. It is not recorded: it differs from run to run."""

    def send(self, request: NodeRequest) -> outbound.OutboundResponse:
        """Return the answer, that of the last hop if redirects are followed. Raises NodeError."""
        deadline = time.monotonic() + self.timeout_seconds
        for hop in range(MAX_REDIRECTS + 1):
            try:
                response = self._send_authenticated(request, max(0.001, deadline - time.monotonic()))
            except outbound.OutboundRefused as error:
                where = f"the redirect to {outbound.shown_url(request.url)} is refused: " if hop else ""
                raise NodeError(f"parameters.url: {where}{error}") from None
            except outbound.OutboundCancelled as error:
                raise NodeError(str(error)) from None
            except outbound.OutboundFailed as error:
                message = str(error).replace(request.url, outbound.shown_url(request.url)) if hop else str(error)
                raise NodeError(message, retryable=True) from None
            target = _target(response)
            if target is None or self.redirects == "stop":
                return response
            if self.redirects == "error":
                raise NodeError(
                    f"{request.method} {request.url} responded with a redirect ({response.status}) to"
                    f" {outbound.shown_url(target)}. Set `redirects` to follow, or call that URL.",
                    response=answered(response),
                )
            request = redirected(request, response.status, target)
        raise NodeError(f"parameters.url: more than {MAX_REDIRECTS} redirects followed each other, the limit.")

    def _send_authenticated(self, request: NodeRequest, seconds: float) -> outbound.OutboundResponse:
        """Send with the credential, if there is one; once more with a new token if the token is rejected."""
        response = self._send_once(request, seconds)
        if response.status == 401 and request.trusted and self.credential is not None and self.credential.renew():
            response = self._send_once(request, seconds)
        return response

    def _send_once(self, request: NodeRequest, seconds: float) -> outbound.OutboundResponse:
        headers, query = request.headers, request.query
        if self.traceparent and TRACEPARENT not in {name.lower() for name in headers}:
            headers = headers | {TRACEPARENT: self.traceparent}
        if self.credential is not None and request.trusted:
            headers, query = self.credential.apply(request.url, headers, query)
            # The target of a redirect may repeat what the credential added to the query.
            given = {name for name, _ in parse_qsl(urlsplit(request.url).query, keep_blank_values=True)}
            query = {name: value for name, value in query.items() if name in request.query or name not in given}
        return outbound.send(
            request.method,
            request.url,
            params=encoded(query, request.lists),
            headers=headers,
            body=request.body,
            timeout_seconds=seconds,
            cancelled=self.cancelled,
            receiver=self.receiver,
        )


def redirected(request: NodeRequest, status: int, target: str) -> NodeRequest:
    """Return the request that follows a redirect, as browsers make it (Fetch standard). Raises NodeError.

    On its way to another host it loses credentials. A body is not sent to another host.
    """
    method = request.method
    if (status in {301, 302} and method == "POST") or (status == 303 and method not in {"GET", "HEAD"}):
        headers = {name: value for name, value in request.headers.items() if not _OF_THE_BODY.fullmatch(name)}
        request = replace(request, method="GET", body=None, headers=headers)
    return followed(request, target, "redirect")


def followed(request: NodeRequest, target: str, what: str) -> NodeRequest:
    """Return the same request to a URL that the server named in a redirect or as the next page. Raises NodeError if it
    would take a body to another host."""
    if same_host := _same_host(request.url, target):
        headers = request.headers
    elif request.body is not None:
        raise NodeError(
            f"parameters.url: the {what} to {outbound.shown_url(target)} would send the body to another host."
            " Use that URL, or do not follow it."
        )
    else:
        headers = {name: value for name, value in request.headers.items() if not is_secret(name)}
    return replace(request, url=target, headers=headers, query={}, trusted=request.trusted and same_host)


def fail_on_status(request: NodeRequest, response: outbound.OutboundResponse, redirects: Redirects) -> None:
    """Raise NodeError if the status of the answer to a request is no success. 304 is one: the request asked for it."""
    status = response.status
    if status < 300 or status == 304 or (status < 400 and redirects == "stop"):
        return
    url = response.url if response.url == request.url else outbound.shown_url(response.url)
    raise NodeError(
        f"{request.method} {url} responded with status {status}.",
        retryable=status in RETRYABLE_STATUSES,
        retry_after=backoff.retry_after(response.headers.get("retry-after", ""), datetime.now(UTC)),
        response=answered(response),
    )


def answered(response: outbound.OutboundResponse) -> dict[str, Any]:
    """Return an answer as the error of a node carries it."""
    return response_of(response.status, headers_of(response.fields), response.body, truncated=response.truncated)


def _target(response: outbound.OutboundResponse) -> str | None:
    """Return the URL of a redirect; None for any other answer."""
    location = response.headers.get("location", "")
    if response.status not in _REDIRECTS or not location:
        return None
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode()  # URLs in headers should be ASCII, and often are UTF-8
    try:
        return outbound.escaped(urljoin(response.url, location.strip()))
    except ValueError:
        raise NodeError(f"{response.url} responded with a redirect to a malformed URL.") from None


def _same_host(url: str, target: str) -> bool:
    """Return whether the target of a redirect is the same server: host, scheme and port are the same, or http became
    https."""
    before, after = _origin(url), _origin(target)
    return before == after or (before[0] == after[0] and (before[1:], after[1:]) == _UPGRADE)


def _origin(url: str) -> tuple[str | None, str, int]:
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.scheme, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None, url, 0
