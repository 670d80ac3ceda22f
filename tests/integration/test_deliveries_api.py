"""The log of deliveries over the API: ad-hoc ones, filters, attempts, taking back, sending again, statistics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.utils import timezone

from events.log.models import Stream
from tests.delivering import append_to, deliveries_of, make_endpoint
from tests.integration.test_endpoints_api import send
from tests.integration.test_pages import member
from webhooks.maintenance import counting
from webhooks.models import (
    Delivery,
    DeliveryAttempt,
    Endpoint,
    EndpointRevision,
    HourCount,
    InboundRequest,
    Lane,
    Operation,
    Violation,
)
from webhooks.secrets import SealedSecrets
from workflow_platform.core.accounts.models import Role, Workspace
from workflow_platform.core.identifiers import uuid7

pytestmark = pytest.mark.django_db

URL = "/api/webhooks/deliveries/"
OPERATIONS = "/api/webhooks/operations/"
SECRET = "correct-horse-battery"


def hook(**fields: Any) -> dict[str, Any]:
    return {"url": "http://127.0.0.2:9/hook?token=hidden"} | fields


def queue(client: Client, **fields: Any) -> Any:
    answer = send(client, "POST", URL, hook(**fields))
    assert answer.status_code == 201, answer.content
    return answer.json()


def end(delivery: Delivery | str, status: str = "failed", attempts: int = 1, code: int = 500) -> Delivery:
    """End a delivery as the sender does."""
    row = Delivery.objects.get(pk=delivery.pk if isinstance(delivery, Delivery) else delivery)
    row.status, row.attempts_made, row.status_code, row.ended_at = status, attempts, code, timezone.now()
    row.save()
    return row


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Ours", slug="ours")


@pytest.fixture
def admin(workspace: Workspace) -> Client:
    return member("admin", workspace, Role.ADMIN)


@pytest.fixture
def endpoint(workspace: Workspace) -> Endpoint:
    return make_endpoint("ours", "*")


@pytest.fixture
def tell(workspace: Workspace) -> Callable[[], Delivery]:
    """Have an event delivered to whoever listens; returns the last delivery."""

    def append() -> Delivery:
        append_to(Stream.objects.create(name=f"execution:{uuid7()}", workspace=workspace), "execution.log")
        return Delivery.objects.order_by("pk").last()  # type: ignore[return-value]

    return append


def test_a_message_for_a_url_is_queued_with_all_that_is_said(admin: Client) -> None:
    made = queue(
        admin,
        method="PUT",
        headers={"X-Key": SECRET},
        body={"n": 1},
        timeout=3,
        retry={"preset": "custom", "delays_seconds": [60]},
        authentication={"type": "bearer", "token": SECRET},
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        priority="high",
    )
    assert (made["status"], made["origin"], made["method"], made["priority"]) == ("pending", "api", "PUT", "high")
    assert (made["body"], made["content_type"]) == ('{"n":1}', "application/json")
    assert (made["header_names"], made["auth"]) == (["X-Key"], {"type": "bearer"})
    assert made["retry_policy"]["in_words"] == "2 attempts within 60 seconds"
    assert made["waiting_for"] == "It is due; a worker is about to send it."
    for answer in (admin.get(f"{URL}{made['id']}/"), admin.get(URL)):
        for secret in (SECRET, "hidden", "whsec_"):
            assert secret not in answer.content.decode()
    row = Delivery.objects.get()
    assert row.url == "http://127.0.0.2:9/hook?token=•••"
    assert SealedSecrets.of(row.sealed).url == "http://127.0.0.2:9/hook?token=hidden"
    assert SealedSecrets.of(row.sealed).headers == {"X-Key": SECRET}
    text = queue(admin, body="a text", headers={"content-type": "text/csv"})
    assert (text["body"], text["content_type"]) == ("a text", "text/csv")


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"method": "TRACE"}, "method"),
        ({"headers": {"X-Bad": "a\nb"}}, "headers"),
        ({"headers": {"Content-Length": "3"}}, "headers"),
        ({"body": "x" * (1024 * 1024 + 1)}, "body"),
        ({"timeout": 3600}, "timeout"),
        ({"retry": {"preset": "custom", "multiplier": 0.5}}, "retry.multiplier"),
        ({"authentication": {"type": "basic"}}, "authentication.username"),
        ({"secret": "whsec_short"}, "secret"),
        ({"priority": "urgent"}, "priority"),
        ({"idempotency_key": "a b"}, "idempotency_key"),
        ({"retries": 3}, "retries"),
    ],
)
def test_every_bad_message_names_its_field(admin: Client, bad: dict[str, Any], field: str) -> None:
    answer = send(admin, "POST", URL, hook(**bad))
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_message_that_is_asked_for_again_is_sent_once(admin: Client) -> None:
    by_header = {send(admin, "POST", URL, hook(), **{"Idempotency-Key": "a"}).json()["id"] for _ in range(2)}
    by_key = {queue(admin, idempotency_key="b")["id"] for _ in range(2)}
    assert (len(by_header), len(by_key), Delivery.objects.count()) == (1, 1, 2)
    other = send(admin, "POST", URL, hook(idempotency_key="b", body="other"))
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "idempotency_key")


def test_deliveries_are_found_by_what_they_are(
    admin: Client,
    endpoint: Endpoint,
    tell: Callable[[], Delivery],
) -> None:
    told, failed = tell(), end(tell(), code=503)
    queued = queue(admin)

    def found(query: str) -> set[UUID]:
        answer = admin.get(f"{URL}?{query}")
        assert answer.status_code == 200, answer.content
        return {UUID(each["id"]) for each in answer.json()["results"]}

    ad_hoc = UUID(queued["id"])
    assert found("") == {told.pk, failed.pk, ad_hoc}
    assert found("status=failed") == found("status_code=503") == {failed.pk}
    assert found("status=failed,pending&origin=event") == {told.pk, failed.pk}
    assert found(f"endpoint={endpoint.pk}") == found("event_type=execution.*") == {told.pk, failed.pk}
    assert found(f"event_id={told.event_id}") == {told.pk}
    assert found("origin=api") == {ad_hoc}
    assert found(f"execution={uuid4()}") == found(f"workflow={uuid4()}") == set()
    later = (timezone.now() + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    assert found(f"since={later}") == set()
    assert found(f"until={later}&since=2020-01-01T00:00:00Z") == {told.pk, failed.pk, ad_hoc}
    for query in ("status=lost", "origin=fax", "event_type=execution.exploded", "endpoint=x", "status_code=7"):
        answer = admin.get(f"{URL}?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, query.split("=")[0])


def test_every_attempt_is_told(admin: Client, endpoint: Endpoint, tell: Callable[[], Delivery]) -> None:
    delivery = tell()
    for number in (2, 1):
        attempt(delivery, number, 20.0 * number)
    rows = admin.get(f"{URL}{delivery.pk}/attempts/").json()
    assert [(row["number"], row["total_ms"]) for row in rows] == [(1, 20.0), (2, 40.0)]


def attempt(delivery: Delivery, number: int, total_ms: float, **fields: Any) -> DeliveryAttempt:
    return DeliveryAttempt.objects.create(
        workspace_id=delivery.workspace_id,
        delivery=delivery,
        endpoint_id=delivery.endpoint_id,
        number=number,
        outcome="retry",
        url="http://127.0.0.2/",
        total_ms=total_ms,
        **{"started_at": timezone.now()} | fields,
    )


def test_a_delivery_is_taken_back_and_sent_again(
    admin: Client,
    endpoint: Endpoint,
    tell: Callable[[], Delivery],
) -> None:
    path = f"{URL}{tell().pk}/"
    assert send(admin, "POST", f"{path}redeliver/").status_code == 409
    cancelled = send(admin, "POST", f"{path}cancel/")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    assert cancelled.json()["error"] == "Cancelled by admin."
    assert send(admin, "POST", f"{path}cancel/").status_code == 409
    again = send(admin, "POST", f"{path}redeliver/")
    assert (again.status_code, again.json()["status"]) == (202, "pending")


def test_what_a_pending_delivery_waits_for_is_said(
    admin: Client,
    endpoint: Endpoint,
    workspace: Workspace,
) -> None:
    Endpoint.objects.update(ordering="per_stream")
    stream = Stream.objects.create(name=f"execution:{uuid7()}", workspace=workspace)
    append_to(stream, "execution.log", "execution.log")
    first, second = deliveries_of(endpoint)

    def said(delivery: Delivery) -> str:
        return str(admin.get(f"{URL}{delivery.pk}/").json()["waiting_for"])

    assert str(first.pk) in said(second)
    assert said(first) == "It is due; a worker is about to send it."
    lane, later = Lane.objects.filter(pk=endpoint.pk), timezone.now() + timedelta(minutes=3)
    lane.update(open_until=later, failures=12)
    assert "12 failures in a row" in said(first)
    lane.update(open_until=None, not_before=later)
    assert "asked for a pause" in said(first)
    lane.update(not_before=None)
    Delivery.objects.filter(pk=second.pk).update(status="sending", ordering_key="another")
    lane.update(window=1)
    assert said(first).startswith("The concurrency limit of the receiver is reached: 1 of 1")
    lane.update(window=2, tokens=0, tokens_at=timezone.now())
    Endpoint.objects.update(rate_limit=1, rate_seconds=3600)
    assert said(first) == "The rate limit is reached: 1 attempts in 3600 s."
    Endpoint.objects.update(rate_limit=None)
    Delivery.objects.filter(pk=first.pk).update(due_at=later, attempts_made=2)
    assert "Failed attempts so far: 2" in said(first)
    Endpoint.objects.update(active=False, disabled_reason="The receiver responded with 410 Gone.")
    assert said(first) == "The endpoint is inactive: The receiver responded with 410 Gone."
    assert admin.get(f"{URL}{end(first).pk}/").json()["waiting_for"] is None


def test_viewers_see_and_editors_act(
    admin: Client,
    workspace: Workspace,
    endpoint: Endpoint,
    tell: Callable[[], Delivery],
) -> None:
    viewer, path = member("viewer", workspace, Role.VIEWER), f"{URL}{tell().pk}/"
    assert viewer.get(path).status_code == 200
    for at, body in (
        (URL, hook()),
        (f"{path}cancel/", None),
        (f"{path}redeliver/", None),
        (OPERATIONS, {"kind": "cancel", "filter": {"status": ["pending"]}}),
        (f"/api/webhooks/endpoints/{endpoint.pk}/recover/", {"since": "2026-01-01T00:00:00Z"}),
    ):
        assert send(viewer, "POST", at, body).status_code == 403


def test_statistics_are_those_of_the_rows(
    admin: Client,
    endpoint: Endpoint,
    tell: Callable[[], Delivery],
) -> None:
    now = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    for number in range(1, 101):
        delivery = end(tell(), "delivered" if number % 4 else "failed", attempts=2)
        Delivery.objects.filter(pk=delivery.pk).update(ended_at=now - timedelta(hours=number % 3))
        attempt(delivery, 1, float(number), started_at=now)
    ended = end(queue(admin)["id"], "cancelled")
    Delivery.objects.filter(pk=ended.pk).update(ended_at=now)
    found = admin.get(f"{URL}stats/?since=2026-03-01T00:00:00Z&until=2026-03-02T00:00:00Z&bucket=hour").json()
    total = found["total"]
    assert (total["delivered"], total["failed"], total["cancelled"], total["attempts"]) == (75, 25, 1, 100)
    assert (total["success_rate"], total["attempts_per_delivery"]) == (0.75, 2.0)
    assert (total["p50_ms"], total["p95_ms"], total["p99_ms"]) == (50.5, 95.05, 99.01)
    assert [(each["name"], each["delivered"]) for each in found["endpoints"]] == [(endpoint.name, 75), ("Ad hoc", 0)]
    assert len(found["series"]) == 24
    assert [row["delivered"] + row["failed"] for row in found["series"][10:13]] == [33, 34, 33]
    assert sum(row["attempts"] for row in found["series"]) == found["series"][12]["attempts"] == 100
    only = admin.get(f"{URL}stats/?since=2026-03-01T00:00:00Z&until=2026-03-02T00:00:00Z&endpoint={endpoint.pk}").json()
    assert (only["total"]["cancelled"], only["bucket"]) == (0, "hour")
    for query, field in (
        ("since=2020-01-01T00:00:00Z", "since"),
        ("bucket=year", "bucket"),
        ("bucket=minute&since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z", "bucket"),
        ("endpoint=x", "endpoint"),
    ):
        answer = admin.get(f"{URL}stats/?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


def test_many_are_counted_before_they_are_touched(
    admin: Client,
    endpoint: Endpoint,
    tell: Callable[[], Delivery],
) -> None:
    failed = [end(tell()) for _ in range(3)]
    body = {"kind": "redeliver", "filter": {"status": ["failed"], "event_type": ["execution.*"]}}
    planned = send(admin, "POST", OPERATIONS, body).json()
    assert (planned["dry_run"], planned["count"], planned["operation"]) == (True, 3, None)
    assert planned["first_ids"] == [str(each.pk) for each in failed]
    assert [(each["endpoint"], each["name"], each["count"]) for each in planned["recipients"]] == [
        (str(endpoint.pk), endpoint.name, 3)
    ]
    assert not Operation.objects.exists()
    answers = [send(admin, "POST", OPERATIONS, body | {"dry_run": False}, **{"Idempotency-Key": "a"}) for _ in "ab"]
    assert {(answer.status_code, answer.json()["operation"]["id"]) for answer in answers} == {
        (202, str(Operation.objects.get().pk))
    }
    operation = answers[0].json()["operation"]
    assert (operation["kind"], operation["state"], operation["total"]) == ("redeliver", "running", 3)
    assert operation["filter"] == {"status": ["failed"], "event_type": ["execution.*"]}
    path = f"{OPERATIONS}{operation['id']}/"
    assert admin.get(path).json() == admin.get(OPERATIONS).json()["results"][0]
    assert send(admin, "POST", f"{path}cancel/").json()["state"] == "cancelled"
    assert send(admin, "POST", f"{path}cancel/").status_code == 409


def test_recovering_and_replaying_an_endpoint_are_counted_first(
    admin: Client,
    endpoint: Endpoint,
    tell: Callable[[], Delivery],
) -> None:
    end(tell())
    since = {"since": "2026-01-01T00:00:00Z"}
    path = f"/api/webhooks/endpoints/{endpoint.pk}/"
    planned = send(admin, "POST", f"{path}recover/", since).json()
    assert (planned["count"], planned["recipients"][0]["count"]) == (1, 1)
    begun = send(admin, "POST", f"{path}recover/", since | {"dry_run": False})
    assert (begun.status_code, begun.json()["operation"]["endpoint"]) == (202, str(endpoint.pk))
    replayed = send(admin, "POST", f"{path}replay/", since | {"event_types": ["execution.log"]})
    assert (replayed.status_code, replayed.json()["dry_run"]) == (200, True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "redeliver"}, "filter"),
        ({"kind": "redeliver", "filter": {}}, "filter"),
        ({"kind": "redeliver", "filter": {"states": ["failed"]}}, "filter.states"),
        ({"kind": "redeliver", "filter": {"event_type": ["execution.exploded"]}}, "filter.event_type"),
        ({"kind": "cancel", "filter": {"endpoint": ["0198f000-0000-7000-8000-000000000000"]}}, "filter.endpoint"),
        ({"kind": "recover", "filter": {"status_code": 500}}, "filter.since"),
        ({"kind": "recover", "filter": {"since": "2026-01-02T00:00:00Z", "status": ["failed"]}}, "filter.status"),
        ({"kind": "replay", "filter": {"status": ["failed"]}}, "kind"),
        ({"kind": "cancel", "filter": {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}},
         "filter.until"),
    ],
)  # fmt: skip
def test_every_bad_operation_names_its_field(admin: Client, body: dict[str, Any], field: str) -> None:
    answer = send(admin, "POST", OPERATIONS, body)
    assert (answer.status_code, answer.json()["errors"][0]["field"].split("[")[0]) == (400, field)


def test_requests_to_hooks_are_told_and_those_to_nobody_only_to_staff(
    admin: Client,
    workspace: Workspace,
) -> None:
    base = {"method": "POST", "path": "orders", "accepted": False, "status_code": 401, "reason": "No signature."}
    ours = InboundRequest.objects.create(workspace=workspace, workflow_id=uuid4(), body='{"a": 1}', **base)
    nobodys = InboundRequest.objects.create(**base)
    url = "/api/webhooks/inbound/"
    assert [each["id"] for each in admin.get(f"{url}?accepted=false").json()["results"]] == [str(ours.pk)]
    assert admin.get(f"{url}?accepted=true").json()["results"] == []
    assert admin.get(f"{url}?path=orders&workflow={ours.workflow_id}&since=2026-01-01T00:00:00Z").json()["results"]
    assert admin.get(f"{url}{ours.pk}/").json()["body"] == '{"a": 1}'
    assert admin.get(f"{url}{nobodys.pk}/").status_code == 404
    user = workspace.memberships.get().user
    user.is_staff = True
    user.save()
    assert admin.get(f"{url}{nobodys.pk}/").json()["reason"] == "No signature."


def test_the_sums_of_the_hours_are_told_with_their_violations(
    admin: Client,
    endpoint: Endpoint,
) -> None:
    hour = datetime(2026, 3, 1, 12, tzinfo=UTC)
    counted = {"delivered": 1, "pending": 0, "failed": 0, "cancelled": 0}
    HourCount.objects.create(endpoint=endpoint, hour=hour, due=2, violations=1, **counted)
    HourCount.objects.create(endpoint=endpoint, hour=hour - timedelta(hours=1), due=1, **counted)
    Violation.objects.create(endpoint=endpoint, hour=hour, event_id=uuid7(), kind="missing")
    url = "/api/webhooks/reconciliation/"
    assert [row["balanced"] for row in admin.get(url).json()["results"]] == [False, True]
    assert len(admin.get(f"{url}?unbalanced=true&endpoint={endpoint.pk}").json()["results"]) == 1
    (violation,) = admin.get(f"{url}violations/").json()["results"]
    assert (violation["kind"], violation["endpoint"]) == ("missing", str(endpoint.pk))


def test_an_hour_is_counted_and_repaired_when_it_is_asked_for(
    admin: Client, workspace: Workspace, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "GRACE", timedelta(seconds=-5))
    stream = Stream.objects.create(name=f"execution:{uuid7()}", workspace=workspace)
    (event,) = append_to(stream, "execution.log")
    EndpointRevision.objects.update(began_at=timezone.now() - timedelta(hours=1))
    Delivery.objects.all().delete()
    body = {"endpoint": str(endpoint.pk), "hour": event.time}
    url = "/api/webhooks/reconciliation/check/"
    (found,) = send(admin, "POST", url, body).json()["hours"]
    assert (found["due"], found["violations"], found["balanced"]) == (1, 1, False)
    repaired = send(admin, "POST", url, body | {"repair": True}).json()
    assert (repaired["repaired"], repaired["hours"][0]["balanced"]) == (1, True)
    assert [str(each.event_id) for each in deliveries_of(endpoint)] == [event.id]
    viewer = member("viewer", workspace, Role.VIEWER)
    assert send(viewer, "POST", url, body).status_code == 403
    assert send(admin, "POST", url, body | {"endpoint": str(uuid4())}).status_code == 404
