"""The critical path on the monitor: what an execution waited for, and the node run behind each part."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.conftest import Platform
from tests.executing import execute, save, until
from tests.workflows import edge, node


def test_the_path_says_what_took_the_time_and_opens_the_node_run(platform: Platform, visitor: Visitor) -> None:
    nodes = [
        node("start", "manual_trigger"),
        node("quick", "set", fields={"quick": True}),
        node("pause", "wait", seconds=0.4),
        node("join", "merge", mode="append"),
    ]
    edges = [
        edge("start", "quick"), edge("start", "pause"),
        edge("quick", "join", input="input1"), edge("pause", "join", input="input2"),
    ]  # fmt: skip
    execution = execute(platform, save(platform, nodes, edges), {})
    until(platform, execution, "completed")
    page = visitor.open(f"/executions/{execution}/")
    page.locator("summary", has_text="Critical path").click()
    path = page.locator("#critical-path")
    wait = path.get_by_role("button").filter(has_text="waiting for a time")
    expect(wait).to_contain_text("Pause")
    expect(path.get_by_role("list").first).to_contain_text("waiting for an event")
    expect(path).to_contain_text("Beside the path, these could have taken longer without a later end: Quick (")
    wait.click()
    expect(page.locator("#inspector")).to_contain_text("Pause")
    toggle = page.get_by_role("button", name="Critical path", exact=True)
    toggle.press("Enter")
    expect(toggle).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".gantt .run.on-path b")).to_have_text(["Start", "Pause", "Join"])
    expect(page.locator("#path-legend")).to_be_visible()
    marks = page.locator(".path-overlay .marks")
    assert len(re.findall("V", marks.get_attribute("d") or "")) in {1, 2}, "Start, Pause and Join are other lanes"
    expect(page.locator("#graph .node.on-path")).to_have_count(3)
    page.reload()  # the choice is kept
    expect(page.locator(".gantt .run.on-path")).to_have_count(3)
    page.get_by_role("button", name="Show a shorter time").click(click_count=2)
    expect(page.locator(".path-overlay")).to_be_visible()
    toggle.click()
    expect(page.locator(".gantt .run.on-path, #graph .node.on-path, #path-legend:visible")).to_have_count(0)
