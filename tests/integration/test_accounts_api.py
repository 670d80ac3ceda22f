"""One's account, sessions, workspaces and invitations over the API, as a person without the admin site uses them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from workflow_platform.core.accounts import invitations
from workflow_platform.core.accounts.browser_sessions import device_of
from workflow_platform.core.accounts.models import BrowserSession, Invitation, Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db
PASSWORD = "a-password-for-tests"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0"


@pytest.fixture(autouse=True)
def quick(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", "ada@example.com", PASSWORD)


@pytest.fixture
def own(ada: User) -> Workspace:
    workspace = Workspace.objects.create(name="Own", slug="own")
    Membership.objects.create(workspace=workspace, user=ada, role=Role.ADMIN)
    return workspace


def as_user(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def browser(user: User, agent: str, address: str = "203.0.113.9") -> Client:
    client = Client(headers={"User-Agent": agent}, REMOTE_ADDR=address)
    client.force_login(user)
    client.get("/api/account/")
    return client


def member(workspace: Workspace, name: str, role: Role) -> Membership:
    return Membership.objects.create(workspace=workspace, user=User.objects.create_user(name), role=role)


def test_sessions_are_listed_with_device_and_network_and_end_one_by_one(ada: User) -> None:
    here, there = browser(ada, CHROME), browser(ada, FIREFOX, "2001:db8:1:2::3")
    APIClient().post("/api/auth/token/", {"username": "ada", "password": PASSWORD})
    rows = here.get("/api/account/sessions/").json()
    assert [
        (row["kind"], row["device"], row["network"], row["current"]) for row in rows if row["kind"] == "browser"
    ] == [
        ("browser", "Chrome on Linux", "203.0.113.0/24", True),
        ("browser", "Firefox on Windows", "2001:db8:1::/48", False),
    ]
    assert {row["kind"] for row in rows} == {"browser", "api"}
    stranger = as_user(User.objects.create_user("eve"))
    for row in rows[1:]:
        path = f"/api/account/sessions/{row['id']}/"
        assert stranger.delete(path).status_code == 404
        assert here.delete(path).status_code == 204
        assert here.delete(path).status_code == 404
    assert there.get("/api/account/").status_code == 401
    assert [row["current"] for row in here.get("/api/account/sessions/").json()] == [True]


def test_a_session_from_before_a_change_of_password_is_not_listed(ada: User) -> None:
    here = browser(ada, CHROME)
    browser(ada, FIREFOX)
    body = {"current_password": PASSWORD, "new_password": "another password 1"}
    assert here.post("/api/account/password/", body, content_type="application/json").status_code == 200
    assert len(here.get("/api/account/sessions/").json()) == 1
    assert BrowserSession.objects.count() == 1


@pytest.mark.parametrize(
    ("agent", "device"),
    [(CHROME, "Chrome on Linux"), ("curl/8.5.0", "curl"), ("", "Unknown device"), ("<script>", "Unknown device")],
)
def test_a_device_is_named_by_its_browser_and_system(agent: str, device: str) -> None:
    assert device_of(agent) == device


def test_preferences_are_saved_and_another_email_address_needs_the_password(ada: User) -> None:
    client = as_user(ada)
    wanted = {"theme": "dark", "time_zone": "Europe/Berlin", "first_name": "Ada", "email": "ada@example.com"}
    assert client.patch("/api/account/", wanted).json() | wanted == client.get("/api/account/").json()
    for body, field in (
        ({"email": "new@example.com"}, "current_password"),
        ({"email": "new@example.com", "current_password": "wrong"}, "current_password"),
        ({"email": "not an address", "current_password": PASSWORD}, "email"),
        ({"time_zone": "Mars/Phobos"}, "time_zone"),
        ({"theme": "pink"}, "theme"),
    ):
        refused = client.patch("/api/account/", body)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field)
    changed = client.patch("/api/account/", {"email": "new@example.com", "current_password": PASSWORD})
    assert changed.json()["email"] == "new@example.com"


def test_an_admin_renames_and_hands_over_a_workspace_and_others_do_not(ada: User, own: Workspace) -> None:
    bob, path = member(own, "bob", Role.EDITOR), f"/api/workspaces/{own.pk}/"
    for client, status in ((as_user(bob.user), 403), (as_user(User.objects.create_user("eve")), 404)):
        assert client.patch(path, {"name": "Mine"}).status_code == status
        assert client.delete(path).status_code == status
        assert client.post(f"{path}hand-over/", {"member": bob.pk}).status_code == status
    assert as_user(ada).patch(path, {"name": "Renamed"}).json()["name"] == "Renamed"
    mine = Membership.objects.get(user=ada)
    elsewhere = member(Workspace.objects.create(name="Other", slug="other"), "carol", Role.ADMIN)
    for no_other in (mine.pk, elsewhere.pk, 10**9):
        refused = as_user(ada).post(f"{path}hand-over/", {"member": no_other})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "member")
    assert as_user(ada).post(f"{path}hand-over/", {"member": bob.pk}).status_code == 204
    roles = dict(own.memberships.values_list("user__username", "role"))
    assert roles == {"ada": "editor", "bob": "admin"}


def test_only_an_empty_workspace_is_deleted(ada: User, own: Workspace) -> None:
    path = f"/api/workspaces/{own.pk}/"
    secret = {"name": "Ours", "type": "bearer", "data": {"token": "x"}, "workspace": str(own.pk)}
    credential = as_user(ada).post("/api/credentials/", secret).json()["id"]
    refused = as_user(ada).delete(path)
    assert (refused.status_code, "still has 1 credential." in refused.json()["detail"]) == (409, True), refused.json()
    as_user(ada).delete(f"/api/credentials/{credential}/")
    member(own, "bob", Role.VIEWER)
    as_user(ada).post(f"{path}invitations/", {"username": "carol", "role": "viewer"})
    assert as_user(ada).delete(path).status_code == 204
    assert not Workspace.objects.exists()
    assert User.objects.get(pk=ada.pk).default_workspace is None


def test_an_invitation_goes_out_by_email_and_its_link_can_be_renewed(ada: User, own: Workspace, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    Workspace.objects.update(name="Own\nBcc: everybody@example.com")
    path = f"/api/workspaces/{own.pk}/invitations/"
    made = as_user(ada).post(path, {"email": "bob@example.com", "role": "viewer"}).json()
    assert made["email_sent"] == "sent"
    assert mail.outbox[0].to == ["bob@example.com"]
    assert "\n" not in mail.outbox[0].subject
    assert made["link"] in mail.outbox[0].body
    renewed = as_user(ada).post(f"{path}{made['id']}/renew/").json()
    assert renewed["link"] != made["link"]
    assert len(mail.outbox) == 2
    bob = User.objects.create_user("bob", "bob@example.com")
    assert as_user(bob).post(f"/api/invitations/{made['token']}/accept/").status_code == 404
    assert as_user(bob).post(f"/api/invitations/{renewed['token']}/accept/").status_code == 200
    assert as_user(ada).post(f"{path}{made['id']}/renew/").status_code == 409


def test_without_a_mail_server_only_the_link_works(ada: User, own: Workspace, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = ""
    path = f"/api/workspaces/{own.pk}/invitations/"
    body = {"email": "bob@example.com", "role": "viewer"}
    assert as_user(ada).post(path, body).json()["email_sent"] == "not_configured"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert as_user(ada).post(path, body).json()["email_sent"] == "failed"
    assert as_user(ada).post(path, {"username": "bob", "role": "viewer"}).json()["email_sent"] == "no_address"


# --- Accounts of invited people --------------------------------------------------------------------------------------


def offered(own: Workspace, ada: User, **fields: Any) -> str:
    token = invitations.invite(own, ada, Role.VIEWER, **({"email": "guest@example.com"} | fields))[1]
    return f"/invitations/{token}/"


def sign_up(path: str, **fields: str) -> Any:
    return Client(REMOTE_ADDR=f"2001:db8::{uuid4().hex[:4]}").post(
        path, {"username": "guest", "password": PASSWORD} | fields
    )


def test_an_invited_person_creates_an_account_once(ada: User, own: Workspace) -> None:
    path = offered(own, ada)
    assert b"guest@example.com" in Client().get(path).content
    for fields, words in (
        ({"username": "ada"}, b"This username is taken."),
        ({"password": "12345"}, b"too short"),
        ({"username": "a b"}, b"Enter a valid username"),
    ):
        refused = sign_up(path, **fields)
        assert (refused.status_code, words in refused.content) == (200, True), refused.content
    assert sign_up(path).status_code == 302
    guest = User.objects.get(username="guest")
    assert (guest.email, guest.is_staff, guest.check_password(PASSWORD)) == ("guest@example.com", False, True)
    assert Membership.objects.get(user=guest).role == Role.VIEWER
    assert sign_up(path, username="second").status_code == 404
    assert not User.objects.filter(username="second").exists()


def test_no_account_is_made_without_an_open_invitation_by_email(ada: User, own: Workspace, settings: Any) -> None:
    assert sign_up("/invitations/nothing/").status_code == 404
    assert sign_up(offered(own, ada, email="", username="guest")).url.startswith("/login/")
    path = offered(own, ada)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert sign_up(path).status_code == 404
    Invitation.objects.update(expires_at=timezone.now() + timedelta(days=1))
    settings.INVITED_SIGN_UP = False
    assert sign_up(path).url.startswith("/login/")
    assert not User.objects.filter(username="guest").exists()


def test_sign_ups_are_limited_like_logins(ada: User, own: Workspace) -> None:
    path, client = offered(own, ada), Client(REMOTE_ADDR="2001:db8::9")
    answers = [client.post(path, {"username": "ada", "password": PASSWORD}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[-1]["Retry-After"]


# --- The choice in the navigation ------------------------------------------------------------------------------------


def test_pages_list_the_chosen_workspace_or_all(ada: User, own: Workspace) -> None:
    other = Workspace.objects.create(name="Other", slug="other")
    Membership.objects.create(workspace=other, user=ada, role=Role.EDITOR)
    foreign = Workspace.objects.create(name="Foreign", slug="foreign")
    for workspace in (own, other):
        body = {"workspace": str(workspace.pk), "name": f"Of {workspace.name}", "nodes": START, "edges": []}
        assert as_user(ada).post("/api/workflows/", body).status_code == 201
    site = browser(ada, CHROME)
    for chosen, shown in ((str(own.pk), {"Of Own"}), (str(other.pk), {"Of Other"}), ("", {"Of Own", "Of Other"})):
        assert site.post("/workspaces/choose/", {"workspace": chosen, "next": "/workflows/"}).url == "/workflows/"
        page = site.get("/workflows/").content.decode()
        assert {name for name in ("Of Own", "Of Other") if name in page} == shown
    for wrong in (str(foreign.pk), "x"):
        assert site.post("/workspaces/choose/", {"workspace": wrong}).status_code == 404
    assert site.post("/workspaces/choose/", {"workspace": "", "next": "https://evil.example/"}).url == "/"
    assert site.get("/workspaces/choose/").status_code == 405


START = [{"id": "start", "name": "Start", "type": "manual_trigger", "parameters": {}}]
