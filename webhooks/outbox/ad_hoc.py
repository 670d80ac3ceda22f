"""Ad-hoc deliveries: to a URL, requested through the API, by a node of an execution, or by a replay."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4, uuid5

from django.db import transaction
from django.utils import timezone

from events.log.recorded import RecordedEvent
from webhooks.models import Delivery, Lane, Origin, Rank
from webhooks.models.endpoint import MAX_URL
from webhooks.outbox.writing import write_once
from webhooks.retry_schedule import RetryPolicy
from webhooks.secrets import Auth, NoAuth, SealedSecrets, SigningSecret, public_url
from workflow_platform.core.outbound.addresses import OutboundRefused, parse_url

_METHOD = re.compile(r"[A-Z]{1,7}")
_PORTS = {"http": 80, "https": 443}
_MAX_HOST = 300
INSTALLATION = UUID(int=0)
TIMEOUT_SECONDS = 15.0
ED25519_PREFIX = "whsk_"


class BadAdHoc(ValueError):
    """The message is invalid. `field` names the cause."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class AdHoc:
    """A message for a URL. It is signed if it has a `secret` (`whsec_…`, `whsk_…`)."""

    workspace_id: UUID | None
    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str = field(default="", repr=False)
    content_type: str = "application/json"
    auth: Auth = field(default_factory=NoAuth, repr=False)
    secret: str = field(default="", repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    rank: Rank = Rank.DEFAULT
    origin: Origin = Origin.API
    execution_id: UUID | None = None
    workflow_id: UUID | None = None
    node_id: str = ""
    run_index: int | None = None
    idempotency_key: str = ""
    awaited: bool = False
    event: RecordedEvent | None = None
    """The event that the body shows."""
    message_id: str = ""
    """The `webhook-id`; by default it is made of the delivery's id."""
    public_headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers, which are logged as they are."""
    other_secrets: Sequence[str] = field(default=(), repr=False)
    """Texts that must not be logged."""


def create_ad_hoc(messages: Sequence[AdHoc]) -> list[Delivery]:
    """Create deliveries, and lanes for new hosts. Returns the deliveries in the order of `messages`.

    There is at most one delivery per idempotency key in a workspace: a repeated key returns the existing delivery.
    Raises BadAdHoc. The caller checks whether the address may be called, since that takes time. Runs in the caller's
    transaction, or in its own.
    """
    deliveries = [_delivery(message) for message in messages]
    if not deliveries:
        return []
    with transaction.atomic():
        lanes = {lane.pk: lane for lane in map(_lane, messages)}
        # Sorted, to avoid deadlocks between transactions that create the same lanes.
        Lane.objects.bulk_create([lanes[pk] for pk in sorted(lanes)], ignore_conflicts=True)
        return write_once(deliveries)


def lane_id_of(workspace_id: UUID | None, url: str) -> UUID:
    """Return the lane id of a URL's origin in a workspace, or in the installation. Raises OutboundRefused."""
    return uuid5(workspace_id or INSTALLATION, _origin_of(url))


def _origin_of(url: str) -> str:
    parts, host, port = parse_url(url)
    return f"{parts.scheme}://{host}:{port or _PORTS[parts.scheme]}"


def _lane(message: AdHoc) -> Lane:
    origin = _origin_of(message.url)
    return Lane(
        id=lane_id_of(message.workspace_id, message.url),
        workspace_id=message.workspace_id,
        host=urlsplit(origin).netloc[:_MAX_HOST],
    )


def _delivery(message: AdHoc) -> Delivery:
    check_ad_hoc(message)
    now = timezone.now()
    kind = "v1a" if message.secret.startswith(ED25519_PREFIX) else "v1"
    signing = (
        [SigningSecret(id=uuid4().hex, kind=kind, secret=message.secret, created_at=now)] if message.secret else []
    )
    secrets = SealedSecrets(
        signing=signing, auth=message.auth, headers=dict(message.headers), other=list(message.other_secrets)
    )
    event = message.event
    return Delivery(
        event_id=None if event is None else UUID(event.id),
        event_type="" if event is None else event.type,
        stream="" if event is None else event.stream,
        sequence=None if event is None else event.sequence,
        workspace_id=message.workspace_id,
        lane_id=lane_id_of(message.workspace_id, message.url),
        origin=message.origin,
        rank=message.rank,
        due_at=now,
        execution_id=message.execution_id,
        workflow_id=message.workflow_id,
        node_id=message.node_id,
        run_index=message.run_index,
        method=message.method,
        url=public_url(message.url),
        sealed=secrets.with_url(message.url).sealed(),
        options=_options(message),
        content_type=message.content_type,
        body=message.body,
        prepared=True,  # ad-hoc messages are not filtered or transformed
        idempotency_key=message.idempotency_key,
        awaited=message.awaited,
        created_at=now,
    )


def _options(message: AdHoc) -> dict[str, Any]:
    options: dict[str, Any] = {
        "timeout_seconds": message.timeout_seconds,
        "retry_policy": message.retry_policy.model_dump(exclude_defaults=True),
    }
    if message.message_id:
        options["message_id"] = message.message_id
    if message.public_headers:
        options["headers"] = dict(message.public_headers)
    return options


def check_ad_hoc(message: AdHoc) -> None:
    """Raise BadAdHoc if the message is invalid."""
    try:
        parse_url(message.url)
    except OutboundRefused as error:
        raise BadAdHoc("url", str(error)) from None
    if len(message.url) > MAX_URL:
        raise BadAdHoc("url", f"The URL has {len(message.url)} characters; at most {MAX_URL} are allowed.")
    if not _METHOD.fullmatch(message.method):
        raise BadAdHoc("method", f"{message.method[:20]!r} is not an HTTP method. Use capital letters, such as POST.")
    if "\0" in message.body:
        raise BadAdHoc("body", "The body contains the character NUL (U+0000). Remove it.")
    for name in ("content_type", "idempotency_key"):
        value: str = getattr(message, name)
        if len(value) > 200 or not value.isprintable():
            raise BadAdHoc(name, "At most 200 printable characters are allowed.")
