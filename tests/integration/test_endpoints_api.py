"""Endpoints as people make, change, rotate and delete them, and what each role sees of them."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from events.log.models import Stream
from tests.delivering import append_to, deliveries_of
from tests.integration.test_pages import member
from webhooks.endpoints import lifecycle
from webhooks.models import Delivery, Endpoint, EndpointRevision, Lane, Operation
from webhooks.operations import jobs as operation_jobs
from webhooks.secrets import SealedSecrets
from webhooks.sending import lanes
from workflow_platform.core.accounts.models import Role, Workspace
from workflow_platform.core.identifiers import uuid7

pytestmark = pytest.mark.django_db

URL = "/api/webhooks/endpoints/"
SECRET = "correct-horse-battery"
GIVEN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Ours", slug="ours")


@pytest.fixture
def admin(workspace: Workspace) -> Client:
    return member("admin", workspace, Role.ADMIN)


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    text = "" if body is None else json.dumps(body)
    return client.generic(method, path, text, "application/json", headers=headers)


def wanted(**fields: Any) -> dict[str, Any]:
    return {"url": "http://127.0.0.2:9/hook", "event_types": ["execution.*"]} | fields


def make(client: Client, **fields: Any) -> Any:
    answer = send(client, "POST", URL, wanted(**fields))
    assert answer.status_code == 201, answer.content
    return answer.json()


def at(made: Any, *further: str) -> str:
    return "/".join([f"{URL}{made['id']}", *further, ""])


def held(made: Any) -> SealedSecrets:
    return SealedSecrets.of(Endpoint.objects.get(pk=made["id"]).sealed)


def revisions(made: Any) -> list[tuple[bool, list[str], bool]]:
    rows = EndpointRevision.objects.filter(endpoint=made["id"]).order_by("began_at", "id")
    return [(row.listening, row.event_types, row.ended_at is None) for row in rows]


def test_an_endpoint_is_made_with_all_that_belongs_to_it(admin: Client, workspace: Workspace) -> None:
    made = make(admin, retry_policy={"preset": "standard"})
    assert made["secret"].startswith("whsec_")
    assert made["name"] == "127.0.0.2"
    assert made["state"] == "active"
    assert made["retry_policy"]["in_words"] == "10 attempts within about 3.1 days"
    assert made["queued"] == 0
    assert Lane.objects.get(pk=made["id"]).endpoint_id == Lane.objects.get(pk=made["id"]).pk
    assert revisions(made) == [(True, ["execution.*"], True)]
    assert [each["id"] for each in admin.get(URL).json()["results"]] == [made["id"]]


def test_the_signing_secret_is_shown_once_and_all_other_secrets_never(admin: Client) -> None:
    auth = {"type": "basic", "username": "ada", "password": SECRET}
    made = make(admin, secret=GIVEN, auth=auth, headers={"X-Key": SECRET + "-in-a-header"})
    assert made["secret"] == GIVEN
    assert made["auth"] == {"type": "basic", "username": "ada"}
    assert made["header_names"] == ["X-Key"]
    changed = send(admin, "PATCH", at(made), {"description": "New."})
    for answer in (admin.get(at(made)), admin.get(URL), changed, send(admin, "POST", at(made, "pause"))):
        assert answer.status_code == 200
        assert GIVEN not in answer.content.decode()
        assert SECRET not in answer.content.decode()
    assert SECRET not in json.dumps(made)
    assert SECRET.encode() not in bytes(Endpoint.objects.get().sealed)


def test_a_change_keeps_the_secrets_that_it_does_not_name(admin: Client) -> None:
    auth = {"type": "basic", "username": "ada", "password": SECRET}
    made = make(admin, auth=auth, headers={"X-Key": SECRET, "X-Team": "a"}, timeout_seconds=3)
    read = admin.get(at(made)).json()
    assert send(admin, "PUT", at(made), read).status_code == 200  # as it was read
    assert send(admin, "PUT", at(made), wanted()).json()["timeout_seconds"] == 15
    assert held(made).auth.model_dump() == auth
    assert held(made).headers == {"X-Key": SECRET, "X-Team": "a"}
    body = {"auth": {"type": "basic", "username": "grace"}, "headers": {"x-key": None, "X-Other": "b"}}
    assert send(admin, "PATCH", at(made), body).json()["auth"] == {"type": "basic", "username": "grace"}
    assert held(made).auth.model_dump() == auth | {"username": "grace"}
    assert held(made).headers == {"x-key": SECRET, "X-Other": "b"}
    assert send(admin, "PATCH", at(made), {"auth": {"type": "none"}}).json()["auth"] == {"type": "none"}


@pytest.mark.parametrize(
    ("bad", "field", "said"),
    [
        ({"url": "http://127.0.0.1/"}, "url", "not a public address"),
        ({"url": "http://2130706433/"}, "url", "not a public address"),
        ({"url": "ftp://example.com/"}, "url", "Only http and https"),
        ({"url": "http://127.0.0.2/" + "x" * 2000}, "url", "2000"),
        ({"event_types": []}, "event_types", ""),
        ({"event_types": ["execution.exploded"]}, "event_types", "execution.exploded"),
        ({"event_types": ["system.*"]}, "event_types", "not delivered"),
        ({"event_types": ["workflow.hook_tested"]}, "event_types", "not delivered"),
        ({"workflow": "0198f000-0000-7000-8000-000000000000"}, "workflow", "no workflow with this id"),
        ({"filter": "event.type =="}, "filter", "syntax error"),
        ({"transform": "return {"}, "transform", "syntax error"),
        ({"headers": {"X-Bad": "a\r\nb"}}, "headers", "X-Bad"),
        ({"headers": {"webhook-id": "mine"}}, "headers", "The platform sets"),
        ({"headers": {"Host": "elsewhere"}}, "headers", "The platform sets"),
        ({"headers": {"X-New": None}}, "headers", "no stored value"),
        ({"auth": {"type": "bearer"}}, "auth.token", "required"),
        ({"auth": {"type": "magic"}}, "auth.type", "bearer"),
        ({"auth": {"type": "header", "name": "X Key", "value": "v"}}, "auth.name", ""),
        ({"retry_policy": {"preset": "often"}}, "retry_policy.preset", "standard"),
        ({"retry_policy": {"preset": "custom", "max_attempts": 51}}, "retry_policy.max_attempts", "50"),
        ({"retry_policy": {"max_attempts": 3}}, "retry_policy.preset", "custom"),
        ({"retry_policy": {"preset": "custom", "delays_seconds": [-1]}}, "retry_policy.preset", "delays_seconds"),
        ({"timeout_seconds": 0}, "timeout_seconds", "0.5"),
        ({"rate_limit": 0}, "rate_limit", "1"),
        ({"max_concurrent": 1000}, "max_concurrent", "100"),
        ({"ordering": "sorted"}, "ordering", "sorted"),
        ({"secret": "whsec_c2hvcnQ="}, "secret", "24 to 64 bytes"),
        ({"secret": GIVEN, "signature": "v1a"}, "secret", "whsk_"),
        ({"event_type": ["execution.*"]}, "event_type", "Unknown field"),
    ],
)
def test_every_bad_input_names_its_field(admin: Client, bad: dict[str, Any], field: str, said: str) -> None:
    answer = send(admin, "POST", URL, wanted(**bad))
    assert answer.status_code == 400, answer.content
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert said in error["message"]
    assert not Endpoint.objects.exists()


def test_a_name_that_does_not_resolve_yet_may_be_saved(admin: Client) -> None:
    assert make(admin, url="https://not-yet.invalid/hook")["name"] == "not-yet.invalid"


def test_what_an_endpoint_listened_to_is_written_down_with_every_change(admin: Client, workspace: Workspace) -> None:
    stream = Stream.objects.create(name=f"workflow:{uuid7()}", workspace=workspace)
    made = make(admin)
    send(admin, "PATCH", at(made), {"name": "Other", "timeout_seconds": 3})
    assert len(revisions(made)) == 1
    send(admin, "PATCH", at(made), {"event_types": ["execution.failed"]})
    answer = send(admin, "PATCH", at(made), {"workflow": stream.name.removeprefix("workflow:")})
    assert answer.json()["workflow"] == stream.name.removeprefix("workflow:")
    send(admin, "PATCH", at(made), {"active": False})
    assert admin.get(at(made)).json()["state"] == "inactive"
    send(admin, "POST", at(made, "enable"))
    assert send(admin, "DELETE", at(made)).status_code == 204
    assert [listening for listening, _, _ in revisions(made)] == [True, True, True, False, True, False]
    assert [is_open for _, _, is_open in revisions(made)] == [False] * 5 + [True]
    rows = list(EndpointRevision.objects.filter(endpoint=made["id"]).order_by("began_at", "id"))
    assert all(row.ended_at == after.began_at for row, after in pairwise(rows))


def test_a_rotated_secret_signs_beside_the_one_before_it_until_the_overlap_is_over(admin: Client) -> None:
    made = make(admin)
    rotated = send(admin, "POST", at(made, "rotate-secret"), {"overlap_hours": 2}).json()
    assert rotated["secret"] not in (made["secret"], None)
    now = timezone.now()
    assert [each.secret for each in held(made).signing_at(now)] == [rotated["secret"], made["secret"]]
    assert [each.secret for each in held(made).signing_at(now + timedelta(hours=3))] == [rotated["secret"]]
    assert [each["expires_at"] is None for each in rotated["signing_secrets"]] == [True, False]
    other = send(admin, "POST", at(made, "rotate-secret"), {"signature": "v1a", "overlap_hours": 0}).json()
    assert other["secret"].startswith("whsk_")
    assert [each["public_key"][:5] for each in other["signing_secrets"]] == ["whpk_"]
    again = send(admin, "POST", at(made, "rotate-secret"), {"signature": "v1", "secret": GIVEN})
    assert again.json()["secret"] == GIVEN
    for _ in range(3):
        assert send(admin, "POST", at(made, "rotate-secret"), {}).status_code == 200
    full = send(admin, "POST", at(made, "rotate-secret"), {})
    assert (full.status_code, full.json()["errors"][0]["field"]) == (400, "secret")
    assert send(admin, "PATCH", at(made), {"signature": "v1a"}).json()["errors"][0]["field"] == "signature"


def test_pausing_keeps_deliveries_and_resuming_begins_carefully(admin: Client, workspace: Workspace) -> None:
    made = make(admin)
    endpoint = Endpoint.objects.get()
    Lane.objects.filter(pk=endpoint.pk).update(window=9, failures=12, open_until=timezone.now() + timedelta(hours=1))
    assert send(admin, "POST", at(made, "pause")).json()["state"] == "paused"
    append_to(Stream.objects.create(name=f"execution:{uuid7()}", workspace=workspace), "execution.log")
    assert [each.status for each in deliveries_of(endpoint)] == ["pending"]
    path = f"/api/webhooks/deliveries/{deliveries_of(endpoint)[0].pk}/"
    assert admin.get(path).json()["waiting_for"].startswith("The endpoint is paused")
    resumed = send(admin, "POST", at(made, "resume")).json()
    assert (resumed["state"], resumed["queued"]) == ("active", 1)
    assert (resumed["health"]["window"], resumed["health"]["open_until"]) == (1, None)


def test_a_disabled_endpoint_is_enabled_again(admin: Client) -> None:
    made = make(admin)
    Endpoint.objects.update(
        active=False, disabled_at=timezone.now(), disabled_reason="The receiver responded with 410 Gone."
    )
    assert admin.get(at(made)).json()["state"] == "disabled"
    enabled = send(admin, "POST", at(made, "enable")).json()
    assert (enabled["state"], enabled["disabled_reason"], enabled["disabled_at"]) == ("active", "", None)


def test_a_test_event_goes_out_before_all_others(admin: Client) -> None:
    made = make(admin)
    sent = send(admin, "POST", at(made, "test")).json()
    assert (sent["origin"], sent["event_type"], sent["priority"]) == ("test", "webhook.test", "high")
    answer = send(admin, "POST", at(made, "test"), {"event_type": "execution.log"})
    assert answer.json()["errors"][0]["field"] == "event_type"
    send(admin, "POST", at(made, "pause"))
    assert send(admin, "POST", at(made, "test")).status_code == 409


def test_a_request_that_comes_again_makes_one_endpoint_and_shows_its_secret_once(admin: Client) -> None:
    first, again = (send(admin, "POST", URL, wanted(), **{"Idempotency-Key": "a"}).json() for _ in range(2))
    assert first["id"] == again["id"]
    assert first["secret"].startswith("whsec_")
    assert again["secret"] is None


def test_a_deleted_endpoint_is_gone_its_secrets_too_and_what_waited_is_cancelled(
    admin: Client, workspace: Workspace
) -> None:
    made = make(admin, auth={"type": "bearer", "token": SECRET})
    append_to(Stream.objects.create(name=f"execution:{uuid7()}", workspace=workspace), "execution.log")
    assert send(admin, "DELETE", at(made)).status_code == 204
    for method, further in (("GET", []), ("DELETE", []), ("POST", ["enable"])):
        assert send(admin, method, at(made, *further)).status_code == 404
    assert admin.get(URL).json()["results"] == []
    assert held(made) == SealedSecrets()
    operation = Operation.objects.get()
    assert (operation.kind, operation.endpoint_id, operation.state) == ("cancel", operation.endpoint_id, "running")
    operation_jobs.work(operation.pk, threading.Event())
    told = Delivery.objects.visible_to(admin_of(workspace)).get()
    assert (told.status, told.operation_id) == ("cancelled", operation.pk)
    # What was being written at that very moment.
    late = Delivery.objects.create(
        workspace=workspace, endpoint_id=made["id"], lane_id=made["id"], idempotency_key="", body="{}"
    )
    lanes.open_missing_lanes()
    late.refresh_from_db()
    assert (late.status, late.error) == ("cancelled", "The endpoint was deleted.")


def admin_of(workspace: Workspace) -> Any:
    return workspace.memberships.get().user


def test_members_see_endpoints_editors_test_them_and_admins_change_them(admin: Client, workspace: Workspace) -> None:
    made = make(admin, url="http://127.0.0.2:9/hook?key=hidden", auth={"type": "basic", "username": "ada"})
    viewer, editor = member("viewer", workspace, Role.VIEWER), member("editor", workspace, Role.EDITOR)
    for client in (viewer, editor):
        seen = client.get(at(made)).json()
        assert "hidden" not in json.dumps(seen)
        assert (seen["signing_secrets"], seen["auth"]) == (None, {"type": "basic"})
        assert send(client, "POST", URL, wanted()).status_code == 403
        for method, further in (("PATCH", []), ("DELETE", []), ("POST", ["rotate-secret"]), ("POST", ["pause"])):
            assert send(client, method, at(made, *further), {}).status_code == 403
    assert send(viewer, "POST", at(made, "test")).status_code == 403
    assert send(editor, "POST", at(made, "test")).status_code == 201
    assert admin.get(at(made)).json()["url"].endswith("?key=hidden")


def test_a_workspace_has_a_bounded_number_of_endpoints(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "MOST_ENDPOINTS", 1)
    make(admin)
    assert send(admin, "POST", URL, wanted()).status_code == 409


def test_what_policies_come_to_is_said_in_words(admin: Client) -> None:
    presets = {each["preset"]: each for each in admin.get("/api/webhooks/retry-presets/").json()}
    assert presets["standard"]["in_words"] == "10 attempts within about 3.1 days"
    assert presets["quick"]["in_words"] == "5 attempts within 15 seconds"
    body = {"preset": "custom", "delays_seconds": [60, 3600]}
    preview = send(admin, "POST", "/api/webhooks/retry-presets/preview/", body).json()
    assert (preview["attempts"], preview["in_words"]) == (3, "3 attempts within about 61 minutes")
    bad = send(admin, "POST", "/api/webhooks/retry-presets/preview/", {"preset": "quick", "multiplier": 2})
    assert bad.json()["errors"][0]["field"] == "preset"
