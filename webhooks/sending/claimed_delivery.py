"""A claimed delivery with the settings of its receiver: everything that one attempt needs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from pydantic import ValidationError

from webhooks.models import Origin
from webhooks.retry_schedule import Defaults, RetryPolicy
from webhooks.secrets import SealedSecrets
from webhooks.transforms import TransformResult

logger = logging.getLogger("webhooks.sending.message")  # an earlier name of this module; operators may filter by it

UNREADABLE = frozenset({400, 413, 422})
"""Responses of a collector to a batch of spans that say that the batch itself is at fault."""


@dataclass(frozen=True, slots=True)
class ReceiverConfig:
    """The settings of an endpoint when its deliveries are claimed. For a host of ad-hoc deliveries mostly empty."""

    lane_id: UUID
    workspace_id: UUID | None
    endpoint_id: UUID | None = None
    url: str = ""
    method: str = "POST"
    filter: str = ""
    transform: str = ""
    sealed: bytes | None = field(default=None, repr=False)
    retry_policy: str = "{}"
    timeout_seconds: float = 15.0
    rate_limit: int | None = None
    rate_seconds: float = 1.0
    max_concurrent: int = 10
    ordered: bool = False
    follow_redirects: bool = False


@dataclass(slots=True)
class ClaimedDelivery:
    """A delivery that only this process may send while its lease is valid."""

    id: UUID
    lane_id: UUID
    execution_id: UUID | None
    workflow_id: UUID | None
    origin: str
    rank: int
    due_at: datetime
    method: str
    url: str
    sealed: bytes | None = field(repr=False)
    options: dict[str, Any] | None
    content_type: str
    body: str = field(repr=False)
    prepared: bool
    awaited: bool
    attempts_made: int
    attempts_before: int
    lease_token: int
    receiver: ReceiverConfig
    lease_until: float
    """By `time.monotonic`: afterwards another process may claim it."""
    traceparent: str = ""
    """The header of that name, if the delivery is part of a trace that is exported."""

    @property
    def has_span(self) -> bool:
        """Return whether its attempt is exported as a span."""
        return self.traceparent.endswith("-01")

    @property
    def message_id(self) -> str:
        return str((self.options or {}).get("message_id") or f"msg_{self.id.hex}")

    @property
    def needs_transform(self) -> bool:
        """Return whether the endpoint's scripts must be applied first."""
        return not self.prepared and bool(self.receiver.filter or self.receiver.transform)

    @property
    def target(self) -> str:
        """Return the URL with its query masked."""
        return self.url or self.receiver.url

    @property
    def verb(self) -> str:
        """Return the method: its own if it is ad hoc or the transformation set one, else the endpoint's."""
        if self.receiver.endpoint_id is None or self.url:
            return self.method
        return str((self.options or {}).get("method") or self.receiver.method)

    @property
    def further_headers(self) -> dict[str, str]:
        """Return the headers that the transformation added, or that may be logged as they are."""
        return dict((self.options or {}).get("headers") or {})

    @property
    def timeout_seconds(self) -> float:
        return float((self.options or {}).get("timeout_seconds") or self.receiver.timeout_seconds)

    @property
    def policy(self) -> RetryPolicy:
        own = (self.options or {}).get("retry_policy")
        return _policy(orjson.dumps(own).decode() if own is not None else self.receiver.retry_policy)

    def is_retried(self, status: int) -> bool:
        """Return whether a response other than 2xx is retried. A collector of traces that refuses the credentials or
        is not found at its path may be configured again; what it cannot read, it can never read."""
        if self.origin == Origin.TRACE:
            return status not in UNREADABLE
        return self.policy.is_retried(status)

    @property
    def attempt(self) -> int:
        """Return the number of this attempt for the retry policy, from 1."""
        return max(1, self.attempts_made - self.attempts_before)

    def apply(self, result: TransformResult | None) -> None:
        """Apply the result of the endpoint's scripts; None leaves the delivery as it is."""
        self.prepared = True
        if result is not None:
            self.body, self.content_type = result.body, result.content_type
            self.options = result.within(self.options)

    def secrets(self) -> SealedSecrets:
        """Return the secrets of the delivery, or of its endpoint. Raises encryption.CannotDecrypt."""
        sealed = self.sealed or self.receiver.sealed
        return _opened(bytes(sealed)) if sealed else SealedSecrets()


def defaults() -> Defaults:
    """Return the values of the retry policy `quick`, from the settings."""
    return Defaults(
        settings.WEBHOOK_MAX_ATTEMPTS,
        settings.WEBHOOK_INITIAL_DELAY / 1000,
        settings.WEBHOOK_BACKOFF_MULTIPLIER,
        settings.WEBHOOK_MAX_DELAY / 1000,
    )


@lru_cache(maxsize=1024)
def _policy(text: str) -> RetryPolicy:
    try:
        return RetryPolicy.model_validate_json(text)
    except ValidationError:  # of an earlier version of the platform, or written by hand
        logger.exception("stored retry policy is not valid; using the policy `quick` instead")
        return RetryPolicy()


@lru_cache(maxsize=1024)
def _opened(sealed: bytes) -> SealedSecrets:
    return SealedSecrets.of(sealed)
