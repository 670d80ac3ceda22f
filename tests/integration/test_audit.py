"""The audit log of a workspace: who changed members, invitations and tokens, for its admins only, without secrets."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from events.bus.models import EventSubscription
from events.bus.positions import update_fields
from events.history.cursors import START
from events.retention.models import RetentionPolicy
from workflow_platform.core.accounts import audit
from workflow_platform.core.accounts.models import AuditEntry, AuditKind, Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db

PASSWORD = "a long enough password"


def caller(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_changes_of_accounts_and_members_are_recorded_for_admins_without_secrets() -> None:
    admin, member = (User.objects.create_user(name, f"{name}@example.com", PASSWORD) for name in ("ada", "ben"))
    as_admin, as_member = caller(admin), caller(member)
    workspace = as_admin.post("/api/workspaces/", {"name": "Lab"}).json()["id"]
    path = f"/api/workspaces/{workspace}/"
    link = as_admin.post(f"{path}invitations/", {"username": "ben", "role": "viewer"}).json()["token"]
    assert as_member.post(f"/api/invitations/{link}/accept/").status_code == 200
    token = as_member.post("/api/tokens/", {"name": "Deploy", "scopes": ["run"]}).json()
    assert as_member.delete(f"/api/tokens/{token['id']}/").status_code == 204
    assert as_member.delete(f"/api/tokens/{token['id']}/").status_code == 204
    for _ in range(2):
        assert APIClient().post("/api/auth/token/", {"username": "ben", "password": "a guess"}).status_code == 401
    ben = as_admin.get(f"{path}members/").json()["results"][-1]
    member_id = Membership.objects.get(user=member).pk
    assert ben["username"] in {"ada", "ben"}
    assert as_admin.patch(f"{path}members/{member_id}/", {"role": "editor"}).status_code == 200
    assert as_member.get(f"{path}audit/").status_code == 403
    assert as_admin.patch(path, {"name": "Laboratory"}).status_code == 200
    assert as_admin.delete(f"{path}members/{member_id}/").status_code == 204
    assert as_member.get(f"{path}audit/").status_code == 404

    listed = as_admin.get(f"{path}audit/").json()["results"]
    assert [(each["kind"], each["by"], each["subject"]) for each in reversed(listed)] == [
        ("workspace.created", "ada", "Lab"),
        ("invitation.created", "ada", "ben"),
        ("member.added", "ben", "ben"),
        ("token.created", "ben", "ben"),
        ("token.revoked", "ben", "ben"),
        ("sign_in.failed", "", "ben"),
        ("member.role_changed", "ada", "ben"),
        ("workspace.renamed", "ada", "Laboratory"),
        ("member.removed", "ada", "ben"),
    ]
    text = json.dumps(listed)
    assert token["token"] not in text
    assert link not in text
    roles = as_admin.get(f"{path}audit/?kind=member.role_changed").json()["results"]
    assert [each["data"] for each in roles] == [{"from": "viewer", "to": "editor"}]

    browser = Client()
    browser.force_login(admin)
    page = " ".join(browser.get(f"/workspaces/{workspace}/").content.decode().split())
    assert "<b>Role changed</b> ben from viewer to editor" in page
    assert "<b>API token created</b> ben “Deploy” with run" in page


def test_an_entry_outlives_its_workspace_and_is_deleted_after_a_year() -> None:
    admin = User.objects.create_user("ada", "ada@example.com", PASSWORD)
    workspace = Workspace.objects.create(name="Lab", slug="lab-of-audit")
    Membership.objects.create(workspace=workspace, user=admin, role=Role.ADMIN)
    assert caller(admin).delete(f"/api/workspaces/{workspace.pk}/").status_code == 204
    (entry,) = AuditEntry.objects.filter(workspace_id=workspace.pk)
    assert (entry.kind, entry.actor_name) == (AuditKind.WORKSPACE_DELETED, "ada")
    assert audit.sweep() == 0
    AuditEntry.objects.update(at=timezone.now() - audit.KEPT - timedelta(days=1))
    assert audit.sweep() == 1


def test_what_staff_change_in_the_admin_site_is_recorded_without_values(client: Client) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    ben = User.objects.create_user("ben", password=PASSWORD)
    lab = Workspace.objects.create(name="Lab", slug="lab")
    member = Membership.objects.create(user=ben, workspace=lab, role=Role.ADMIN)
    client.force_login(root)

    def post(path: str, **values: Any) -> None:
        answer = client.post(f"/admin/{path}", values)
        assert answer.status_code == 302, answer.content.decode()[:3000]

    def entries() -> list[tuple[Any, ...]]:
        rows = AuditEntry.objects.filter(workspace_id=lab.pk).order_by("pk")
        found = [(row.kind, row.subject, audit.details_of(row), row.actor_name) for row in rows]
        rows.delete()
        return found

    post("events/retentionpolicy/add/", workspace=lab.pk, days=30)
    policy = RetentionPolicy.objects.get()
    post(f"events/retentionpolicy/{policy.pk}/change/", days=7)
    model = "events.retentionpolicy"
    assert entries() == [
        ("admin.added", str(policy), model, "root"), ("admin.changed", str(policy), f"{model}: Days", "root"),
    ]  # fmt: skip
    new = "another long enough password"
    post(f"accounts/user/{ben.pk}/password/", password1=new, password2=new, usable_password="true")
    (entry,) = AuditEntry.objects.all()
    assert (entry.kind, entry.subject, entry.workspace_id) == ("admin.changed", "ben", lab.pk)
    assert new not in json.dumps(entry.data)
    entries()
    chosen = {"action": "delete_selected", "post": "yes"}
    post("accounts/membership/", **chosen, _selected_action=[member.pk])
    post("events/retentionpolicy/", **chosen, _selected_action=[policy.pk])
    subscription = EventSubscription.objects.create(name="mirror", workspace=lab, **update_fields(START))
    post("events/eventsubscription/", action="move_to_now", _selected_action=[subscription.pk])
    assert [row[:3] for row in entries()] == [
        ("member.removed", "ben", "as admin"), ("admin.deleted", str(policy), model),
        ("admin.action", str(subscription), "events.eventsubscription: move_to_now"),
    ]  # fmt: skip
    post("auth/group/add/", name="Operators")
    (entry,) = AuditEntry.objects.filter(workspace_id=audit.NOWHERE)
    assert (entry.kind, entry.subject, entry.actor) == ("admin.added", "Operators", root)
