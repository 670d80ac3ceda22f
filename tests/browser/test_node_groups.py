"""Groups of nodes are collapsed in graph, list and timeline, and stay so for the user and the workflow."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Visitor
from tests.conftest import Platform
from tests.executing import until
from tests.workflows import edge, node


def grouped() -> dict[str, Any]:
    count = "return [{ n: 1 }, { n: 2 }, { n: 3 }]"
    nodes = [
        node("start", "manual_trigger"), node("numbers", "code", code=count), node("each", "loop", batch_size=1),
        node("one", "set", fields={"a": 1}), node("two", "set", fields={"b": 1}), node("after", "no_op"),
        node("stop", "stop_and_error", message="No further."),
    ]  # fmt: skip
    edges = [
        edge("start", "numbers"), edge("numbers", "each"), edge("each", "one", "loop"), edge("one", "two"),
        edge("two", "each"), edge("each", "after", "done"), edge("after", "stop"),
    ]  # fmt: skip
    return {"name": "Grouped", "nodes": nodes, "edges": edges}


def nodes_of(page: Page) -> Any:
    return page.locator("#graph .node .name")


def test_groups_are_collapsed_in_graph_list_and_timeline_and_stay_so(platform: Platform, visitor: Visitor) -> None:
    workflow = platform.request("POST", "/api/workflows/", json=grouped()).json()["id"]
    path = f"/api/workflows/{workflow}/execute/"
    execution = platform.request("POST", path, json={"input": [{}]}).json()["id"]
    until(platform, execution, "failed")
    page = visitor.open(f"/executions/{execution}/")
    expect(nodes_of(page)).to_have_text(["Start", "Numbers", "Each", "One", "Two", "After", "Stop"])
    menu = page.locator("#groups-menu")
    page.get_by_role("button", name="Groups").click()
    menu.get_by_label("Body of Each").check()
    expect(nodes_of(page)).to_have_text(["Start", "Numbers", "Each", "Body of Each", "After", "Stop"])
    page.keyboard.press("Escape")

    group = page.locator("#graph .node.grouped")
    expect(group).to_have_attribute("data-status", "completed")
    expect(group).to_contain_text("2/2 done")
    counts = page.locator("#graph .edge text").all_text_contents()
    assert sorted(counts) == ["1", "3", "3", "3", "done · 3", "loop · 3"]
    expect(page.locator("#gantt .run")).to_have_count(6)
    expect(page.locator("#gantt .run", has_text="Body of Each")).to_contain_text("2/2")
    group.press("Enter")
    inspector = page.locator("#inspector")
    expect(inspector).to_contain_text("2 nodes · 6 runs · 2 completed")
    inspector.get_by_role("button", name="Two").click()
    expect(inspector).to_contain_text("run 3 of 3")
    expect(page.locator("#graph .node.chosen .name")).to_have_text("Body of Each")

    for name in ("Start", "Numbers"):
        page.locator("#graph .node", has_text=name).press("Shift+Enter")
    page.get_by_role("button", name="Groups").click()
    menu.get_by_label("Name of a new group").fill("Mine")
    with page.expect_response("**/node-groups/") as saved:
        menu.get_by_role("button", name="Group 2 nodes").click()
    assert saved.value.status == 200
    after = ["Mine", "Each", "Body of Each", "After", "Stop"]
    expect(nodes_of(page)).to_have_text(after)
    again = visitor.open(f"/executions/{execution}/", **PHONE)
    expect(again.locator("#node-list b")).to_have_text(after)
    assert again.evaluate("document.documentElement.scrollWidth <= innerWidth")
    again.locator("#node-list button", has_text="Mine").click()
    with again.expect_response("**/node-groups/"):
        again.get_by_role("button", name="Expand").click()
    expect(again.locator("#node-list b")).to_have_text(["Start", "Numbers", *after[1:]])
    again.get_by_label("Find a node").fill("two")
    expect(again.locator("#node-list li:not([hidden]) b")).to_have_text("Body of Each")  # which has it

    saved_groups = f"/api/workflows/{workflow}/node-groups/"
    own = {"id": "own:1", "name": "A", "nodes": ["start"]}
    for wrong in ({"own": [own, own], "collapsed": []}, {"own": [own | {"id": "loop:each"}], "collapsed": []}, {}):
        assert platform.request("PUT", saved_groups, json=wrong).status_code == 400
    kept = platform.request("GET", saved_groups).json()
    assert kept["collapsed"] == ["loop:each"]
    assert [(each["name"], each["nodes"]) for each in kept["own"]] == [("Mine", ["start", "numbers"])]
