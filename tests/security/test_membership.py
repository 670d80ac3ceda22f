"""Nobody becomes a member by force, and nothing that a user creates lands in somebody else's workspace."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient
from websockets.asyncio.client import connect

from executions.models import Credential
from tests.conftest import Platform
from tests.people import Person
from tests.surroundings import PATIENCE_SECONDS
from workflow_platform.core.accounts import invitations
from workflow_platform.core.accounts.models import Invitation, Membership, Role, User, Workspace

SECONDS = PATIENCE_SECONDS
"""No bound: a machine that is overloaded may need longer than the check of all connections comes around."""


def as_user(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def person(name: str, **fields: Any) -> User:
    return User.objects.create_user(name, **fields)


def workspace_of(user: User, name: str, role: Role = Role.ADMIN) -> Workspace:
    workspace = Workspace.objects.create(name=name, slug=f"{name.lower()}-{uuid4().hex[:6]}")
    Membership.objects.create(workspace=workspace, user=user, role=role)
    return workspace


def invite(client: APIClient, workspace: Workspace, **body: Any) -> Any:
    return client.post(f"/api/workspaces/{workspace.pk}/invitations/", {"role": "editor"} | body)


def accept(user: User, token: str) -> int:
    return int(as_user(user).post(f"/api/invitations/{token}/accept/").status_code)


@pytest.fixture
def eve(db: None) -> User:
    return person("eve")


@pytest.fixture
def evil(eve: User) -> Workspace:
    """The attacker's workspace, older than any other."""
    return workspace_of(eve, "Evil")


@pytest.fixture
def victim(evil: Workspace) -> User:
    made = person("victim", email="victim@example.com")
    workspace_of(made, "Own")
    return made


def test_nobody_is_made_a_member_without_accepting(eve: User, evil: Workspace, victim: User) -> None:
    members = f"/api/workspaces/{evil.pk}/members/"
    for body in ({"username": "victim", "role": "admin"}, {"user": victim.pk, "role": "admin"}):
        assert as_user(eve).post(members, body).status_code == 405
    assert as_user(eve).put(members, {"username": "victim", "role": "admin"}).status_code == 405
    assert invite(as_user(eve), evil, username="victim").status_code == 201
    assert not Membership.objects.filter(user=victim, workspace=evil).exists()


def test_an_invitation_says_nothing_about_who_has_an_account(eve: User, evil: Workspace, victim: User) -> None:
    answers, queries = [], []
    for addressee in ({"username": "victim"}, {"username": "nobody"}, {"email": "victim@example.com"}):
        with CaptureQueriesContext(connection) as seen:
            answers.append(invite(as_user(eve), evil, **addressee))
        queries.append([query["sql"].split()[0] for query in seen])
    said = [
        {name: value for name, value in answer.json().items() if name in {"role", "state", "accepted_by"}}
        for answer in answers
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert said[0] == said[1] == said[2]
    assert queries[0] == queries[1] == queries[2]


def test_only_the_addressee_can_accept_and_only_once(eve: User, evil: Workspace, victim: User) -> None:
    for addressee in ({"username": "victim"}, {"email": "Victim@Example.com"}):
        token = invite(as_user(eve), evil, **addressee).json()["token"]
        assert accept(person(f"other-{uuid4().hex[:6]}", email="other@example.com"), token) == 404
        assert accept(victim, token) == 200
        assert Membership.objects.get(user=victim, workspace=evil).role == Role.EDITOR
        assert as_user(victim).delete(f"/api/workspaces/{evil.pk}/members/me/").status_code == 204
        assert accept(victim, token) == 404


def test_a_token_that_is_wrong_expired_used_revoked_or_foreign_gets_the_same_answer(
    eve: User, evil: Workspace, victim: User
) -> None:
    client, tokens = as_user(eve), {"wrong": "x" * 43, "long": "x" * 5000}
    for kind in ("expired", "used", "revoked", "foreign"):
        name = "somebody" if kind == "foreign" else "victim"
        made = invite(client, evil, username=name).json()
        tokens[kind] = made["token"]
        row = Invitation.objects.filter(pk=made["id"])
        if kind == "expired":
            row.update(expires_at=timezone.now())
        elif kind == "used":
            row.update(accepted_at=timezone.now())
        elif kind == "revoked":
            assert client.delete(f"/api/workspaces/{evil.pk}/invitations/{made['id']}/").status_code == 204
    for method in ("get", "post"):
        said = set()
        for token in tokens.values():
            path = f"/api/invitations/{token}/" + ("accept/" if method == "post" else "")
            answer = getattr(as_user(victim), method)(path)
            said.add((answer.status_code, answer.json()["detail"]))
        assert len(said) == 1
        assert said.pop()[0] == 404


def test_an_invitation_ends_with_the_role_of_its_sender(eve: User, evil: Workspace) -> None:
    other = person("other-admin")
    sent = Membership.objects.create(workspace=evil, user=other, role=Role.ADMIN)
    token = invite(as_user(other), evil, username="second-account").json()["token"]
    second = person("second-account")
    assert as_user(eve).delete(f"/api/workspaces/{evil.pk}/members/{sent.pk}/").status_code == 204
    assert accept(second, token) == 404


def test_who_is_removed_does_not_come_back_with_an_old_invitation(eve: User, evil: Workspace, victim: User) -> None:
    first = invite(as_user(eve), evil, username="victim").json()["token"]
    second = invite(as_user(eve), evil, email="victim@example.com").json()["token"]
    assert accept(victim, first) == 200
    membership = Membership.objects.get(user=victim, workspace=evil)
    assert as_user(eve).delete(f"/api/workspaces/{evil.pk}/members/{membership.pk}/").status_code == 204
    assert accept(victim, second) == 404


def test_only_admins_invite_and_see_invitations_and_no_token_is_kept(eve: User, evil: Workspace, victim: User) -> None:
    token = invite(as_user(eve), evil, username="victim", role="viewer").json()["token"]
    listed = as_user(eve).get(f"/api/workspaces/{evil.pk}/invitations/")
    assert [row["state"] for row in listed.json()["results"]] == ["pending"]
    assert token not in listed.content.decode()
    assert all(token not in str(value) for value in vars(Invitation.objects.get()).values())
    assert invite(as_user(victim), evil, username="x").status_code == 404
    assert accept(victim, token) == 200
    assert invite(as_user(victim), evil, username="x", role="admin").status_code == 403
    assert as_user(victim).get(f"/api/workspaces/{evil.pk}/invitations/").status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "no address"},
        {"username": "a", "email": "a@example.com"},
        {"username": "a", "role": "owner"},
        {"username": "a", "expires_at": "2020-01-01T00:00:00Z"},
        {"username": "a", "expires_at": "2999-01-01T00:00:00Z"},
    ],
)
def test_an_invitation_that_makes_no_sense_is_refused(eve: User, evil: Workspace, body: dict[str, Any]) -> None:
    assert invite(as_user(eve), evil, **body).status_code == 400


