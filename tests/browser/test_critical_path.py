"""The critical path on the monitor: what an execution waited for, and the node run behind each part."""

from __future__ import annotations

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
    page.get_by_text("Critical path").click()
    path = page.locator("#critical-path")
    wait = path.get_by_role("button").filter(has_text="waiting for a time")
    expect(wait).to_contain_text("Pause")
    expect(path.get_by_role("list").first).to_contain_text("waiting for an event")
    expect(path).to_contain_text("Beside the path, these could have taken longer without a later end: Quick (")
    wait.click()
    expect(page.locator("#inspector")).to_contain_text("Pause")
