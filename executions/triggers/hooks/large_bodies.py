"""Decides before a large body of a request to /hooks/ is read whether to read it."""

from __future__ import annotations

import hmac

from django.http import HttpRequest
from django.urls import Resolver404, resolve
from django.utils import timezone

from executions.triggers.hooks.listeners import listening, tested
from executions.triggers.hooks.requests import HookRequest, RefusedRequest, requested_path
from executions.triggers.hooks.spooled_bodies import STREAMING_SCHEMES, largest_body
from executions.triggers.hooks.verification import rejection
from executions.waits import waits
from workflow_platform.core.api.problems import NOT_FOUND
from workflow_platform.core.requests.client_address import client_address


def refused(request: HttpRequest, size: int) -> RefusedRequest | int | None:
    """Return the refusal that does not depend on the content of the body of `size` bytes; otherwise the largest body
    that may be read, None for the general limit."""
    try:
        match = resolve(request.path_info)
    except Resolver404:
        return RefusedRequest(404, NOT_FOUND)
    if match.url_name == "resume":
        expected = waits.resume_signature(match.kwargs["execution_id"])
        valid = hmac.compare_digest(match.kwargs["signature"].encode(), expected.encode())
        return None if valid else RefusedRequest(404, "No execution waits at this URL.")
    path, test = requested_path(request, match.kwargs["path"]), bool(match.kwargs.get("test"))
    hook_request = HookRequest(
        method=str(request.method),
        path=match.kwargs["path"].rstrip("/"),
        requested_path=path,
        headers={},
        query_string=b"",
        body=b"",
        address=client_address(request.META),
        received_at=timezone.now(),
        test=test,
        body_bytes=size,
    )
    listener = tested(path) if test else listening([path]).get(path)
    refusal = rejection(hook_request, listener)
    if refusal is not None:
        return refusal
    # A scheme that verifies the whole body at once needs it in memory.
    scheme = listener.auth if listener else None
    return largest_body(request) if scheme is None or scheme.type in STREAMING_SCHEMES else None
