"""Reruns from the monitor: the dialog, the links both ways, and how what was taken over looks."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Visitor
from tests.browser.test_monitor import start
from tests.conftest import Platform
from tests.workflows import edge, node

pytestmark = pytest.mark.browser

FAILS_ON_SMALL: dict[str, Any] = {
    "name": "Fails on small numbers",
    "nodes": [
        node("start", "manual_trigger"),
        node("double", "set", fields={"n": "{{ $json.n * 2 }}"}),
        node("check", "code", code="if ($json.n < 10) throw new Error('too small'); return $input.all()"),
        node("report", "aggregate", into="numbers"),
    ],
    "edges": [edge("start", "double"), edge("double", "check"), edge("check", "report")],
}


def open_ended(platform: Platform, visitor: Visitor, status: str, **viewport: int) -> Page:
    execution = start(platform, FAILS_ON_SMALL, [{"n": 1}])
    page = visitor.open(f"/executions/{execution['id']}/", **viewport)
    expect(page.locator("#status")).to_have_text(status)
    return page


def test_a_failed_execution_is_rerun_from_its_failed_node_with_edited_input(
    platform: Platform, visitor: Visitor
) -> None:
    page = open_ended(platform, visitor, "failed")
    old = page.url
    page.get_by_role("button", name="Rerun", exact=True).click()
    dialog = page.get_by_role("dialog", name="Rerun")
    expect(dialog.get_by_label("The failed node: Check")).to_be_checked()
    dialog.get_by_label("Edit the input").check()
    text = dialog.get_by_label("Input of Check: a list of items")
    expect(text).to_have_value(re.compile(r'"n": 2'))
    text.fill('[{"n": 40}, 3]')
    expect(dialog.get_by_role("alert")).to_have_text("Item 2 is not an object.")
    text.fill('[{"n": 40}')
    expect(dialog.get_by_role("alert")).to_contain_text("Line 1 is not JSON")
    text.fill('[{"n": 40}]')
    expect(dialog.get_by_role("alert")).to_be_hidden()
    dialog.get_by_role("button", name="Rerun").click()
    expect(page).not_to_have_url(old)
    expect(page.locator("#status")).to_have_text("completed")
    expect(page.locator("#graph .node.reused")).to_have_count(2)
    expect(page.locator("#gantt .run.reused")).to_have_count(2)
    expect(page.locator("#log details.reused")).to_have_count(3)
    page.locator("#graph .node", has_text="Double").click()
    expect(page.locator("#inspector")).to_contain_text("Output reused from execution")
    expect(page.get_by_role("region", name="Output")).to_contain_text("2")
    page.get_by_role("link", name="rerun of").click()
    expect(page).to_have_url(old)
    expect(page.locator(".reruns a")).to_have_count(1)
    assert visitor.complaints == []


def test_a_rerun_begins_at_the_node_that_was_chosen_in_the_graph(platform: Platform, visitor: Visitor) -> None:
    page = open_ended(platform, visitor, "failed", **PHONE)
    page.locator("#node-list button", has_text="Double").click()
    page.get_by_role("button", name="Rerun", exact=True).click()
    dialog = page.get_by_role("dialog", name="Rerun")
    expect(dialog.get_by_label("Node to rerun from")).to_have_value("double")
    dialog.get_by_label("This node:").check()
    dialog.get_by_role("button", name="Rerun").click()
    expect(page.get_by_text("from Double")).to_be_visible()
    expect(page.locator("#status")).to_have_text("failed")
    expect(page.locator("#graph .node.reused")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_node_that_would_write_again_can_be_skipped(platform: Platform, visitor: Visitor) -> None:
    write = node("write", "http_request", method="POST", url="http://127.0.0.2:9/", body={}) | {"on_error": "continue"}
    nodes = [node("start", "manual_trigger"), write, node("after", "no_op")]
    edges = [edge("start", "write"), edge("write", "after")]
    execution = start(platform, {"name": "Writes", "nodes": nodes, "edges": edges}, [{"n": 1}])
    page = visitor.open(f"/executions/{execution['id']}/")
    expect(page.locator("#status")).to_have_text("completed")
    page.get_by_role("button", name="Rerun", exact=True).click()
    dialog = page.get_by_role("dialog", name="Rerun")
    expect(dialog.get_by_role("group", name="1 node would write again")).to_contain_text("Write writes, 1 item before")
    dialog.get_by_label("What Write does").select_option("Skip it")
    dialog.get_by_role("button", name="Rerun").click()
    expect(page.get_by_role("link", name="rerun of")).to_be_visible()
    expect(page.locator('#graph .node[data-status="skipped"]')).to_have_count(1)
    expect(page.locator("#status")).to_have_text("completed")
    assert visitor.complaints == []
