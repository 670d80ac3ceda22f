"""Workspaces and their members over the API, and accounts in the admin site."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from rest_framework.test import APIClient

from workflow_platform.core.accounts.authentication import authenticate_bearer
from workflow_platform.core.accounts.models import ApiToken, Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db


def as_user(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Lab", slug="lab")


@pytest.fixture
def site() -> Client:
    """The admin site, seen by a superuser."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def member(workspace: Workspace, name: str, role: Role) -> Membership:
    user = User.objects.create_user(name)
    return Membership.objects.create(workspace=workspace, user=user, role=role)


def test_who_creates_a_workspace_is_its_admin() -> None:
    client = as_user(User.objects.create_user("ada"))
    made = client.post("/api/workspaces/", {"name": "My Lab"})
    assert made.status_code == 201
    assert made.json()["role"] == "admin"
    assert [w["role"] for w in client.get("/api/workspaces/").json()["results"]] == ["admin"]
    assert client.get("/api/auth/me/").json()["workspaces"][0]["role"] == "admin"


def test_another_workspace_is_a_404_even_for_a_superuser(workspace: Workspace) -> None:
    client = as_user(User.objects.create_superuser("root"))
    for path in (f"/api/workspaces/{workspace.pk}/", f"/api/workspaces/{workspace.pk}/members/"):
        assert client.get(path).status_code == 404
    assert client.get("/api/workspaces/").json()["results"] == []


def test_the_role_shown_is_the_callers_own(workspace: Workspace) -> None:
    member(workspace, "ada", Role.ADMIN)
    viewer = member(workspace, "vic", Role.VIEWER)
    shown = as_user(viewer.user).get("/api/workspaces/").json()["results"]
    assert [(w["id"], w["role"]) for w in shown] == [(str(workspace.pk), "viewer")]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
def test_only_admins_see_and_change_members(workspace: Workspace, role: Role) -> None:
    admin, other = member(workspace, "ada", Role.ADMIN), member(workspace, "vic", role)
    client, base = as_user(other.user), f"/api/workspaces/{workspace.pk}/members/"
    assert client.get(base).status_code == 403
    assert client.patch(f"{base}{other.pk}/", {"role": "admin"}).status_code == 403
    assert client.delete(f"{base}{admin.pk}/").status_code == 403


def test_an_admin_promotes_and_removes_a_member(workspace: Workspace) -> None:
    client = as_user(member(workspace, "ada", Role.ADMIN).user)
    base = f"/api/workspaces/{workspace.pk}/members/"
    one = f"{base}{member(workspace, 'new', Role.VIEWER).pk}/"
    assert client.patch(one, {"role": "editor"}).json()["role"] == "editor"
    assert client.patch(one, {"role": "king"}).status_code == 400
    assert client.delete(one).status_code == 204
    assert len(client.get(base).json()["results"]) == 1


def test_the_last_active_admin_stays(workspace: Workspace) -> None:
    ada = member(workspace, "ada", Role.ADMIN)
    gone = member(workspace, "gone", Role.ADMIN)
    User.objects.filter(pk=gone.user_id).update(is_active=False)
    client, one = as_user(ada.user), f"/api/workspaces/{workspace.pk}/members/{ada.pk}/"
    assert client.delete(one).status_code == 409
    assert client.patch(one, {"role": "viewer"}).status_code == 409
    ada.refresh_from_db()
    assert ada.role == Role.ADMIN


def test_the_member_of_another_workspace_cannot_be_reached_through_ones_own(workspace: Workspace) -> None:
    mine = member(workspace, "ada", Role.ADMIN)
    elsewhere = member(Workspace.objects.create(name="Other", slug="other"), "bob", Role.VIEWER)
    client = as_user(mine.user)
    assert client.delete(f"/api/workspaces/{workspace.pk}/members/{elsewhere.pk}/").status_code == 404


def test_the_admin_site_revokes_tokens_and_shows_none(site: Client) -> None:
    row, raw = ApiToken.issue(User.objects.get(username="root"), "ci")
    page = site.get(f"/admin/accounts/apitoken/{row.pk}/change/").content.decode()
    assert row.digest in page
    assert raw not in page
    site.post("/admin/accounts/apitoken/", {"action": "revoke", "_selected_action": str(row.pk)})
    row.refresh_from_db()
    assert row.revoked_at is not None


def test_the_admin_site_shows_an_issued_token_once(site: Client) -> None:
    root = User.objects.get(username="root")
    form = {"user": root.pk, "name": "ci", "expires_at_0": "", "expires_at_1": ""}
    page = site.post("/admin/accounts/apitoken/add/", form, follow=True).content.decode()
    found = re.search(r"wfp_[\w-]{43}", page)
    assert found is not None
    assert authenticate_bearer(found[0]) == root
    assert found[0] not in site.get("/admin/accounts/apitoken/").content.decode()
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize("page", ["user", "workspace", "membership", "apitoken"])
def test_the_admin_site_lists_accounts(site: Client, page: str) -> None:
    assert site.get(f"/admin/accounts/{page}/").status_code == 200