def test_a_workspace_can_have_only_so_many_invitations(
    eve: User, evil: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "MOST_PENDING", 2)
    assert [invite(as_user(eve), evil, username=f"a{n}").status_code for n in range(3)] == [201, 201, 409]
    Invitation.objects.update(revoked_at=timezone.now())
    monkeypatch.setattr(invitations, "MOST_PER_HOUR", 2)
    refused = invite(as_user(eve), evil, username="b")
    assert refused.status_code == 429
    assert refused["Retry-After"]
    Invitation.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert invite(as_user(eve), evil, username="b").status_code == 201


def test_every_member_can_leave_except_the_last_admin(eve: User, evil: Workspace, victim: User) -> None:
    Membership.objects.create(workspace=evil, user=victim, role=Role.VIEWER)
    me = f"/api/workspaces/{evil.pk}/members/me/"
    refused = as_user(eve).delete(me)
    assert refused.status_code == 409
    assert "last admin" in refused.json()["detail"]
    assert as_user(victim).delete(me).status_code == 204
    assert as_user(victim).delete(me).status_code == 404


CREATIONS = {
    "/api/workflows/": {"name": "W", "nodes": [], "edges": []},
    "/api/credentials/": {"name": "C", "type": "bearer", "data": {"token": "of-the-victim"}},
    "/api/webhooks/endpoints/": {"url": "https://example.com/", "event_types": ["execution.*"]},
    "/api/webhooks/deliveries/": {"url": "https://example.com/", "body": "x"},
    "/api/webhooks/operations/": {"kind": "cancel", "filter": {"status": ["failed"]}},
}


@pytest.mark.parametrize("path", CREATIONS)
def test_a_member_of_several_workspaces_must_name_one(evil: Workspace, victim: User, path: str) -> None:
    """The attack: the attacker's workspace is the oldest, and the victim's request names none."""
    Membership.objects.create(workspace=evil, user=victim, role=Role.ADMIN)
    refused = as_user(victim).post(path, CREATIONS[path])
    assert refused.status_code == 400, refused.content
    assert "workspace: You are a member of several workspaces; name one of" in refused.json()["detail"]
    assert str(evil.pk) in refused.json()["detail"]
    assert refused.json()["errors"][0]["field"] == "workspace"
    assert not Credential.objects.exists()


@pytest.mark.parametrize("role", list(Role))
def test_the_roles_elsewhere_do_not_decide_where_a_credential_lands(evil: Workspace, victim: User, role: Role) -> None:
    """An attacker who invites somebody as viewer, or somebody who is only a viewer at home, changes nothing."""
    Membership.objects.create(workspace=evil, user=victim, role=role)
    assert as_user(victim).post("/api/credentials/", CREATIONS["/api/credentials/"]).status_code == 400


