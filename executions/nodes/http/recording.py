"""Records requests and answers on the node run."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from executions.domain.digests import digest_of
from executions.domain.errors import NodeError
from executions.nodes.base import NodeContext
from executions.nodes.exchanges import Received, Sent
from executions.nodes.http.answers import headers_of
from executions.nodes.http.sending import NodeRequest, RequestSender
from executions.nodes.http.texts import encoded
from workflow_platform.core import outbound

_BOUNDARY = re.compile(r"multipart/form-data; boundary=([0-9a-f]{32})")
_OF_THE_RUN = frozenset({"idempotency-key"})
"""Headers that differ from run to run."""


def send_recorded(
    context: NodeContext[Any], index: int, sender: RequestSender, request: NodeRequest
) -> outbound.OutboundResponse:
    """Send the request of an item and record the exchange. Returns the answer. Raises NodeError."""
    sent = _sent(request)
    try:
        response = sender.send(request)
    except NodeError as error:
        context.record(index, sent, str(error))
        raise
    received = Received(response.status, headers_of(response.fields), response.body, response.truncated)
    context.record(index, sent, received)
    return response


def _sent(request: NodeRequest) -> Sent:
    query, body = encoded(request.query, request.lists), request.body or b""
    headers = {name.lower(): value for name, value in request.headers.items() if name.lower() not in _OF_THE_RUN}
    for name, value in headers.items():
        if found := _BOUNDARY.fullmatch(value):  # random
            headers = headers | {name: "multipart/form-data"}
            body = body.replace(found[1].encode(), b"")
            break
    parts = [request.method, request.url, query, headers, hashlib.sha256(body).hexdigest()]
    url = outbound.shown_url(request.url + ("&" if "?" in request.url else "?") + query if query else request.url)
    return Sent(request.method, url, request.headers, request.body, digest_of(parts))
