"""The bell: it counts live on every page, its panel works by keyboard, and what is read is read everywhere."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Visitor
from tests.conftest import Platform
from tests.executing import execute, save, until
from tests.workflows import edge, node


def make_failing(platform: Platform) -> tuple[str, str]:
    """Save a workflow that fails if its input says so. Returns its name and id."""
    name = f"Invoices {uuid4().hex[:6]}"
    nodes = [node("start", "manual_trigger"), node("check", "filter", condition="{{ $json.fails }}"),
             node("stop", "stop_and_error", message="No.")]  # fmt: skip
    return name, save(platform, nodes, [edge("start", "check"), edge("check", "stop")], name=name)


def test_the_bell_counts_live_and_what_is_read_on_one_page_is_read_on_all(platform: Platform, visitor: Visitor) -> None:
    name, workflow = make_failing(platform)
    account = visitor.open("/account/")
    other = visitor.open("/", **PHONE)
    notifications: Any = platform.request("GET", "/api/notifications/?limit=1").json()["results"]
    if notifications:
        platform.request("POST", "/api/notifications/read/", json={"through": notifications[0]["id"]})
        account.reload()
        other.reload()
    expect(account.locator("#bell-count")).to_be_hidden()
    execution = execute(platform, workflow, {"fails": True})
    until(platform, execution, "failed")
    for page in (account, other):
        expect(page.get_by_role("button", name="Notifications, 1 unread")).to_be_visible()

    account.get_by_role("button", name="Notifications, 1 unread").focus()
    account.keyboard.press("Enter")
    note = account.get_by_role("link", name=re.compile(f"{name} failed.*unread"))
    expect(note).to_be_visible()
    account.keyboard.press("ArrowDown")
    expect(note).to_be_focused()
    account.keyboard.press("Enter")
    account.wait_for_url(f"**/executions/{execution}/")
    for page in (account, other):
        expect(page.locator("#bell-count")).to_be_hidden()

    other.goto("/notifications/?kind=workflow_recovered")
    account.goto("/notifications/")
    account.locator("#notifications").hover()
    until(platform, execute(platform, workflow, {"fails": False}), "completed")
    expect(other.get_by_role("button", name="Notifications, 1 unread")).to_be_visible()
    account.get_by_role("button", name="Show new notifications").click()  # rows do not move below the pointer
    read = account.locator("#notifications li").first.get_by_role("button", name=f"Mark as read: {name} works again")
    expect(read).to_have_count(1)
    row = other.locator("#notifications li").filter(has_text=f"{name} works again")
    expect(row).to_contain_text("It recovered after 1 failed execution.")
    row.get_by_role("button", name=f"Mute {name}").click()
    other.get_by_role("dialog").get_by_role("button", name="Mute").click()
    expect(other.locator("#toasts")).to_contain_text(f"Muted: {name}.")
    row.get_by_role("button", name=re.compile("Mark as read")).click()
    expect(read).to_have_count(0)
    expect(row.get_by_role("button", name=re.compile("Mark as read"))).to_have_count(0)
    expect(account.locator("#bell-count")).to_be_hidden()
