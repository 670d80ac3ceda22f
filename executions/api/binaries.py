"""`/api/executions/{id}/binaries/{reference}/`: the content of a file of an execution.

The content comes from outside, and the caller's browser is logged in here. It is therefore always an attachment, in a
sandbox, and with the type that it was stored with.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from executions.binaries import CHUNK_BYTES, BinaryReader, NoSuchBinary, find, streamed
from executions.models import Binary, Execution
from workflow_platform.core.accounts.shortcuts import get_visible_or_404
from workflow_platform.core.api.problems import json_problem
from workflow_platform.core.requests.sandbox_headers import SANDBOX

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)

_ANY_TYPE = "*/*"


class _StoredType(BaseContentNegotiation):
    """A file has the type that it was stored with, whatever `Accept` says."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class BinaryView(APIView):
    content_negotiation_class = _StoredType

    @extend_schema(
        operation_id="executions_binaries_retrieve",
        parameters=[
            OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="One range, such as `bytes=0-1023`."),
            OpenApiParameter("If-Range", str, OpenApiParameter.HEADER, description="The `ETag` of the first part."),
            OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="An `ETag` held already."),
        ],
        responses={
            (200, _ANY_TYPE): OpenApiTypes.BINARY,
            (206, _ANY_TYPE): OpenApiTypes.BINARY,
            304: None,
            416: None,
        },
    )
    def get(self, request: Request, execution_id: UUID, reference: UUID) -> HttpResponseBase:
        """Download a file (`$binary`) of an execution, or one range of it. It is always sent as an attachment."""
        execution = get_visible_or_404(Execution.objects.only("pk"), request.user, pk=execution_id)
        try:
            binary = find(execution.pk, reference)
        except NoSuchBinary:
            raise Http404 from None
        answer = _answer(request, binary)
        answer["ETag"], answer["Accept-Ranges"], answer["Cache-Control"] = _etag(binary), "bytes", "private, no-cache"
        for name, value in SANDBOX.items():
            answer[name.decode()] = value.decode()
        return answer


def _answer(request: Request, binary: Binary) -> HttpResponseBase:
    size = binary.size or 0
    if _etag(binary) in _tags(request.headers.get("If-None-Match", "")):
        return HttpResponse(status=304)
    begin, end, partial = 0, size, False
    if request.headers.get("If-Range", _etag(binary)) == _etag(binary):
        asked = _requested_range(request.headers.get("Range", ""), size)
        if asked == UNSATISFIABLE:
            answer: HttpResponseBase = json_problem(request, 416, f"The range is outside of the file's {size} bytes.")
            answer["Content-Range"] = f"bytes */{size}"
            return answer
        if asked is not None:
            (begin, end), partial = asked, True
    headers = {
        "Content-Length": str(end - begin),
        "Content-Disposition": str(content_disposition_header(True, binary.name)),
    }
    if partial:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    status = 206 if partial else 200
    if request.method == "HEAD" or begin == end:
        return HttpResponse(status=status, content_type=binary.media_type, headers=headers)
    file = BinaryReader(binary)
    if end - begin <= CHUNK_BYTES:
        return HttpResponse(
            b"".join(file.chunks(begin, end)), status=status, content_type=binary.media_type, headers=headers
        )
    return StreamingHttpResponse(
        streamed(file, begin, end), status=status, content_type=binary.media_type, headers=headers
    )


UNSATISFIABLE = (-1, -1)


def _requested_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last; UNSATISFIABLE; or None if the header asks for no single range.
    RFC 9110 lets a server ignore such headers."""
    found = _RANGE.fullmatch(header)
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:  # the last bytes
        return (max(0, size - int(last)), size) if int(last) and size else UNSATISFIABLE
    if last and int(last) < int(first):
        return None
    begin, end = int(first), min(int(last) + 1, size) if last else size
    return (begin, end) if begin < size else UNSATISFIABLE


def _etag(binary: Binary) -> str:
    return f'"{bytes(binary.sha256 or b"").hex()}"'


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}
