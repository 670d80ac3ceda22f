"""The live monitor: whenever it is opened, and whatever happens to its socket, it shows the same in the end."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.answering import Answering
from tests.browser.conftest import PHONE, Visitor
from tests.conftest import Platform
from tests.freezing import frozen_workers
from tests.workflows import edge, gated, node
from workflow_platform.installation.embedded import wait_until

pytestmark = pytest.mark.browser

SHOWN = """() => ({
  status: document.getElementById("status").textContent,
  progress: document.getElementById("progress-text").textContent,
  nodes: [...document.querySelectorAll("#graph .node")].map((n) => [n.dataset.status, n.textContent]),
  edges: [...document.querySelectorAll("#graph .edge")].map((e) => [e.getAttribute("class").trim(), e.textContent]),
  timeline: [...document.querySelectorAll("#gantt .axis, #gantt .run")].map((r) => r.innerHTML),
  log: [...document.querySelectorAll("#log > li")].map((r) => r.textContent),
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
    expect(page.get_by_role("region", name="Output")).to_contain_text("numbers")
    expect(page.get_by_role("region", name="Output")).to_contain_text("Where the items came from")  # loaded afterwards
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
        expect(before.locator("#log > li")).to_have_count(1)
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
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel execution").click()
    expect(page.locator("#status")).to_have_text("cancelled")
    expect(page.locator("#graph .node[data-status=cancelled]")).to_have_count(1)
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_hidden()


def test_the_event_log_is_filtered_by_text(platform: Platform, visitor: Visitor) -> None:
    definition = {"name": "Short", "nodes": [node("start", "manual_trigger")], "edges": []}
    page = visitor.open(f"/executions/{start(platform, definition, [])['id']}/")
    expect(page.locator("#status")).to_have_text("completed")
    page.get_by_label("Filter events").fill("node_completed")
    expect(page.locator("#log > li")).to_have_count(1)


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
    page.get_by_role("button", name="Fit to view").click()
    expect(graph).to_have_attribute("viewBox", fitted or "")


FAILS_AT_THE_END: dict[str, Any] = {
    "name": "Fails at the end",
    "nodes": [
        node("start", "manual_trigger"),
        node(
            "many", "code", code="return Array.from({ length: 150 }, (_, n) => ({ n, deep: { er: [n, null, true] } }))"
        )
        | {"name": "Counts very patiently to one hundred and fifty, and then a bit"},
        node("stop", "stop_and_error", message="There is no more to count.") | {"name": "Stop"},
    ],
    "edges": [edge("start", "many"), edge("many", "stop")],
}


@pytest.fixture
def failed(platform: Platform) -> str:
    """Return the page of an execution that has failed."""
    workflow = platform.request("POST", "/api/workflows/", json=FAILS_AT_THE_END).json()["id"]
    body = {"input": [], "wait": 30}
    execution = platform.request("POST", f"/api/workflows/{workflow}/execute/", json=body).json()
    assert execution["status"] == "failed"
    return f"/executions/{execution['id']}/"


def test_opened_after_a_failure_it_shows_the_node_that_failed_and_why(visitor: Visitor, failed: str) -> None:
    page = visitor.open(failed)
    inspector = page.locator("#inspector")
    expect(inspector.get_by_role("heading", name="Stop", exact=True)).to_be_visible()
    expect(inspector.get_by_role("alert")).to_contain_text("There is no more to count.")
    inspector.get_by_role("tab", name="Input").click()
    expect(inspector.get_by_role("region", name="Input")).to_contain_text("150 items")
    expect(inspector.get_by_role("region", name="Input")).to_contain_text("First 100 of 150 items")
    expect(page.locator("#graph .node.chosen")).to_have_count(1)
    expect(page.locator("#gantt .run.chosen")).to_contain_text("Stop")
    page.locator("#gantt .run", has_text="Start").click()
    expect(inspector.get_by_role("heading", name="Start", exact=True)).to_be_visible()
    page.locator("#error").click()
    expect(inspector.get_by_role("heading", name="Stop", exact=True)).to_be_visible()


def test_items_open_and_close_and_are_copied(visitor: Visitor, failed: str) -> None:
    page = visitor.open(failed)
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#gantt .run", has_text="Counts").click()
    output = page.get_by_role("region", name="Output")
    last = output.locator(".json > details").last
    expect(last.locator("summary").first).to_contain_text("deep: {er: [99, null, true]}")
    expect(last.locator(".nest")).to_have_count(0)
    last.locator("summary").first.click()
    expect(last.locator(".nest .number").first).to_have_text("99")
    output.get_by_role("button", name="Copy output as JSON").click()
    expect(page.get_by_text("Copied to the clipboard.")).to_be_visible()
    assert len(page.evaluate("navigator.clipboard.readText().then(JSON.parse)")) == 100


def test_an_item_leads_to_where_it_came_from_and_went(platform: Platform, visitor: Visitor) -> None:
    few = node("few", "filter", condition="{{ $json.i > 1 }}")
    nodes = [node("start", "manual_trigger"), few, node("end", "no_op")]
    definition = {"name": "Origins", "nodes": nodes, "edges": [edge("start", "few"), edge("few", "end")]}
    execution = start(platform, definition, [{"i": 1}, {"i": 2}])
    page = visitor.open(f"/executions/{execution['id']}/")
    expect(page.locator("#status")).to_have_text("completed")
    page.locator("#gantt .run", has_text="Few").click()
    output = page.get_by_role("region", name="Output")
    output.get_by_text("Where the items came from and went").click()
    expect(output.locator(".lineage p")).to_have_text("Item 0from Start · item 1to End · item 0")
    output.get_by_role("button", name="Start · item 1").click()
    expect(page.locator("#inspector h2")).to_have_text("Start")


def test_no_text_is_wider_than_its_node_and_the_whole_name_is_in_its_title(visitor: Visitor, failed: str) -> None:
    page = visitor.open(failed)
    long = page.locator("#graph .node", has_text="Counts very")
    expect(long.locator("title")).to_contain_text(FAILS_AT_THE_END["nodes"][1]["name"])
    expect(long.locator(".name").last).to_contain_text("…")
    widest = page.evaluate(
        """() => [...document.querySelectorAll("#graph .node text")].every((text) =>
          text.getBBox().x + text.getBBox().width <= text.closest(".node").querySelector(".box").getBBox().width - 6)"""
    )
    assert widest
    hrefs = page.locator("#graph .node .icon").evaluate_all("all => all.map(each => each.getAttribute('href'))")
    assert [href.split("#")[1] for href in hrefs] == ["play", "code", "stop"]


def test_a_text_that_is_cut_is_whole_in_its_title(visitor: Visitor, failed: str) -> None:
    page = visitor.open(failed)
    words = page.locator("#log > li", has_text="node_failed").locator(".words")
    words.evaluate("element => Object.assign(element.style, { display: 'block', width: '60px' })")
    words.hover()
    expect(words).to_have_attribute("title", "There is no more to count.")


def test_a_row_of_the_event_log_opens_to_its_json_and_types_are_chosen(visitor: Visitor, failed: str) -> None:
    page = visitor.open(failed)
    row = page.locator("#log > li", has_text="node_failed")
    row.locator("summary").first.click()
    expect(row.locator(".json")).to_contain_text("execution.node_failed")
    page.get_by_label("Event type").select_option("node_completed")
    expect(page.locator("#log > li")).to_have_count(2)
    page.get_by_label("Filter events").fill("patiently")
    expect(page.locator("#log > li")).to_have_count(1)
    expect(page.locator("#count")).to_contain_text("1 of ")


def test_timeline_and_inspector_stand_side_by_side_and_on_a_phone_events_are_told_in_words(
    visitor: Visitor, failed: str
) -> None:
    wide = visitor.open(failed)
    expect(wide.locator("#inspector").get_by_role("alert")).to_be_visible()
    boxes = [wide.locator(f".panels > :nth-child({n})").bounding_box() for n in (1, 2)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert (boxes[0]["y"], boxes[0]["height"]) == (boxes[1]["y"], boxes[1]["height"])
    page = visitor.open(failed, **PHONE)
    words = page.locator("#log > li", has_text="node_failed").locator(".words")
    expect(words).to_have_text("There is no more to count.")
    box = words.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator("#node-list [aria-current]")).to_contain_text("Stop")
    expect(page.locator("#graph")).to_be_hidden()
    page.get_by_role("radio", name="Graph").check()
    chosen = page.locator("#graph .node.chosen").bounding_box()
    assert chosen is not None
    assert chosen["x"] >= 0
    assert chosen["x"] + chosen["width"] <= PHONE["width"]


def test_a_node_that_is_tried_again_says_so_and_tells_its_attempts_in_the_end(
    platform: Platform, visitor: Visitor, server: Answering
) -> None:
    server.statuses, server.free = [503, 503], 1  # the second attempt waits for the gate
    definition = {
        "name": "Tried again",
        "nodes": [
            node("start", "manual_trigger"),
            node("ask", "http_request", method="POST", url=server.url, timeout_seconds=60)
            | {"retry": {"attempts": 2, "delay_ms": 10}},
        ],
        "edges": [edge("start", "ask")],
    }
    page = visitor.open(f"/executions/{start(platform, definition, [{}])['id']}/")
    expect(page.locator("#graph .node[data-status=retrying]")).to_contain_text("attempt 2")
    server.open()
    expect(page.locator("#status")).to_have_text("failed")
    expect(page.locator("#gantt .run", has_text="Ask").locator(".mark")).to_have_count(1)
    page.locator("#inspector").get_by_role("tab", name="Attempts").click()
    expect(page.locator("#inspector .attempts li")).to_contain_text(["Attempt 1", "Attempt 2"])


def test_the_turns_of_a_loop_are_gone_through_one_by_one(platform: Platform, visitor: Visitor) -> None:
    definition = {
        "name": "Three turns",
        "nodes": [
            node("start", "manual_trigger"),
            node("each", "loop", batch_size=1),
            node("seen", "set", fields={"seen": True}),
        ],
        "edges": [edge("start", "each"), edge("each", "seen", "loop"), edge("seen", "each")],
    }
    page = visitor.open(f"/executions/{start(platform, definition, [{'n': 1}, {'n': 2}, {'n': 3}])['id']}/")
    expect(page.locator("#status")).to_have_text("completed")
    seen = page.locator("#graph .node", has_text="Seen")
    expect(seen).to_contain_text("×3")
    seen.click()
    expect(page.locator("#inspector")).to_contain_text("run 3 of 3")
    page.get_by_role("tab", name="Input").click()
    page.get_by_role("button", name="Previous run").click()
    expect(page.locator("#inspector")).to_contain_text("run 2 of 3")
    expect(page.get_by_role("region", name="Input")).to_contain_text("n: 2")


def test_items_that_cannot_be_fetched_are_said_and_a_node_that_did_not_run_too(
    platform: Platform, visitor: Visitor
) -> None:
    definition = {
        "name": "Ends early",
        "nodes": [
            node("start", "manual_trigger"),
            node("stop", "stop_and_error", message="No further."),
            node("slow", "wait", seconds=3600),
            node("after", "no_op"),
        ],
        "edges": [edge("start", "stop"), edge("start", "slow"), edge("slow", "after")],
    }
    page = visitor.open(f"/executions/{start(platform, definition, [{}])['id']}/")
    expect(page.locator("#status")).to_have_text("failed")
    page.locator("#graph .node", has_text="After").click()
    expect(page.locator("#inspector")).to_contain_text("This node did not run.")
    page.route("**/output/*", lambda route: route.abort())
    page.locator("#graph .node", has_text="Start").click()
    expect(page.locator("#inspector")).to_contain_text("Couldn't load the items.")
    page.unroute("**/output/*")
    page.locator("#graph .node", has_text="Stop").click()
    page.get_by_role("tab", name="Input").click()
    expect(page.get_by_role("region", name="Input")).to_contain_text("1 item")
    assert len(visitor.complaints) == 1  # of the request that was cut off
    visitor.complaints.clear()


def test_what_shows_a_node_run_is_loaded_when_one_is_selected_and_again_after_a_failure(
    platform: Platform, visitor: Visitor
) -> None:
    definition = {
        "name": "Waits long",
        "nodes": [node("start", "manual_trigger"), node("slow", "wait", seconds=3600)],
        "edges": [edge("start", "slow")],
    }
    page = visitor.open(f"/executions/{start(platform, definition, [{}])['id']}/")
    expect(page.locator("#status")).to_have_text("waiting")
    page.route("**/js/inspector*.js", lambda route: route.abort())
    page.locator("#graph .node", has_text="Start").click()
    expect(page.locator("#inspector")).to_have_text("Couldn't load the node run. Select it again.")
    page.unroute("**/js/inspector*.js")
    page.locator("#graph .node", has_text="Start").click()
    expect(page.get_by_role("region", name="Output")).to_contain_text("1 item")
    assert len(visitor.complaints) == 1  # of the request that was cut off
    visitor.complaints.clear()


def test_an_execution_served_from_the_cache_says_so_and_leads_to_where_it_was_computed(
    platform: Platform, visitor: Visitor, server: Answering
) -> None:
    server.open()
    ask = node("ask", "http_request", method="POST", url=server.url)
    definition = {
        "name": "Served from the cache",
        "nodes": [node("start", "manual_trigger"), ask, node("report", "aggregate", into="answers")],
        "edges": [edge("start", "ask"), edge("ask", "report")],
        "settings": {"cache": {}},
    }
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    path = f"/api/workflows/{workflow}/execute/"
    first, second = (platform.request("POST", path, json={"wait": 30}).json()["id"] for _ in range(2))
    for viewport in ({}, PHONE):
        page = visitor.open(f"/executions/{second}/", **viewport)
        expect(page.locator("#progress-text")).to_contain_text("served from the cache")
        expect(page.locator("#graph .node[data-status=completed]")).to_have_count(1)
        expect(page.locator("#graph .node[data-status=completed]")).to_contain_text("cache · 1 item")
        expect(page.locator("#inspector .facts")).to_contain_text("cache")
        page.get_by_role("link", name="an earlier execution").click()
        page.wait_for_url(f"**/executions/{first}/")
        expect(page.locator("#progress-text")).to_contain_text("3/3 nodes")
        expect(page.get_by_role("link", name="an earlier execution")).to_be_hidden()
    assert len(server.asked) == 1
