"""The executions that a node starts for its items, at the node in the monitor."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.conftest import Platform
from tests.executing import execute, until
from tests.integration.test_children_of_items import each_workflow, items
from tests.integration.test_sub_workflows import child_workflow
from tests.workflows import node

pytestmark = pytest.mark.browser


def test_the_monitor_lists_the_executions_that_a_node_started(platform: Platform, visitor: Visitor) -> None:
    code = "if ($json.n % 9 === 4) throw new Error('There is no customer ' + $json.n + '.'); return [$json]"
    child = child_workflow(platform, node("check", "code", code=code), name="Check one customer")
    execution = execute(platform, each_workflow(platform, child, {"on_error": "continue"}), *items(24))
    page = visitor.open(f"/executions/{execution}/")
    expect(page.get_by_text("and 14 more, listed at their nodes")).to_be_hidden()
    until(platform, execution)
    page.locator("#graph .node", has_text="Call").click()
    listed = page.get_by_role("region", name="Executions started by this node")
    expect(listed.get_by_role("heading")).to_contain_text("21 completed · 3 failed")
    expect(listed.get_by_role("listitem")).to_have_count(20)
    listed.get_by_role("button", name="Show more").click()
    expect(listed.get_by_role("listitem")).to_have_count(24)
    failed = listed.get_by_role("listitem").filter(has_text="failed")
    expect(failed.first).to_contain_text("There is no customer 22.")
    failed.first.get_by_role("link", name="Item 22").click()
    expect(page.locator("#status")).to_have_text("failed")
    expect(page.get_by_text("started by", exact=False)).to_contain_text("node call")
