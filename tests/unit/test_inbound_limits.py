"""How many requests are taken, and what is kept of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from uuid import uuid4

from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from webhooks.inbound.limits import Buckets, lower
from webhooks.inbound.request_log import (
    ALL_REFUSALS_BURST,
    MAX_BODY,
    MOST_KEYS,
    REFUSALS_BURST,
    SUMMARY_AFTER_SECONDS,
    LoggedRequest,
    RefusalSampler,
    beginning,
    masked_headers,
    masked_query,
)
from workflow_platform.core.requests.client_address import counted_as


def refused(path: str = "orders", address: str = "203.0.113.9", known: bool = True) -> LoggedRequest:
    return LoggedRequest(
        id=uuid4(), received_at=timezone.now(), method="POST", path=path, address=ip_address(address), headers={},
        query={}, body="", body_bytes=0, content_type="", accepted=False, status_code=401,
        reason="The signature is wrong.", workflow_id=uuid4() if known else None,
    )  # fmt: skip


@given(st.lists(st.floats(0, 3), max_size=200), st.floats(0.1, 50))
def test_never_more_than_the_burst_and_the_rate_are_taken(pauses: list[float], rate: float) -> None:
    buckets, now, taken = Buckets(), 0.0, 0
    for pause in pauses:
        now += pause
        wait = buckets.take("k", now, rate)
        assert wait >= 0
        taken += wait == 0
    assert taken <= max(1, rate) + now * rate + 1e-6


def test_after_the_time_that_was_told_there_is_a_token() -> None:
    buckets = Buckets()
    assert [buckets.take("k", 0, 2) for _ in range(3)] == [0, 0, 0.5]
    assert buckets.take("k", 0.5, 2) == 0
    assert buckets.take("other", 0.5, 2) == 0


def test_buckets_of_many_keys_take_bounded_memory() -> None:
    buckets = Buckets(most=10)
    for n in range(100):
        buckets.take(n, 0, 1)
    assert len(buckets._buckets) == 10


def test_the_addresses_of_one_customer_count_as_one() -> None:
    assert counted_as(ip_address("2001:db8::1")) == counted_as(ip_address("2001:db8::ffff:1"))
    assert counted_as(ip_address("192.0.2.1")) != counted_as(ip_address("192.0.2.2"))
    assert lower(None, 0, 5, 3) == 3
    assert lower(None, 0) == 0


def test_of_a_flood_some_are_kept_and_the_rest_is_counted() -> None:
    refusals = RefusalSampler()
    flood = [refused() for _ in range(10_000)]
    kept = refusals.choose(flood, 100.0)
    assert len(kept) == REFUSALS_BURST
    assert refusals.choose([refused(address="203.0.113.10")], 100.0), "Another address is listed still."
    assert refusals.summaries(100.0 + SUMMARY_AFTER_SECONDS / 2) == []
    (row,) = refusals.summaries(100.0 + SUMMARY_AFTER_SECONDS)
    assert row.reason.startswith("9980 rejected requests from 203.0.113.9 are not listed individually.")
    assert row.id == flood[-1].id
    assert not refusals.waiting


def test_a_flood_from_everywhere_to_everything_is_bounded_too() -> None:
    refusals = RefusalSampler()
    flood = [refused(f"p{n}", str(ip_address(n * 7919)), known=n % 2 == 0) for n in range(20_000)]
    assert len(refusals.choose(flood, 0.0)) == ALL_REFUSALS_BURST
    told = refusals.summaries(SUMMARY_AFTER_SECONDS)
    assert len(told) <= MOST_KEYS + 1
    counts = [int(row.reason.split()[0]) if "not listed individually" in row.reason else 1 for row in told]
    assert sum(counts) == 20_000 - ALL_REFUSALS_BURST


def test_made_up_paths_of_one_address_count_together() -> None:
    refusals = RefusalSampler()
    flood = [replace(refused(known=False), path=f"made-up-{n}") for n in range(100)]
    assert len(refusals.choose(flood, 0.0)) == REFUSALS_BURST


def test_secrets_are_kept_out_of_the_log_and_signatures_cut() -> None:
    headers = {
        "authorization": "Bearer abc", "cookie": "a=b", "x-gitlab-token": "t", "x-key": "k", "accept": "x" * 600,
        "x-hub-signature-256": "sha256=0123456789abcdef", "content-type": "text/plain",
    }  # fmt: skip
    shown = masked_headers(headers, {"x-key"})
    assert {shown[name] for name in ("authorization", "cookie", "x-gitlab-token", "x-key")} == {"***"}
    assert shown["x-hub-signature-256"] == "sha256=0123456…"
    assert len(shown["accept"]) == 501
    assert masked_query({"token": ["1"], "q": ["a", "b"]}) == {"token": "***", "q": ["a", "b"]}
    assert beginning(b"\x00a\xff") == "�a�"
    assert len(beginning("ä".encode() * 100_000)) == MAX_BODY
