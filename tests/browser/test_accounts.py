"""A person without the admin site: workspaces, members, tokens and sessions."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
import requests
from playwright.sync_api import Browser, Page, expect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.browser.conftest import DESKTOP, PATIENCE_MS, PHONE
from tests.browser.test_pages import overflows
from tests.conftest import Platform
from tests.people import Person

pytestmark = pytest.mark.browser

PASSWORD = "a-password-for-tests"
REFUSED_WITHIN = 5
"""Seconds: a revoked token is refused, also on open sockets."""
NEEDS_EDIT = "This needs an API token with the scope edit; this one has run."
WORKFLOW = {
    "nodes": [{"id": "start", "name": "Start", "type": "manual_trigger", "parameters": {}, "position": [0, 0]}],
    "edges": [],
}


def test_a_person_invites_a_viewer_and_uses_a_token_until_it_is_revoked(platform: Platform, browser: Browser) -> None:
    owner, name = Person(platform, None), f"Marketing {uuid4().hex[:6]}"
    with browser.new_context(base_url=platform.url, viewport=DESKTOP) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = log_in(context.new_page(), owner.name)
        create_workspace(page, name)
        link = invite(page, "guest@example.com")
        sign_up(browser, platform, link)
        page.reload()
        guest = page.locator(".things > li[data-id]", has_text="guest-")
        expect(guest.get_by_label("Role of guest-")).to_have_value("viewer")
        expect(page.get_by_text("Nobody is invited at the moment.")).to_be_visible()
        page.get_by_role("button", name="Leave", exact=True).click()
        page.locator("#confirm-yes").click()
        expect(page.locator("#confirm-problem")).to_contain_text("last admin")
        page.keyboard.press("Escape")

        token = create_token(page, "Deploy script", "run")
        created = api(platform, token, "POST", "/api/workflows/", WORKFLOW | {"name": "Refused"})
        assert (created.status_code, created.json()["detail"]) == (403, NEEDS_EDIT)
        with connect(platform.ws_url, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
            socket.send(json.dumps({"type": "subscribe", "stream": "executions", "after": -1}))
            socket.recv()
            page.get_by_role("button", name="Revoke Deploy script").click()
            page.get_by_role("button", name="Revoke token").click()
            for _ in iter(lambda: received(socket), None):
                pass
            assert socket.close_code == 4401
        assert api(platform, token, "GET", "/api/auth/me/").status_code == 401
        expect(page.locator(".things > li[data-id]", has_text="Deploy script")).to_contain_text("revoked")


def test_account_pages_change_the_account_and_end_sessions(platform: Platform, browser: Browser) -> None:
    person = Person(platform, "viewer")
    with (
        browser.new_context(base_url=platform.url, viewport=DESKTOP) as here,  # type: ignore[arg-type]
        browser.new_context(base_url=platform.url, viewport=DESKTOP) as elsewhere,  # type: ignore[arg-type]
    ):
        for context in (here, elsewhere):
            context.set_default_timeout(PATIENCE_MS)
        other = log_in(elsewhere.new_page(), person.name)
        other.goto("/account/")
        page = log_in(here.new_page(), person.name)
        page.goto("/account/")
        page.get_by_label("First name").fill("Ada")
        page.get_by_role("textbox", name="Email address").fill("ada@example.org")
        page.locator("#email-password input").fill("wrong")
        page.get_by_role("button", name="Save profile").click()
        expect(page.locator("#email-password")).to_contain_text("The current password is wrong.")
        page.locator("#email-password input").fill(PASSWORD)
        page.get_by_role("button", name="Save profile").click()
        expect(page.get_by_text("Profile saved.")).to_be_visible()
        page.get_by_role("radio", name="Dark").check()
        page.get_by_label("Time zone").select_option("Asia/Tokyo")
        page.get_by_role("button", name="Save preferences").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(page.locator("html")).to_have_attribute("data-time-zone", "Asia/Tokyo")
        account = person.request("GET", "/api/account/").json()
        assert (account["first_name"], account["email"], account["theme"]) == ("Ada", "ada@example.org", "dark")

        expect(page.locator("li[data-id]")).to_have_count(2)
        expect(page.locator("li[data-id]").first).to_contain_text("This session")
        page.get_by_role("button", name="End session").click()
        page.locator("#confirm-yes").click()
        expect(page.locator("li[data-id]")).to_have_count(1)
        other.reload()
        expect(other.get_by_label("Username")).to_be_visible()

        page.set_viewport_size({"width": 320, "height": 640})
        for path in ("/account/", "/account/tokens/", "/workspaces/"):
            page.goto(path)
            assert not overflows(page), path


def test_the_pages_of_an_admin_fit_a_phone_and_follow_the_chosen_workspace(
    platform: Platform, browser: Browser
) -> None:
    person = Person(platform, "viewer")
    (first,) = person.request("GET", "/api/workspaces/").json()["results"]
    mine = person.request("POST", "/api/workspaces/", json={"name": f"Long name {uuid4().hex}"}).json()
    person.request("POST", "/api/workflows/", json=WORKFLOW | {"name": "Elsewhere", "workspace": mine["id"]})
    with browser.new_context(base_url=platform.url, viewport=PHONE) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        page = log_in(context.new_page(), person.name)
        page.goto(f"/workspaces/{mine['id']}/")
        assert not overflows(page)
        page.goto("/workflows/")
        choose(page, mine["name"])
        expect(page.get_by_role("link", name="Elsewhere")).to_be_visible()
        expect(page.locator(".workflow-row")).to_have_count(1)
        choose(page, first["name"])
        expect(page.get_by_role("link", name="Elsewhere")).to_have_count(0)


def received(socket: ClientConnection) -> str | bytes | None:
    """Return the next message; None once the server has closed the connection."""
    try:
        return socket.recv(REFUSED_WITHIN)
    except ConnectionClosed:
        return None


def log_in(page: Page, username: str) -> Page:
    page.goto("/login/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Executions", exact=True)).to_be_visible()
    return page


def create_workspace(page: Page, name: str) -> None:
    page.goto("/workspaces/")
    page.get_by_role("button", name="New workspace").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create workspace").click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    expect(page.get_by_role("button", name=f"Workspace: {name}")).to_be_visible()


def invite(page: Page, email: str) -> str:
    """Return the link of a new invitation."""
    page.get_by_role("button", name="Invite", exact=True).click()
    page.get_by_label("Email address or username").fill(email)
    page.get_by_role("button", name="Create invitation").click()
    expect(page.locator("#secret-about")).to_contain_text("sends no email")
    page.locator("#secret-copy").click()
    link = page.locator("#secret-value").inner_text()
    assert page.evaluate("navigator.clipboard.readText()") == link
    page.get_by_role("button", name="Done").click()
    expect(page.locator(".things > li[data-id]", has_text=email)).to_contain_text("viewer")
    return link


def sign_up(browser: Browser, platform: Platform, link: str) -> None:
    """Accept an invitation as a person without an account."""
    with browser.new_context(base_url=platform.url, viewport=DESKTOP) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(link.replace(link.split("/invitations/")[0], platform.url))
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create account and join").click()
        expect(page.get_by_text("This username is taken.")).to_be_visible()
        page.get_by_label("Username").fill(f"guest-{uuid4().hex[:6]}")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create account and join").click()
        expect(page.get_by_role("heading", name="Executions", exact=True)).to_be_visible()


def create_token(page: Page, name: str, scope: str) -> str:
    """Return a new API token."""
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("link", name="API tokens").click()
    page.get_by_role("button", name="New token").click()
    page.get_by_label("Name").fill(name)
    page.locator(f"input[name=scopes][value={scope}]").check()
    page.get_by_role("button", name="Create token").click()
    expect(page.locator("#secret-value")).to_contain_text("wfp_")
    token = page.locator("#secret-value").inner_text()
    page.get_by_role("button", name="I've saved it").click()
    expect(page.locator(".things > li[data-id]", has_text=name)).to_contain_text("never used")
    return token


def choose(page: Page, workspace: str) -> None:
    page.locator(".switcher").click()
    page.locator("#workspace-menu").get_by_role("button", name=workspace).click()
    expect(page.get_by_role("button", name=f"Workspace: {workspace}")).to_be_visible()


def api(platform: Platform, token: str, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(method, platform.url + path, headers=headers, json=body, timeout=60)
