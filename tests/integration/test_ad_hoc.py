"""Deliveries by URL: their lanes, their secrets, and one for each idempotency key."""

from __future__ import annotations

import threading
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from tests.delivering import make_workspace
from tests.engine import COMMITS
from webhooks import dispatcher, outbox
from webhooks.models import Delivery, Lane, Rank
from webhooks.outbox import AdHoc, BadAdHoc
from webhooks.retry_schedule import RetryPolicy
from webhooks.secrets import BearerAuth, SealedSecrets
from webhooks.sending import outcomes

DATABASE = pytest.mark.django_db


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Return one entry for each time that the workers would be told."""
    calls: list[None] = []
    monkeypatch.setattr(dispatcher, "wake", lambda: calls.append(None))
    return calls


@DATABASE
def test_an_ad_hoc_delivery_has_a_lane_of_its_host_and_keeps_its_secrets_sealed() -> None:
    workspace = make_workspace()
    auth = BearerAuth(type="bearer", token="a secret token")
    policy = RetryPolicy(preset="standard")
    wanted = AdHoc(
        workspace_id=workspace.pk, url="https://Example.com/a?b=c", headers={"X-Of": "tests"}, body="{}", auth=auth,
        secret="whsec_c2VjcmV0", retry_policy=policy, rank=Rank.HIGH, timeout_seconds=3,
    )  # fmt: skip
    same_host = AdHoc(workspace_id=workspace.pk, url="https://example.com:443/other")
    other_host = AdHoc(workspace_id=workspace.pk, url="http://example.com/")
    first, second, third = outbox.create_ad_hoc([wanted, same_host, other_host])
    assert first.lane_id == second.lane_id != third.lane_id
    assert dict(Lane.objects.values_list("pk", "host")) == {
        first.lane_id: "example.com:443", third.lane_id: "example.com:80",
    }  # fmt: skip
    first.refresh_from_db()
    secrets = SealedSecrets.of(first.sealed)
    assert (secrets.auth, secrets.headers) == (auth, {"X-Of": "tests"})
    assert [each.secret for each in secrets.signing] == ["whsec_c2VjcmV0"]
    assert SealedSecrets.of(second.sealed).signing == []
    assert first.options == {"timeout_seconds": 3, "retry_policy": {"preset": "standard"}}
    assert b"a secret token" not in bytes(first.sealed or b"")
    assert "secret" not in repr(wanted)


@COMMITS
def test_an_idempotency_key_gives_one_delivery_though_two_come_at_the_same_time(woken: list[None]) -> None:
    workspace, other = make_workspace(), make_workspace("others")
    wanted = AdHoc(workspace_id=workspace.pk, url="http://example.com/", body="1", idempotency_key="a key")
    found: list[Delivery] = []

    def create() -> None:
        found.extend(outbox.create_ad_hoc([wanted]))
        connection.close()

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elsewhere = AdHoc(workspace_id=other.pk, url="http://example.com/", idempotency_key="a key")
    without = AdHoc(workspace_id=workspace.pk, url="http://example.com/")
    found += outbox.create_ad_hoc([wanted, elsewhere, without, without])
    assert len({each.pk for each in found[:5]}) == 1
    assert len({each.pk for each in found[4:]}) == 4 == Delivery.objects.count()


@DATABASE
@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("url", {"url": "ftp://example.com/"}),
        ("url", {"url": "http://user@example.com/"}),
        ("url", {"url": "http://example.com/" + "x" * 2000}),
        ("method", {"method": "get it"}),
        ("body", {"body": "a\0b"}),
        ("content_type", {"content_type": "text/plain\r\nX-More: 1"}),
        ("idempotency_key", {"idempotency_key": "x" * 201}),
    ],
)
def test_what_cannot_be_sent_is_refused_by_field(field: str, wrong: dict[str, str]) -> None:
    with pytest.raises(BadAdHoc) as refused:
        outbox.create_ad_hoc([AdHoc(**{"workspace_id": uuid4(), "url": "http://example.com/", **wrong})])
    assert refused.value.field == field


@COMMITS
def test_who_waits_for_a_delivery_is_told_when_it_is_cancelled(
    woken: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[UUID, str]] = []
    monkeypatch.setattr(outcomes, "_callbacks", [lambda ended: told.extend((each.pk, each.status) for each in ended)])
    wanted = AdHoc(workspace_id=make_workspace().pk, url="http://127.0.0.2:9/", awaited=True)
    first, second = outbox.create_ad_hoc([wanted, wanted])
    with transaction.atomic():
        outbox.cancel([first])
        transaction.set_rollback(True)
    outbox.cancel([second])
    assert told == [(second.pk, "cancelled")]
