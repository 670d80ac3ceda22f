"""Decisions, pauses and relatives, as people meet them on the pages."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Visitor
from tests.conftest import Platform
from tests.executing import execute, save, until
from tests.workflows import edge, node

pytestmark = pytest.mark.browser


def asking(platform: Platform, message: str, **parameters: Any) -> str:
    nodes = [
        node("start", "manual_trigger"),
        node("ask", "approval", message=message, **parameters),
        node("pay", "no_op"),
        node("refuse", "no_op"),
    ]
    edges = [edge("start", "ask"), edge("ask", "pay", "approved"), edge("ask", "refuse", "rejected")]
    execution = execute(platform, save(platform, nodes, edges, name="Expenses"), {"amount": 12})
    until(platform, execution, "waiting")
    return execution


def overflows(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def test_what_is_asked_appears_by_itself_and_is_decided_with_a_comment(platform: Platform, visitor: Visitor) -> None:
    page = visitor.open("/approvals/")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    question = f"Pay the invoice {uuid4().hex[:8]}?"
    execution = asking(platform, question)
    row = page.locator(".approval", has_text=question)
    expect(row).to_contain_text("any editor")
    expect(page.locator("#approvals-count")).to_have_text(re.compile(r"\d+"))
    row.get_by_label("Comment").fill("It is in order.")
    other = asking(platform, "Another question?")  # what is being written stays
    expect(page.locator(".approval", has_text="Another question?").first).to_be_visible()
    expect(row.get_by_label("Comment")).to_have_value("It is in order.")
    expect(row.get_by_label("Comment")).to_be_focused()
    expect(row.locator("pre")).to_contain_text('"amount": 12')
    row.get_by_role("button", name="Approve").click()
    page.get_by_role("dialog").get_by_role("button", name="Back").click()
    row.get_by_role("button", name="Approve").click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(row).to_have_count(0)
    assert until(platform, execution)["status"] == "completed"
    page.get_by_role("link", name="Decided").click()
    expect(row).to_contain_text("approved")
    expect(row).to_contain_text("It is in order.")
    platform.request("POST", f"/api/executions/{other}/cancel/", json={})


def test_the_monitor_asks_where_the_execution_waits(platform: Platform, visitor: Visitor) -> None:
    execution = asking(platform, "Pay {{ $json.amount }} €?", expires_seconds=3600)
    page = visitor.open(f"/executions/{execution}/")
    decisions = page.get_by_role("region", name="Pending decisions")
    expect(decisions).to_contain_text("Pay 12 €?")
    expect(decisions).to_contain_text("expires in")
    expect(decisions.locator("pre")).to_contain_text('"amount": 12')
    decisions.get_by_role("button", name="Reject").click()
    page.get_by_role("dialog").get_by_role("button", name="Reject").click()
    expect(page.locator("#status")).to_have_text("completed")
    expect(decisions).to_be_hidden()
    expect(page.locator("#graph .node", has_text="Pay")).to_have_attribute("data-status", "skipped")


def test_an_execution_is_paused_and_resumed_by_hand(platform: Platform, visitor: Visitor) -> None:
    execution = asking(platform, "Go on?")
    page = visitor.open(f"/executions/{execution}/")
    resume = page.get_by_role("button", name="Resume")
    expect(resume).to_be_hidden()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#status")).to_have_text("paused")
    resume.click()
    expect(page.locator("#status")).to_have_text("waiting")
    expect(resume).to_be_hidden()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel execution").click()
    expect(page.locator("#status")).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()


def test_parent_and_child_lead_to_each_other(platform: Platform, visitor: Visitor) -> None:
    child = save(platform, [node("start", "manual_trigger")], [], name=f"Child {uuid4().hex[:6]}")
    nodes = [node("start", "manual_trigger"), node("call", "execute_workflow", workflow=child)]
    execution = execute(platform, save(platform, nodes, [edge("start", "call")], name="Parent"), {})
    until(platform, execution)
    page = visitor.open(f"/executions/{execution}/")
    page.locator("#graph .node", has_text="Call").click()
    page.locator(".children").get_by_role("link", name="Child").click()
    expect(page.locator(".about-run", has_text="started by")).to_contain_text("node call")
    page.locator(".about-run").get_by_role("link", name="Parent").click()
    expect(page.locator(".about-run").get_by_role("link", name="Child")).to_be_visible()


def test_the_pages_fit_on_a_phone(platform: Platform, visitor: Visitor) -> None:
    execution = asking(
        platform, "Is this, which is long enough to need more than one line of a small screen, all right?"
    )
    for path in ("/approvals/", f"/executions/{execution}/"):
        page = visitor.open(path, **PHONE)
        expect(page.locator(".approval").first).to_be_visible()
        assert not overflows(page), path
