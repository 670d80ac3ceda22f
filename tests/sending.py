"""Endpoints and deliveries as they are made, and a sender in this very process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from webhooks import signing
from webhooks.models import Delivery, DeliveryAttempt, Endpoint, Lane
from webhooks.secrets import SealedSecrets, SigningSecret
from webhooks.sending import claiming
from webhooks.sending.sender import Sender
from workflow_platform.core.accounts.models import Workspace
from workflow_platform.core.identifiers import uuid7
from workflow_platform.installation.embedded import wait_until

FAST = {"preset": "custom", "delays_seconds": [0.05, 0.05, 0.05, 0.05]}


def make_endpoint(url: str, secrets: SealedSecrets | None = None, **fields: Any) -> Endpoint:
    """Make an endpoint with its lane, the window as wide as it gets."""
    workspace = fields.pop("workspace", None)
    made = Endpoint.objects.create(
        workspace=workspace or Workspace.objects.get_or_create(slug="tests", defaults={"name": "Tests"})[0],
        name=f"Endpoint {uuid4().hex[:6]}",
        url=url,
        sealed=(secrets or SealedSecrets(signing=[signer()])).sealed(),
        **{"event_types": ["*"], "retry_policy": FAST, "timeout_seconds": 5} | fields,
    )
    claiming.open_lane(made)
    return made


def signer(secret: str = "", **fields: Any) -> SigningSecret:
    """Return a secret that signs."""
    secret = secret or signing.new_secret("v1")
    kind = signing.check_secret(secret)
    return SigningSecret(id=uuid4().hex, kind=kind, secret=secret, **{"created_at": datetime.now(UTC)} | fields)


def make_delivery(endpoint: Endpoint, **fields: Any) -> Delivery:
    """Write one that is due."""
    return make_deliveries(endpoint, 1, **fields)[0]


def make_deliveries(endpoint: Endpoint, count: int, stream: str = "", **fields: Any) -> list[Delivery]:
    """Write deliveries that are due, numbered as their events are."""
    made = []
    for number in range(1, count + 1):
        event_id = uuid7()
        event = {
            "specversion": "1.0", "id": str(event_id), "type": "execution.log", "source": "tests", "sequence": number,
            "data": {"n": number},
        }  # fmt: skip
        defaults = {
            "body": json.dumps(event),
            "ordering_key": stream,
            "stream": stream,
            "sequence": number,
            "event_id": event_id,
            "event_type": "execution.log",
        }
        made.append(
            Delivery(workspace_id=endpoint.workspace_id, lane_id=endpoint.pk, endpoint=endpoint, **defaults | fields)
        )
    return Delivery.objects.bulk_create(made)


class Sending:
    """A sender of this process."""

    def __init__(self) -> None:
        self.sender = Sender()
        self.stop = threading.Event()
        self._woken = False

    def drain(self) -> None:
        """Send what is due, and wait until all of it is recorded."""
        self._woken = True
        self.sender.serve(self.stop)
        wait_until(lambda: self.sender.idle, "The sender")

    def until(self, *, seconds: float = 180, **counts: int) -> None:
        """Send until there are so many deliveries of each status."""
        wait_until(lambda: self._sent(counts), f"{counts}", seconds)

    def _sent(self, counts: dict[str, int]) -> bool:
        self.wake()
        found = statuses()
        return all(found.get(status, 0) == count for status, count in counts.items())

    def wake(self) -> None:
        """Have what is due sent, without waiting for it."""
        if not self._woken:
            self._woken = True
            threading.Thread(target=self.drain, daemon=True).start()
        self.sender.wake()

    def end(self) -> None:
        self.stop.set()
        self.sender.wake()
        self.sender.join(60)


@contextmanager
def sending() -> Iterator[Sending]:
    """Have a sender while the block runs."""
    made = Sending()
    try:
        yield made
    finally:
        made.end()


def statuses(deliveries: Sequence[Delivery] | None = None) -> dict[str, int]:
    """Return how many deliveries have which status."""
    found = Delivery.objects.all()
    if deliveries is not None:
        found = found.filter(pk__in=[each.pk for each in deliveries])
    counts: dict[str, int] = {}
    for status in found.values_list("status", flat=True):
        counts[status] = counts.get(status, 0) + 1
    return counts


def attempts(delivery: Delivery) -> list[DeliveryAttempt]:
    """Return the attempts of a delivery, the first one first."""
    return list(DeliveryAttempt.objects.filter(delivery=delivery).order_by("number"))


def lane(endpoint: Endpoint) -> Lane:
    return Lane.objects.get(pk=endpoint.pk)


def make_due(*deliveries: Delivery) -> None:
    """Have the next attempt be due now."""
    Delivery.objects.filter(pk__in=[each.pk for each in deliveries]).update(due_at=timezone.now())


def lose_sender(*ids: UUID) -> None:
    """Have leases run out, as when the process that holds them has died."""
    Delivery.objects.filter(pk__in=ids).update(lease_expires_at=timezone.now())