def test_with_one_membership_it_is_that_one_and_a_name_is_obeyed(evil: Workspace, victim: User) -> None:
    own = victim.memberships.get().workspace
    body = CREATIONS["/api/credentials/"]
    assert as_user(victim).post("/api/credentials/", body).json()["workspace"] == str(own.pk)
    assert as_user(victim).post("/api/credentials/", body | {"workspace": str(evil.pk)}).status_code == 403
    Membership.objects.create(workspace=evil, user=victim, role=Role.ADMIN)
    named = as_user(victim).post("/api/credentials/", body | {"name": "D", "workspace": str(own.pk)})
    assert named.json()["workspace"] == str(own.pk)


def test_a_repeated_request_is_answered_although_there_are_more_workspaces_by_now(
    evil: Workspace, victim: User
) -> None:
    client, body = as_user(victim), CREATIONS["/api/credentials/"]
    first = client.post("/api/credentials/", body, headers={"Idempotency-Key": "once"})
    Membership.objects.create(workspace=evil, user=victim, role=Role.ADMIN)
    again = client.post("/api/credentials/", body, headers={"Idempotency-Key": "once"})
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])


def test_a_new_membership_never_changes_the_default_workspace(eve: User, evil: Workspace, victim: User) -> None:
    own = str(victim.memberships.get().workspace_id)
    assert accept(victim, invite(as_user(eve), evil, username="victim").json()["token"]) == 200
    client = as_user(victim)
    assert client.get("/api/account/").json()["default_workspace"] == own
    changed = client.patch("/api/account/", {"default_workspace": str(evil.pk)})
    assert changed.json()["default_workspace"] == str(evil.pk)
    assert client.delete(f"/api/workspaces/{evil.pk}/members/me/").status_code == 204
    assert client.get("/api/account/").json()["default_workspace"] is None
    for foreign in (str(evil.pk), str(uuid4())):
        refused = client.patch("/api/account/", {"default_workspace": foreign})
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "not_a_member")


def test_pages_offer_the_users_own_default_first(evil: Workspace, victim: User, client: Any) -> None:
    own = victim.memberships.get().workspace
    Membership.objects.create(workspace=evil, user=victim, role=Role.ADMIN)
    client.force_login(victim)
    for path in ("/workflows/", "/credentials/", "/webhooks/", "/webhooks/deliveries/"):
        page = client.get(path).content.decode()
        assert 0 < page.index(f'<option value="{own.pk}"') < page.index(f'<option value="{evil.pk}"'), path


def test_the_link_opens_a_page_for_the_addressee_alone(eve: User, evil: Workspace, victim: User, client: Any) -> None:
    made = invite(as_user(eve), evil, username="victim").json()
    assert made["link"].endswith(f"/invitations/{made['token']}/")
    path = f"/invitations/{made['token']}/"
    assert client.get(path).status_code == 302  # to the login
    client.force_login(eve)
    assert (client.get(path).status_code, client.post(path).status_code) == (404, 404)
    client.force_login(victim)
    assert "Join Evil" in client.get(path).content.decode()
    assert not Membership.objects.filter(user=victim, workspace=evil).exists()  # reading accepts nothing
    assert client.post(path).status_code == 302
    assert Membership.objects.filter(user=victim, workspace=evil).exists()
    assert client.get(path).status_code == 404


async def test_a_removed_member_loses_rows_and_streams_within_seconds(platform: Platform) -> None:
    admin_of = platform.request("GET", "/api/workspaces/").json()["results"][0]["id"]
    workflow = platform.request("GET", "/api/workflows/").json()["results"][0]["id"]
    guest = Person(platform, None)
    body = {"username": guest.name, "role": "editor"}
    made = platform.request("POST", f"/api/workspaces/{admin_of}/invitations/", json=body).json()
    assert guest.request("POST", f"/api/invitations/{made['token']}/accept/").status_code == 200
    assert guest.request("GET", f"/api/workflows/{workflow}/").status_code == 200
    headers = {"Authorization": f"Bearer {guest.token}"}
    async with connect(platform.ws_url, additional_headers=headers) as socket:
        await socket.send(json.dumps({"type": "subscribe", "stream": f"workflow:{workflow}", "after": -1}))
        while json.loads(await socket.recv())["type"] != "live":
            pass
        members = platform.request("GET", f"/api/workspaces/{admin_of}/members/").json()["results"]
        (row,) = [each["id"] for each in members if each["username"] == guest.name]
        assert platform.request("DELETE", f"/api/workspaces/{admin_of}/members/{row}/").status_code == 204
        async with asyncio.timeout(SECONDS):
            while json.loads(await socket.recv())["type"] != "error":
                pass
    assert guest.request("GET", f"/api/workflows/{workflow}/").status_code == 404
    assert guest.request("GET", "/api/credentials/").json()["results"] == []
