"""Whether the large body of a request to /hooks/ is worth reading: asked before it is read."""

from __future__ import annotations

import hmac

from django.http import HttpRequest
from django.urls import Resolver404, resolve
from django.utils import timezone

from executions.triggers.hooks.listeners import listening, tested
from executions.triggers.hooks.requests import HookRequest, RefusedRequest
from executions.triggers.hooks.verification import rejection
from executions.waits import waits
from workflow_platform.core.api.problems import NOT_FOUND
from workflow_platform.core.requests.client_address import client_address


def refused(request: HttpRequest, size: int) -> RefusedRequest | None:
    """Return why the request is refused whatever its body of `size` bytes says; None if it is to be read."""
    try:
        match = resolve(request.path_info)
    except Resolver404:
        return RefusedRequest(404, NOT_FOUND)
    if match.url_name == "resume":
        right = waits.resume_signature(match.kwargs["execution_id"])
        proved = hmac.compare_digest(match.kwargs["signature"].encode(), right.encode())
        return None if proved else RefusedRequest(404, "Nothing waits here.")
    path, test = match.kwargs["path"].rstrip("/"), bool(match.kwargs.get("test"))
    arrived = HookRequest(
        method=str(request.method),
        path=path,
        headers={},
        query_string=b"",
        body=b"",
        address=client_address(request.META),
        received_at=timezone.now(),
        test=test,
        body_bytes=size,
    )
    return rejection(arrived, tested(path) if test else listening([path]).get(path))
