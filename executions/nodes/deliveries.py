"""The message that a node sends as a webhook, and the delivery as a workflow sees it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from executions.domain.digests import digest_of
from executions.nodes.exchanges import Sent, SentData
from webhooks.models import Delivery, DeliveryStatus, Endpoint, Rank
from webhooks.retry_schedule import RetryPolicy
from webhooks.secrets import Auth, NoAuth
from workflow_platform.core import outbound


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The message for one item: to a URL, or to an endpoint with the endpoint's settings."""

    endpoint: Endpoint | None = None
    url: str = ""
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    body: str = field(default="", repr=False)
    content_type: str = "application/json"
    auth: Auth = field(default_factory=NoAuth, repr=False)
    secret: str = field(default="", repr=False)
    timeout_seconds: float = 15.0
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    rank: Rank = Rank.DEFAULT
    idempotency_key: str


def request_of(message: Message) -> Sent | SentData:
    """Return a message as it is recorded, without what authenticates it. Its digest leaves out the key of the run."""
    body = message.body.encode(errors="surrogatepass")
    body_digest = hashlib.sha256(body).hexdigest()
    if message.endpoint is not None:
        target = {"endpoint": message.endpoint.name, "endpoint_id": str(message.endpoint.pk)}
        content = target | {"content_type": message.content_type, "body": message.body}
        return SentData(content, digest_of([str(message.endpoint.pk), message.content_type, body_digest]))
    headers = {name.lower(): value for name, value in message.headers.items()}
    digest = digest_of([message.method, message.url, headers, message.content_type, body_digest])
    if message.content_type:
        headers = {"content-type": message.content_type} | headers
    return Sent(message.method, outbound.shown_url(message.url), headers, body, digest)


def about(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery as a workflow sees it: `{delivery_id, status, status_code, attempts, error}`."""
    return {
        "delivery_id": str(delivery.pk),
        "status": delivery.status,
        "status_code": delivery.status_code,
        "attempts": delivery.attempts_made,
        "error": delivery.error if delivery.status != DeliveryStatus.DELIVERED else "",
    }


def gone(delivery_id: str) -> dict[str, Any]:
    """Return the same for a delivery that retention removed before the workflow read it."""
    error = "The delivery was removed by retention before the workflow read its outcome."
    return {"delivery_id": delivery_id, "status": "unknown", "status_code": None, "attempts": 0, "error": error}
