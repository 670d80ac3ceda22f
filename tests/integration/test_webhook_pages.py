"""The pages of webhooks as the server makes them: who sees what, and who may do what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from tests.delivering import make_endpoint
from tests.engine import make_execution
from tests.integration.test_pages import compact, member
from tests.workflows import node
from webhooks import metrics
from webhooks.models import Delivery, DeliveryAttempt, Endpoint, HourCount, InboundRequest, Lane, Violation
from webhooks.pages import deliveries, endpoints, reconciliation
from workflow_platform.core.accounts.models import Role, User, Workspace
from workflow_platform.core.identifiers import uuid7
from workflow_platform.core.metrics import exposition

pytestmark = pytest.mark.django_db

ACTIONS = ("test", "pause", "edit", "rotate", "recover", "replay", "delete")


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Ours", slug="ours")


@pytest.fixture
def endpoint(workspace: Workspace) -> Endpoint:
    return make_endpoint("ours", url="http://127.0.0.2:9/hook?token=swordfish")


@pytest.fixture
def viewer(workspace: Workspace) -> Client:
    return member("viewer", workspace, Role.VIEWER)


@pytest.fixture
def stranger() -> Client:
    return member("stranger", Workspace.objects.create(name="Theirs", slug="theirs"), Role.ADMIN)


@pytest.fixture
def deliver(endpoint: Endpoint) -> Callable[..., Delivery]:
    def make(status: str = "delivered", **fields: Any) -> Delivery:
        ended = None if status in {"pending", "sending"} else timezone.now()
        chosen = {"event_type": "execution.completed", "body": '{"a": 1}', "attempts_made": 1} | fields
        ids = {"workspace": endpoint.workspace, "lane_id": endpoint.pk, "endpoint": endpoint}
        row = Delivery.objects.create(**(ids | chosen), status=status, ended_at=ended)
        if row.attempts_made:
            DeliveryAttempt.objects.create(
                workspace=row.workspace, delivery=row, endpoint_id=row.endpoint_id, number=1, outcome=row.status[:9],
                started_at=timezone.now(), url="http://127.0.0.2:9/hook?token=…", status_code=200, dns_ms=1.0,
                first_byte_ms=40.0, total_ms=50.0, response_body="<script>alert(1)</script>",
            )  # fmt: skip
        return row

    return make


def html(client: Client, path: str) -> str:
    answer = client.get(f"/webhooks/{path}")
    assert answer.status_code == 200, path
    return compact(answer.content.decode())


def offered(text: str) -> set[str]:
    return {action for action in ACTIONS if f'data-do="{action}"' in text}


def test_many_endpoints_are_listed_on_several_pages(
    viewer: Client, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "LISTED", 1)
    for name, each in (("First", endpoint), ("Second", make_endpoint("ours"))):
        Endpoint.objects.filter(pk=each.pk).update(name=name)
    first, second = html(viewer, ""), html(viewer, "?page=2")
    assert ("First</a>" in first, "Second</a>" in first, 'href="?page=2"' in first) == (True, False, True)
    assert ("First</a>" in second, "Second</a>" in second, 'href="?page=1"' in second) == (False, True, True)
    assert html(viewer, "?page=nonsense").count('data-id="') == 1


@pytest.mark.parametrize(
    ("role", "actions"),
    [(Role.VIEWER, set()), (Role.EDITOR, {"test", "recover", "replay"}), (Role.ADMIN, set(ACTIONS))],
)
def test_each_is_offered_what_their_role_may_do(
    workspace: Workspace, endpoint: Endpoint, deliver: Callable[..., Delivery], role: Role, actions: set[str]
) -> None:
    ended, waiting = deliver(), deliver("pending")
    client = member("somebody", workspace, role)
    assert offered(html(client, "")) == offered(html(client, f"endpoints/{endpoint.pk}/")) == actions
    sends = role is not Role.VIEWER
    assert ('id="redeliver"' in html(client, f"deliveries/{ended.pk}/")) == sends
    assert ('id="cancel"' in html(client, f"deliveries/{waiting.pk}/")) == sends
    assert ('id="cancel"' in html(client, "deliveries/")) == sends
    assert ('id="new"' in html(client, "")) == (role is Role.ADMIN)


def test_what_is_not_yours_is_not_there(stranger: Client, endpoint: Endpoint, deliver: Callable[..., Delivery]) -> None:
    delivery = deliver()
    HourCount.objects.create(
        endpoint=endpoint, hour=timezone.now(), due=1, delivered=1, pending=0, failed=0, cancelled=0
    )
    request = InboundRequest.objects.create(
        workspace=endpoint.workspace, method="POST", path="ours", accepted=True, status_code=202
    )
    for path in (f"endpoints/{endpoint.pk}", f"deliveries/{delivery.pk}", f"deliveries/{delivery.pk}/state"):
        assert stranger.get(f"/webhooks/{path}/").status_code == 404
    assert stranger.get(f"/webhooks/inbound/{request.pk}/").status_code == 404
    for path in ("", "deliveries/", "inbound/", "reconciliation/", f"deliveries/?endpoint={endpoint.pk}"):
        text = html(stranger, path)
        assert endpoint.name not in text
        assert str(delivery.pk) not in text
        assert "/hooks/ours" not in text
    assert Client().get("/webhooks/").status_code == 302


def test_secrets_of_urls_are_masked_and_answers_are_text(viewer: Client, deliver: Callable[..., Delivery]) -> None:
    delivery = deliver()
    for path in ("", f"endpoints/{delivery.endpoint_id}/", f"deliveries/{delivery.pk}/"):
        assert "swordfish" not in html(viewer, path)
    assert "<script>alert" not in html(viewer, f"deliveries/{delivery.pk}/")


def test_the_log_is_filtered_and_has_pages(
    viewer: Client, deliver: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "LISTED", 2)
    execution = uuid4()
    first, second, third = deliver(), deliver("failed", execution_id=execution, status_code=503), deliver(origin="test")

    def listed(query: str) -> list[bool]:
        text = html(viewer, f"deliveries/?{query}")
        return [f'data-id="{row.pk}"' in text for row in (first, second, third)]

    assert listed("") == [False, True, True]
    assert listed(f"before={second.pk}") == [True, False, False]
    for query in ("status=failed", f"execution={execution}", "status_code=503", "status=failed&event_type=execution"):
        assert listed(query) == [False, True, False], query
    assert listed("origin=test") == [False, False, True]
    assert listed("event_type=workflow.*") == [False] * 3
    assert listed("event_type=nonsense") == [False] * 3
    assert listed("status=nonsense&execution=nonsense&before=nonsense&range=1h") == [False, True, True]


def test_an_endpoint_says_how_it_stands(viewer: Client, endpoint: Endpoint) -> None:
    later = timezone.now() + timedelta(minutes=4)
    lane = Lane.objects.filter(pk=endpoint.pk)
    assert 'data-state="active"' in html(viewer, "")
    lane.update(failures=10, failing_since=timezone.now(), open_until=later)
    assert "paused (failing)" in html(viewer, "")
    Endpoint.objects.update(paused_at=timezone.now())
    assert 'data-state="paused"' in html(viewer, "")
    Endpoint.objects.update(active=False, disabled_at=timezone.now(), disabled_reason="It answered 410 Gone.")
    assert "It answered 410 Gone." in html(viewer, "")
    Endpoint.objects.update(deleted_at=timezone.now())
    assert "No endpoints yet" in html(viewer, "")
    assert viewer.get(f"/webhooks/endpoints/{endpoint.pk}/").status_code == 404


def test_figures_are_those_of_the_deliveries(viewer: Client, deliver: Callable[..., Delivery]) -> None:
    for status in ("delivered", "delivered", "delivered", "failed", "pending"):
        row = deliver(status)
    text = html(viewer, f"endpoints/{row.endpoint_id}/?range=7d")
    assert "75 %" in text
    assert ">1.00</b><span>attempts per delivery" in text
    assert ">50<i>ms</i></b><span>p95" in text
    assert "75 % delivered" in html(viewer, "")


def test_pages_api_and_metrics_count_the_same_deliveries(viewer: Client, deliver: Callable[..., Delivery]) -> None:
    now = timezone.now()
    for status in ("delivered", "delivered", "failed", "pending"):
        row = deliver(status)
    yesterday = now - timedelta(hours=20)
    deliver("delivered", created_at=yesterday, attempts_made=3)  # made at one time and ended at another
    deliver("cancelled", created_at=yesterday, attempts_made=0)
    asked = {"since": (now - timedelta(hours=23)).isoformat(), "endpoint": str(row.endpoint_id)}
    shown = viewer.get("/api/webhooks/deliveries/stats/", asked).json()
    total, (of_endpoint,) = shown["total"], shown["endpoints"]
    assert [total[name] for name in ("delivered", "failed", "cancelled")] == [3, 1, 1]
    assert {name: of_endpoint[name] for name in total} == total
    page = viewer.get(f"/webhooks/endpoints/{row.endpoint_id}/").context
    assert {name: getattr(page["figures"], name) for name in total} == total
    drawn = [each["counts"] for each in page["drawn"]["rows"]]
    assert [sum(column) for column in zip(*drawn, strict=True)] == [3, 1, 1]
    (listed,) = viewer.get("/webhooks/").context["endpoints"]
    assert listed["figures"] == page["figures"]
    counted = dict(
        line.split(" ") for line in exposition.text(metrics.families()).splitlines() if not line.startswith("#")
    )
    assert [counted[f"webhooks_{name}_total"] for name in ("delivered", "failed")] == ["3", "1"]


def test_sums_are_green_where_they_hold_and_violations_are_listed(
    viewer: Client, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    counted = {"endpoint": endpoint, "pending": 0, "failed": 1, "cancelled": 1}
    HourCount.objects.create(hour=hour, due=12, delivered=10, **counted)
    text = html(viewer, "reconciliation/")
    assert "All accounted for" in text
    assert "hour with discrepancies" not in text
    earlier = hour - timedelta(hours=1)
    HourCount.objects.create(hour=earlier, due=12, delivered=9, violations=1, **counted)
    missing = Violation.objects.create(endpoint=endpoint, hour=earlier, event_id=uuid7(), kind="missing")
    text = html(viewer, "reconciliation/")
    assert "1 hour with discrepancies" in text
    assert str(missing.event_id) in text
    assert html(viewer, "reconciliation/?only=violations").count("<tr data-broken") == 1
    assert "data-check" not in text
    editor = member("editor", endpoint.workspace, Role.EDITOR)
    assert html(editor, "reconciliation/").count('data-check="repair"') == 1
    monkeypatch.setattr(reconciliation, "HOURS_LISTED", 1)
    older = html(viewer, "reconciliation/").split('href="?before=')[1].split('"')[0]
    assert "1 discrepancy</span>" in html(viewer, f"reconciliation/?before={older}")
    for nonsense in ("x", "1.", "9" * 30 + ".1"):
        html(viewer, f"reconciliation/?before={nonsense}&endpoint={nonsense}")


def test_an_execution_leads_to_its_deliveries(endpoint: Endpoint, deliver: Callable[..., Delivery]) -> None:
    execution = make_execution([node("start", "manual_trigger")], [])
    client = member("colleague", execution.workspace, Role.VIEWER)
    path, link = f"/executions/{execution.pk}/", f"/webhooks/deliveries/?execution={execution.pk}"
    assert link not in client.get(path).content.decode()
    deliver(execution_id=execution.pk, workspace=execution.workspace)
    deliver("pending", execution_id=execution.pk, workspace=execution.workspace)
    text = compact(client.get(path).content.decode())
    assert f'{link}">2 deliveries</a>' in text
    assert html(client, f"deliveries/?execution={execution.pk}").count("<tr data-id=") == 2


def test_a_request_that_no_workspace_takes_is_seen_by_staff_alone(viewer: Client) -> None:
    lost = InboundRequest.objects.create(
        method="POST", path="nowhere", accepted=False, status_code=404, reason="There is no such path."
    )
    assert "/hooks/nowhere" not in html(viewer, "inbound/")
    User.objects.update(is_staff=True)
    assert "There is no such path." in html(viewer, "inbound/?accepted=no&path=/hooks/nowhere")
    assert "/hooks/nowhere" not in html(viewer, "inbound/?accepted=yes")
    assert "no workflow has this path" in html(viewer, f"inbound/{lost.pk}/")
