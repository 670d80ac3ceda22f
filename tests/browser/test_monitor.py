"""The live monitor: whenever it is opened, and whatever happens to its socket, it shows the same in the end."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.answering import Answering
from tests.browser.conftest import Visitor
from tests.conftest import Platform
from tests.freezing import frozen_workers
from tests.workflows import edge, gated, node
from workflow_platform.embedded import wait_until

pytestmark = pytest.mark.browser

SHOWN = """() => ({
  status: document.getElementById("status").textContent,
  progress: document.getElementById("progress-text").textContent,
  nodes: [...document.querySelectorAll("#graph .node")].map((n) => [n.dataset.status, n.textContent]),
  edges: [...document.querySelectorAll("#graph .edge")].map((e) => [e.getAttribute("class").trim(), e.textContent]),
  timeline: [...document.querySelectorAll("#gantt > div")].map((r) => [r.innerHTML]),
  log: [...document.querySelectorAll("#log li")].map((r) => r.textContent),
  inspector: document.getElementById("inspector").textContent,
})"""
CUT_AND_SEE_IT_SAID = """async () => {
  const pill = document.getElementById("connection");
  const said = new Promise((seen) => new MutationObserver(
    () => pill.dataset.state === "reconnecting" && seen()).observe(pill, { attributes: true }));
  window.sockets.at(-1).close();
  await said;
}"""
KEEP_SOCKETS = """
  window.sockets = [];
  window.WebSocket = class extends WebSocket { constructor(...a) { super(...a); window.sockets.push(this); } };
"""


def start(platform: Platform, definition: dict[str, Any], items: list[dict[str, Any]]) -> dict[str, Any]:
    workflow = platform.request("POST", "/api/workflows/", json=definition)
    assert workflow.status_code == 201, workflow.text
    path = f"/api/workflows/{workflow.json()['id']}/execute/"
    return dict(platform.request("POST", path, json={"input": items}).json())


def shown_at_the_end(page: Page) -> dict[str, Any]:
    expect(page.locator("#status")).to_have_text("completed")
    page.locator("#graph .node", has_text="Report").click()
    expect(page.locator("#inspector pre").last).to_contain_text("numbers")
    return dict(page.evaluate(SHOWN))


def test_opened_before_during_and_after_a_run_it_shows_the_same(
    platform: Platform, visitor: Visitor, server: Answering
) -> None:
    visitor.context.add_init_script(KEEP_SOCKETS)
    with frozen_workers(platform):
        execution = start(platform, gated(server.url), [{"n": 0}])
        path = f"/executions/{execution['id']}/"
        before = visitor.open(path)
        expect(before.locator("#connection")).to_have_attribute("data-state", "live")
        expect(before.locator("#log li")).to_have_count(1)
        expect(before.locator("#status")).to_have_text("queued")
    expect(before.locator("#graph .node[data-status=running]")).to_have_count(1)
    expect(before.locator("#graph .node[data-status=completed]")).to_have_count(1)
    server.open("first")
    wait_until(lambda: any(asked["path"] == "/second" for asked in server.asked), "The second request")
    during = visitor.open(path)
    expect(during.locator("#graph .node[data-status=running]")).to_have_count(1)
    expect(during.locator("#status")).to_have_text("running")
    before.evaluate(CUT_AND_SEE_IT_SAID)
    server.open("second")
    expected = shown_at_the_end(before)
    assert shown_at_the_end(during) == expected
    assert shown_at_the_end(visitor.open(path)) == expected
    events = platform.request("GET", f"/api/executions/{execution['id']}/").json()["events"]
    assert len(expected["log"]) == events
    assert before.locator("#connection").get_attribute("data-state") == "live"
    states = [status for status, _ in expected["nodes"]]
    assert (states.count("completed"), states.count("skipped")) == (11, 1)


def test_a_press_on_cancel_ends_the_execution(platform: Platform, visitor: Visitor, server: Answering) -> None:
    definition = {
        "name": "To be cancelled",
        "nodes": [
            node("start", "manual_trigger"),
            node("ask", "http_request", method="POST", url=server.url, timeout_seconds=60),
        ],
        "edges": [edge("start", "ask")],
    }
    page = visitor.open(f"/executions/{start(platform, definition, [{}])['id']}/")
    expect(page.locator("#graph .node[data-status=running]")).to_have_count(1)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#status")).to_have_text("cancelled")
    expect(page.locator("#graph .node[data-status=cancelled]")).to_have_count(1)
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()


def test_the_event_log_is_filtered_by_text(platform: Platform, visitor: Visitor) -> None:
    definition = {"name": "Short", "nodes": [node("start", "manual_trigger")], "edges": []}
    page = visitor.open(f"/executions/{start(platform, definition, [])['id']}/")
    expect(page.locator("#status")).to_have_text("completed")
    page.get_by_label("Filter events").fill("node_completed")
    expect(page.locator("#log li")).to_have_count(1)


def test_the_graph_is_zoomed_dragged_and_fitted(platform: Platform, visitor: Visitor) -> None:
    definition = {
        "name": "Placed",
        "nodes": [
            node("start", "manual_trigger") | {"position": [100, 300]},
            node("end", "no_op") | {"position": [500, 100]},
        ],
        "edges": [edge("start", "end")],
    }
    page = visitor.open(f"/executions/{start(platform, definition, [])['id']}/")
    graph = page.locator("#graph")
    first, last = page.locator("#graph .node").first, page.locator("#graph .node").last
    start_box, end_box = first.bounding_box(), last.bounding_box()
    assert start_box is not None
    assert end_box is not None
    assert end_box["x"] > start_box["x"]
    assert end_box["y"] < start_box["y"]  # where their positions say
    fitted = graph.get_attribute("viewBox")
    page.get_by_role("button", name="Zoom in").click()
    expect(graph).to_have_attribute("data-scale", "1.250")
    graph.press("ArrowRight")
    graph.press("-")
    expect(graph).to_have_attribute("data-scale", "1.000")
    assert graph.get_attribute("viewBox") != fitted
    page.get_by_role("button", name="Fit the graph").click()
    expect(graph).to_have_attribute("viewBox", fitted or "")
