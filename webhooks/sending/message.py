"""One attempt to be made: what goes to whom, put together from a claimed delivery and its receiver."""

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

from webhooks.retry_schedule import Defaults, RetryPolicy
from webhooks.secrets import Secrets
from webhooks.transforms import Prepared

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receiver:
    """An endpoint as it is configured when deliveries of it are claimed; for a host of ad-hoc ones mostly empty."""

    lane_id: UUID
    workspace_id: UUID
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
class Claimed:
    """A delivery that this process is to send, and nobody else while the lease lasts."""

    id: UUID
    lane_id: UUID
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
    receiver: Receiver
    lease_until: float
    """By `time.monotonic`: afterwards somebody else may have it."""

    @property
    def message_id(self) -> str:
        return f"msg_{self.id.hex}"

    @property
    def needs_preparing(self) -> bool:
        """Tell whether the endpoint's scripts are to see it first."""
        return not self.prepared and bool(self.receiver.filter or self.receiver.transform)

    @property
    def target(self) -> str:
        """Return where it goes, as it may be shown."""
        return self.url or self.receiver.url

    @property
    def verb(self) -> str:
        """Return the method: its own if it is ad hoc or was transformed to have one, else the endpoint's."""
        if self.receiver.endpoint_id is None or self.url:
            return self.method
        return str((self.options or {}).get("method") or self.receiver.method)

    @property
    def further_headers(self) -> dict[str, str]:
        """Return the headers that the transformation has added."""
        return dict((self.options or {}).get("headers") or {})

    @property
    def timeout_seconds(self) -> float:
        return float((self.options or {}).get("timeout_seconds") or self.receiver.timeout_seconds)

    @property
    def policy(self) -> RetryPolicy:
        own = (self.options or {}).get("retry_policy")
        return _policy(orjson.dumps(own).decode() if own is not None else self.receiver.retry_policy)

    @property
    def attempt(self) -> int:
        """Return which attempt this is for the retry policy, from 1."""
        return max(1, self.attempts_made - self.attempts_before)

    def become(self, made: Prepared | None) -> None:
        """Take over what the endpoint's scripts have made of it; None leaves it as it is."""
        self.prepared = True
        if made is not None:
            self.body, self.content_type = made.body, made.content_type
            self.options = made.within(self.options)

    def secrets(self) -> Secrets:
        """Return what is sealed into the delivery, or into its endpoint. Raises encryption.CannotDecrypt."""
        sealed = self.sealed or self.receiver.sealed
        return _opened(bytes(sealed)) if sealed else Secrets()


def defaults() -> Defaults:
    """Return what the retry policy `quick` is, as the settings say."""
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
        logger.exception("a retry policy is not one, and `quick` stands in for it")
        return RetryPolicy()


@lru_cache(maxsize=1024)
def _opened(sealed: bytes) -> Secrets:
    return Secrets.of(sealed)
