"""The sender of webhooks calls what the HTTP node may call, and nothing else: it has the same guard."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from executions.domain.errors import NodeError
from tests.unit.nodes.running import run
from tests.unit.test_outbound_addresses import LOOPBACK, MALFORMED
from webhooks.sending import transport
from webhooks.sending.claimed_delivery import ClaimedDelivery, ReceiverConfig


def claimed(url: str, *, of_an_endpoint: bool) -> ClaimedDelivery:
    """Return a delivery to be sent: to an endpoint's URL, or to one of its own."""
    lane, endpoint = uuid4(), uuid4() if of_an_endpoint else None
    receiver = ReceiverConfig(lane, uuid4(), endpoint, url if of_an_endpoint else "", timeout_seconds=5)
    return ClaimedDelivery(
        id=uuid4(), lane_id=lane, execution_id=None, workflow_id=None, origin="event", rank=1,
        due_at=datetime.now(UTC), method="POST", url="" if of_an_endpoint else url, sealed=None, options=None,
        content_type="application/json", body="{}", prepared=True, awaited=False, attempts_made=1, attempts_before=0,
        lease_token=1, receiver=receiver, lease_until=time.monotonic() + 60,
    )  # fmt: skip


@pytest.mark.parametrize("url", [f"http://{host}/" for host in LOOPBACK if not host.endswith(".")] + MALFORMED[1:])
def test_neither_sender_calls_it(url: str) -> None:
    for of_an_endpoint in (True, False):
        attempt = transport.send(claimed(url, of_an_endpoint=of_an_endpoint))
        assert (attempt.error_class, attempt.status) == ("refused", None)
    if url != url.strip():
        return  # the node removes white space around its URL
    with pytest.raises(NodeError) as raised:
        run("http_request", {}, url=url)
    assert not raised.value.retryable
