"""Deliveries that somebody asks for by URL: through the API, or by a node of an execution."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID, uuid4, uuid5

from django.db import transaction
from django.utils import timezone

from webhooks.models import Delivery, Lane, Origin, Rank
from webhooks.models.endpoint import MAX_URL
from webhooks.outbox.writing import write_once
from webhooks.retry_schedule import RetryPolicy
from webhooks.secrets import Auth, NoAuth, Secrets, SigningSecret, public_url
from workflow_platform.core.outbound.addresses import OutboundRefused, parse_url

_METHOD = re.compile(r"[A-Z]{1,7}")
_PORTS = {"http": 80, "https": 443}
_MAX_HOST = 300
TIMEOUT_SECONDS = 15.0
ED25519_PREFIX = "whsk_"


class BadAdHoc(ValueError):
    """The message cannot be sent. `field` is what is wrong."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class AdHoc:
    """What is to be sent where. Only with a `secret` (`whsec_…`, `whsk_…`) is it signed."""

    workspace_id: UUID
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


def create_ad_hoc(wanted: Sequence[AdHoc]) -> list[Delivery]:
    """Make the deliveries, and the lanes of hosts that are new. Returns them in the order of `wanted`.

    Of an idempotency key of a workspace there is one: who comes with it again, at the same time or later, gets that
    one, whatever else is wanted. Raises BadAdHoc; whether an address may be called is for the caller to check, since
    it takes time. In the caller's transaction, or in one of its own.
    """
    made = [_delivery(each) for each in wanted]
    if not made:
        return []
    with transaction.atomic():
        lanes = {lane.pk: lane for lane in map(_lane, wanted)}
        # In one order, so that two that make the same ones do not wait for each other.
        Lane.objects.bulk_create([lanes[pk] for pk in sorted(lanes)], ignore_conflicts=True)
        return write_once(made)


def lane_id_of(workspace_id: UUID, url: str) -> UUID:
    """Return the lane of a URL's host, in a workspace. Raises OutboundRefused."""
    return uuid5(workspace_id, _origin_of(url))


def _origin_of(url: str) -> str:
    parts, host, port = parse_url(url)
    return f"{parts.scheme}://{host}:{port or _PORTS[parts.scheme]}"


def _lane(wanted: AdHoc) -> Lane:
    origin = _origin_of(wanted.url)
    return Lane(
        id=uuid5(wanted.workspace_id, origin),
        workspace_id=wanted.workspace_id,
        host=urlsplit(origin).netloc[:_MAX_HOST],
    )


def _delivery(wanted: AdHoc) -> Delivery:
    _check(wanted)
    now = timezone.now()
    kind = "v1a" if wanted.secret.startswith(ED25519_PREFIX) else "v1"
    signing = [SigningSecret(id=uuid4().hex, kind=kind, secret=wanted.secret, created_at=now)] if wanted.secret else []
    return Delivery(
        workspace_id=wanted.workspace_id,
        lane_id=lane_id_of(wanted.workspace_id, wanted.url),
        origin=wanted.origin,
        rank=wanted.rank,
        due_at=now,
        execution_id=wanted.execution_id,
        workflow_id=wanted.workflow_id,
        node_id=wanted.node_id,
        run_index=wanted.run_index,
        method=wanted.method,
        url=public_url(wanted.url),
        sealed=Secrets(signing=signing, auth=wanted.auth, headers=dict(wanted.headers)).with_url(wanted.url).sealed(),
        options={
            "timeout_seconds": wanted.timeout_seconds,
            "retry_policy": wanted.retry_policy.model_dump(exclude_defaults=True),
        },
        content_type=wanted.content_type,
        body=wanted.body,
        prepared=True,  # nothing is applied to it
        idempotency_key=wanted.idempotency_key,
        awaited=wanted.awaited,
        created_at=now,
    )


def _check(wanted: AdHoc) -> None:
    try:
        parse_url(wanted.url)
    except OutboundRefused as error:
        raise BadAdHoc("url", str(error)) from None
    if len(wanted.url) > MAX_URL:
        raise BadAdHoc("url", f"Up to {MAX_URL} characters.")
    if not _METHOD.fullmatch(wanted.method):
        raise BadAdHoc("method", "An HTTP method in capital letters is wanted.")
    if "\0" in wanted.body:
        raise BadAdHoc("body", "A text cannot hold the character NUL.")
    for name in ("content_type", "idempotency_key"):
        value: str = getattr(wanted, name)
        if len(value) > 200 or not value.isprintable():
            raise BadAdHoc(name, "Up to 200 printable characters.")
