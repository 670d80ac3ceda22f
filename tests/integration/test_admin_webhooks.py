"""Webhooks in the admin site: what is shown, what is not, and what its actions do."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from events.log.models import Stream
from tests.delivering import append_to, deliveries_of, make_endpoint, make_workspace
from webhooks.models import Delivery, DeliveryAttempt, Endpoint
from webhooks.outbox import AdHoc, create_ad_hoc
from webhooks.secrets import BearerAuth, SealedSecrets
from workflow_platform.core.accounts.models import User
from workflow_platform.core.identifiers import uuid7

pytestmark = pytest.mark.django_db

SECRET = "correct-horse-battery"


@pytest.fixture
def site() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="a long enough password"))
    return client


@pytest.fixture
def endpoint() -> Endpoint:
    held = SealedSecrets(auth=BearerAuth(type="bearer", token=SECRET))
    made = make_endpoint(url=f"http://127.0.0.2:9/hook?key={SECRET}")
    Endpoint.objects.filter(pk=made.pk).update(sealed=held.sealed())
    return made


def tell(count: int = 2) -> None:
    stream = Stream.objects.create(name=f"execution:{uuid7()}", workspace=make_workspace())
    append_to(stream, *["execution.log"] * count)


def act(site: Client, model: str, action: str, *rows: Any) -> str:
    url = reverse(f"admin:webhooks_{model}_changelist") + ("?recorded=any" if model == "delivery" else "")
    form = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    answer = site.post(url, form, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_every_list_and_page_is_shown_without_secrets(site: Client, endpoint: Endpoint) -> None:
    tell()
    wanted = AdHoc(workspace_id=make_workspace().pk, url=f"http://127.0.0.2:9/?key={SECRET}", headers={"X": SECRET})
    (ad_hoc,) = create_ad_hoc([wanted])
    for model in admin.site._registry:
        if model._meta.app_label != "webhooks":
            continue
        answer = site.get(reverse(f"admin:webhooks_{model._meta.model_name}_changelist"))
        assert answer.status_code == 200, model
        assert SECRET not in answer.content.decode(), model
    for row in (endpoint, endpoint.lane, ad_hoc, deliveries_of(endpoint)[0]):
        answer = site.get(reverse(f"admin:webhooks_{row._meta.model_name}_change", args=[row.pk]))
        assert answer.status_code == 200, row
        assert SECRET not in answer.content.decode(), row


def test_deliveries_are_cancelled_sent_again_and_drawn(site: Client, endpoint: Endpoint) -> None:
    tell(3)
    rows = deliveries_of(endpoint)
    assert "2 cancelled." in act(site, "delivery", "cancel", *rows[:2])
    page = site.get(reverse("admin:webhooks_delivery_changelist")).content.decode()
    assert ": 2 cancelled</title>" in page
    assert "1 will be sent again; 1 have not ended" in act(site, "delivery", "redeliver", rows[0], rows[2])
    assert [each.status for each in deliveries_of(endpoint)] == ["pending", "cancelled", "pending"]
    form = site.get(reverse("admin:webhooks_endpoint_change", args=[endpoint.pk])).content.decode()
    assert "1 cancelled" in form


def test_a_delivery_is_found_by_any_of_its_ids(site: Client, endpoint: Endpoint) -> None:
    tell()
    row = deliveries_of(endpoint)[0]
    url = reverse("admin:webhooks_delivery_changelist")
    for text, count in ((row.pk, 1), (row.message_id, 1), (row.event_id, 1), (endpoint.pk, 2), ("nonsense", 0)):
        answer = site.get(url, {"q": str(text)})
        assert answer.context["cl"].result_count == count, text


def test_deliveries_are_filtered_by_endpoint_and_status_code(site: Client, endpoint: Endpoint) -> None:
    tell(3)
    rows = deliveries_of(endpoint)
    for row, code in zip(rows, (204, 404, 503), strict=True):
        Delivery.objects.filter(pk=row.pk).update(status_code=code)
    url = reverse("admin:webhooks_delivery_changelist")
    for query, count in (
        ({"endpoint": str(endpoint.pk)}, 3), ({"endpoint": str(uuid7())}, 0), ({"status_code": "4xx"}, 1),
        ({"status_code": "503", "endpoint": str(endpoint.pk)}, 1), ({"status_code": "none"}, 0),
    ):  # fmt: skip
        answer = site.get(url, query)
        assert len(answer.context["cl"].result_list) == count, query
    listed = site.get(reverse("admin:webhooks_endpoint_changelist")).content.decode()
    assert f"{url}?endpoint={endpoint.pk}" in listed


def test_the_page_of_a_delivery_has_its_attempts_and_leads_to_its_execution(site: Client, endpoint: Endpoint) -> None:
    tell(1)
    (row,) = deliveries_of(endpoint)
    execution = uuid7()
    Delivery.objects.filter(pk=row.pk).update(execution_id=execution)
    DeliveryAttempt.objects.create(
        delivery=row, number=1, outcome="retry", started_at=row.created_at, url=endpoint.url, error="Bad gateway today"
    )
    page = site.get(reverse("admin:webhooks_delivery_change", args=[row.pk])).content.decode()
    assert "Bad gateway today" in page
    links = [reverse("webhook-delivery", args=[row.pk]), reverse("monitor", args=[execution])]
    links.append(reverse("admin:executions_execution_change", args=[execution]))
    for link in links:
        assert f'href="{link}"' in page


def test_endpoints_are_paused_resumed_and_made_active(site: Client, endpoint: Endpoint) -> None:
    assert "1 endpoint paused." in act(site, "endpoint", "pause", endpoint)
    endpoint.refresh_from_db()
    assert endpoint.paused_at is not None
    act(site, "endpoint", "resume", endpoint)
    Endpoint.objects.update(active=False, disabled_reason="410")
    act(site, "endpoint", "enable", endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.paused_at, endpoint.active, endpoint.disabled_reason) == (None, True, "")


def test_staff_without_the_right_to_change_may_only_look(endpoint: Endpoint) -> None:
    user = User.objects.create_user("looks", password="a long enough password", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_delivery"))
    client = Client()
    client.force_login(user)
    tell(1)
    act(client, "delivery", "cancel", *deliveries_of(endpoint))
    assert Delivery.objects.get().status == "pending"
