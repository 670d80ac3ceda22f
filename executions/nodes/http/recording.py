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
from executions.nodes.http.file_answers import AnswerFile
from executions.nodes.http.sending import NodeRequest, RequestSender
from executions.nodes.http.texts import encoded
from workflow_platform.core import outbound

_BOUNDARY = re.compile(r"multipart/form-data; boundary=([0-9a-f]{32})")
_OF_THE_RUN = frozenset({"idempotency-key"})
"""Headers that differ from run to run."""


def send_recorded(
    context: NodeContext[Any], index: int, sender: RequestSender, request: NodeRequest, answer: AnswerFile
) -> outbound.OutboundResponse:
    """Send the request of an item and record the exchange. Returns the answer, whose body may be in `answer` instead.
    Raises NodeError."""
    sent = _sent(request)
    try:
        response = sender.send(request)
    except NodeError as error:
        context.record(index, sent, str(error))
        raise
    body, file_bytes = answer.body_of(response)
    headers = headers_of(response.fields)
    context.record(index, sent, Received(response.status, headers, body, response.truncated, file_bytes))
    return response


def _sent(request: NodeRequest) -> Sent:
    query, boundary = encoded(request.query, request.lists), b""
    headers = {name.lower(): value for name, value in request.headers.items() if name.lower() not in _OF_THE_RUN}
    for name, value in headers.items():
        if found := _BOUNDARY.fullmatch(value):  # random
            headers, boundary = headers | {name: "multipart/form-data"}, found[1].encode()
            break
    parts = [request.method, request.url, query, headers, _body_digest(request.body, boundary)]
    url = outbound.shown_url(request.url + ("&" if "?" in request.url else "?") + query if query else request.url)
    body = request.body
    held, file_bytes = (None, body.size) if isinstance(body, outbound.OutboundBody) else (body, 0)
    return Sent(request.method, url, request.headers, held, digest_of(parts), file_bytes)


def _body_digest(body: bytes | outbound.OutboundBody | None, boundary: bytes) -> str:
    """Return the digest of a body without its random boundary. Files are read once more, piece by piece."""
    digest = hashlib.sha256()
    for piece in body.pieces() if isinstance(body, outbound.OutboundBody) else [body or b""]:
        digest.update(piece.replace(boundary, b"") if boundary else piece)
    return digest.hexdigest()
