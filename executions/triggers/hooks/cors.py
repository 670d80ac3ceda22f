"""Calls of webhooks from pages of other sites (CORS, Fetch standard): preflights, and the headers of responses.

A response never allows credentials: webhooks use no cookies.
"""

from __future__ import annotations

import re

from executions.nodes.webhook_trigger import WebhookTriggerParameters
from executions.triggers.hooks.requests import AnsweredRequest, HookRequest, RefusedRequest

ANY = "*"
MAX_AGE_SECONDS = 600
PREFLIGHT_STATUS = 204
_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+(\s*,\s*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")
_MAX_NAMES = 2_000


def is_preflight(request: HookRequest, parameters: WebhookTriggerParameters) -> bool:
    """Return whether a browser asks whether it may send a request. A trigger that accepts OPTIONS answers itself."""
    asks = "origin" in request.headers and "access-control-request-method" in request.headers
    return request.method == "OPTIONS" and asks and "OPTIONS" not in parameters.methods


def answer(request: HookRequest, parameters: WebhookTriggerParameters) -> AnsweredRequest | RefusedRequest:
    """Return the response to a preflight."""
    origin = request.headers["origin"]
    if not response_headers(request, parameters).get("Access-Control-Allow-Origin"):
        reason = f"{origin[:200]} is not in the allowed origins."
        return RefusedRequest(403, "Pages of this origin may not call this webhook.", reason=reason)
    headers = {
        "Access-Control-Allow-Methods": ", ".join(parameters.methods),
        "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
    }
    asked = request.headers.get("access-control-request-headers", "").strip()
    if asked and len(asked) <= _MAX_NAMES and _NAMES.fullmatch(asked):
        headers["Access-Control-Allow-Headers"] = asked
    return AnsweredRequest({}, status=PREFLIGHT_STATUS, headers=headers)


def response_headers(request: HookRequest, parameters: WebhookTriggerParameters | None) -> dict[str, str]:
    """Return the headers with which a browser lets a page read a response; none for other callers."""
    origin = request.headers.get("origin", "")
    if not origin or parameters is None:
        return {}
    allowed = allowed_origins(parameters)
    if ANY in allowed:
        return {"Access-Control-Allow-Origin": ANY}
    return {"Vary": "Origin"} | ({"Access-Control-Allow-Origin": origin} if origin.lower() in allowed else {})


def allowed_origins(parameters: WebhookTriggerParameters) -> list[str]:
    """Return the allowed origins. By default all are, but none if only some addresses may call: a page of any site
    could read responses through the browser of somebody there."""
    if parameters.allowed_origins is None:
        return [] if parameters.allow_from else [ANY]
    return parameters.allowed_origins
