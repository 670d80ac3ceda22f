"""The headers of every response under /hooks/: of the view, of refusals, and of Django's error handlers.

Workflows write these responses, and browsers open them at the platform's address, where users are logged in. The
sandbox gives a response of any type a separate origin without scripts, forms or workers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import orjson

from webhooks.inbound.response_headers import is_well_formed
from workflow_platform.core.api import problems
from workflow_platform.core.requests.sandbox_headers import SANDBOX

logger = logging.getLogger(__name__)

_OURS = {name.lower() for name in SANDBOX}
FAILED = "The server failed to process this request. See its log for the reason."


async def respond_sandboxed(application: Any, scope: Any, receive: Any, send: Any) -> None:
    """Run the application for an HTTP request and add these headers to its response. If it raises, the response is
    500."""
    started = False

    async def send_sandboxed(message: Any) -> None:
        nonlocal started
        if message["type"] == "http.response.start":
            started = True
            message = message | {"headers": _sandboxed(message.get("headers", ()))}
        await send(message)

    try:
        await application(scope, receive, send_sandboxed)
    except Exception:
        if started:
            raise
        fields = {"method": scope["method"], "path": scope["path"], "status_code": 500}
        logger.exception("webhook request failed; answered 500", extra=fields)
        await send_problem(scope, send_sandboxed, 500, FAILED)


async def send_problem(scope: Any, send: Any, status: int, detail: str) -> None:
    """Respond to an HTTP request with a problem."""
    content = orjson.dumps(problems.body(status, detail, scope["path"]))
    headers = [(b"Content-Type", problems.CONTENT_TYPE.encode()), (b"Content-Length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _sandboxed(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    kept = []
    for name, value in headers:
        if not is_well_formed(name.decode("latin-1"), value.decode("latin-1")):
            # The server would raise, and the caller would get no response.
            logger.warning("header %r left out of a webhook response: it is malformed", name[:100])
        elif name.lower() not in _OURS:
            kept.append((name, value))
    return [*kept, *SANDBOX.items()]
