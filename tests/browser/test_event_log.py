"""The monitor of an execution of thousands of events, and its event log: filters, pause, what came before."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.answering import Answering
from tests.browser.conftest import Visitor
from tests.conftest import Platform
from tests.executing import execute, look, save, until
from tests.long_streams import lengthen
from tests.page_state import wait_for_page
from tests.workflows import edge, gated, node
from workflow_platform.installation.embedded import wait_until

pytestmark = pytest.mark.browser

TURNS = 650
MANY = 28_818  # more than the log keeps of events that nobody asked for
EDGES = "all => all.map(each => [each.getAttribute('class').trim(), each.textContent])"


@pytest.fixture
def long(platform: Platform, server: Answering) -> str:
    """Return an execution of more than 5,000 events that waits for the server's answer."""
    count = f"return Array.from({{ length: {TURNS} }}, (_, n) => ({{ n }}))"
    nodes = [
        node("start", "manual_trigger"),
        node("numbers", "code", code=count),
        node("each", "loop", batch_size=1),
        node("seen", "set", fields={"seen": True}),
        node("one", "limit", count=1),
        node("ask", "http_request", method="POST", url=f"{server.url}first", timeout_seconds=120),
    ]
    edges = [
        edge("start", "numbers"),
        edge("numbers", "each"),
        edge("each", "seen", "loop"),
        edge("seen", "each"),
        edge("each", "one", "done"),
        edge("one", "ask"),
    ]
    execution = execute(platform, save(platform, nodes, edges), {})
    wait_until(lambda: any(asked["path"] == "/first" for asked in server.asked), "The request")
    return execution


def rows(page: Page) -> list[int]:
    """Return the sequences that the log shows."""
    found = page.locator("#log > li .sequence").all_text_contents()
    return [int(sequence) for sequence in found]


def test_a_long_execution_shows_how_it_stands_goes_on_live_and_brings_the_rest_on_demand(
    platform: Platform, visitor: Visitor, server: Answering, long: str
) -> None:
    page = visitor.open(f"/executions/{long}/")
    each = page.locator("#graph .node", has_text="Each")
    expect(each).to_contain_text(f"×{TURNS + 1}")
    expect(page.locator("#graph .node[data-status=running]")).to_contain_text("Ask")
    expect(page.locator("#graph .node[data-status=completed]")).to_have_count(5)
    expect(page.locator("#count")).to_have_text(re.compile(r"^500 of 5,\d\d\d$"))
    expect(page.locator("#graph .edge").nth(2)).to_contain_text(
        f"loop · {TURNS}"
    )  # also what the page has no events of
    each.click()
    for _ in range(2):
        page.get_by_role("button", name="Previous run").click()
    expect(page.locator("#inspector")).to_contain_text(f"run {TURNS - 1} of {TURNS + 1}")
    number = page.get_by_label("Run number")
    expect(number).to_have_value(str(TURNS - 1))
    number.fill("7")
    number.press("Enter")
    expect(page.locator("#inspector")).to_contain_text(f"run 7 of {TURNS + 1}")
    lane = page.locator("#gantt .run", has_text="Each")
    expect(lane.locator("path[class^=busy]").first).to_be_attached()
    for _ in range(12):
        page.get_by_role("button", name="Show a shorter time").click()
    expect(lane.locator("path[class^=busy]")).to_have_count(0)  # each run by itself
    page.get_by_role("button", name="Show the whole time").click()
    expect(lane.locator("path[class^=busy]").first).to_be_attached()
    page.get_by_role("radio", name="Lifecycle").check()
    expect(page.locator("#log > li")).to_have_count(2)
    assert rows(page) == [1, 2]  # long before what the page holds
    page.get_by_role("radio", name="All").check()
    server.open("first")
    expect(page.locator("#status")).to_have_text("completed")
    total = look(platform, long)["events"]
    assert rows(page)[-1] == total
    page.get_by_role("button", name="Load more").click()
    expect(page.locator("#count")).to_have_text(re.compile("^1,0"))
    page.get_by_role("button", name="Load all").click()
    expect(page.locator("#earlier")).to_be_hidden()
    expect(page.locator("#count")).to_have_text(f"{total:,}")
    expect(page.locator("#graph .edge").nth(2)).to_contain_text(f"loop · {TURNS}")


def test_a_filter_searches_the_server_and_all_events_of_an_ended_execution_can_be_loaded(
    platform: Platform, visitor: Visitor
) -> None:
    nodes = [node("start", "manual_trigger"), node("end", "no_op") | {"name": "Mark the end"}]
    execution = execute(platform, save(platform, nodes, [edge("start", "end")]), {})
    until(platform, execution)
    lengthen(platform.environment["DATABASE_URL"], f"execution:{execution}", MANY)
    page = visitor.open(f"/executions/{execution}/")
    expect(page.locator("#count")).to_have_text(f"500 of {MANY:,}")
    text = page.get_by_label("Filter events")
    text.fill("line 1234")  # 1234 and 12340 to 12349
    expect(page.locator("#count")).to_have_text(f"11 of {MANY:,}")
    assert rows(page) == [1234, *range(12_340, 12_350)]
    text.fill("mark the end")  # a node's name, which no event contains
    expect(page.locator("#log > li b")).to_have_text(["data_flow", "node_started", "node_completed"])
    text.fill("")
    page.get_by_role("button", name="Load all").click()
    expect(page.locator("#earlier")).to_be_hidden()
    expect(page.locator("#count")).to_have_text(f"{MANY:,}")


def test_scrolling_goes_through_the_whole_log_without_a_gap(
    platform: Platform, visitor: Visitor, server: Answering, long: str
) -> None:
    server.open("first")
    total = until(platform, long)["events"]
    page = visitor.open(f"/executions/{long}/")
    expect(page.locator("#status")).to_have_text("completed")
    expect(page.locator("#log > li .sequence").last).to_have_text(str(total))
    log = page.locator("#log")
    seen = set(rows(page))
    for _ in range(3):
        first = min(seen)
        log.evaluate("log => log.scrollTop = 0")
        wait_for_page(page, "most => Number(log.firstChild.querySelector('.sequence').textContent) < most", arg=first)
        here = rows(page)
        assert here == list(range(here[0], here[-1] + 1))
        seen.update(here)
    assert seen == set(range(min(seen), total + 1))
    while page.locator("#follow").is_visible():  # it says "Jump to end" until that is reached
        log.evaluate("log => log.scrollTop = log.scrollHeight")
    assert rows(page)[-1] == total


def test_a_log_that_is_paused_stays_as_it_is_and_loses_nothing(
    platform: Platform, visitor: Visitor, server: Answering
) -> None:
    execution = execute(platform, save(platform, **graph(gated(server.url))), {"n": 0})
    page = visitor.open(f"/executions/{execution}/")
    expect(page.locator("#graph .node[data-status=running]")).to_have_count(1)
    page.get_by_role("button", name="Stop following").click()
    follow = page.locator("#follow")
    expect(follow).to_have_attribute("aria-pressed", "true")
    shown = rows(page)
    server.open("first")
    server.open("second")
    expect(page.locator("#status")).to_have_text("completed")
    assert rows(page) == shown
    total = look(platform, execution)["events"]
    expect(follow).to_have_text(f"Follow · {total - len(shown)} new")
    follow.click()
    expect(page.locator("#log > li")).to_have_count(total)
    assert rows(page) == list(range(1, total + 1))


def graph(definition: dict[str, Any]) -> dict[str, Any]:
    return {"nodes": definition["nodes"], "edges": definition["edges"]}


def test_levels_types_and_text_are_chosen_together(platform: Platform, visitor: Visitor) -> None:
    nodes = [node("start", "manual_trigger"), node("end", "no_op")]
    execution = execute(platform, save(platform, nodes, [edge("start", "end")]), {})
    until(platform, execution)
    page = visitor.open(f"/executions/{execution}/")
    kinds = page.locator("#log > li b")
    page.get_by_role("radio", name="Lifecycle").check()
    expect(kinds).to_have_text(["queued", "started", "completed"])
    page.get_by_label("Filter events").fill("node runs in")
    expect(kinds).to_have_text(["completed"])
    page.get_by_role("radio", name="All").check()
    page.get_by_label("Filter events").fill("end")
    page.get_by_label("Event type").select_option("node_completed")
    expect(kinds).to_have_text(["node_completed"])


def test_an_edge_is_one_edge_however_its_event_writes_it(visitor: Visitor) -> None:
    page = visitor.open("/credentials/")
    items = page.evaluate(
        """async () => {
          const { apply, emptyState } = await import("/static/js/fold.js");
          const flow = (edge) => ({ type: "execution.data_flow", sequence: 1, data: { edge, items: 2 } });
          const edge = { source: "a", source_output: "main", target: "b", target_input: "main" };
          const state = emptyState();
          apply(state, flow(edge)); // as it comes live
          apply(state, flow(Object.fromEntries(Object.entries(edge).reverse()))); // as the database writes it
          return [...state.edges.values()].map((each) => each.items);
        }"""
    )
    assert items == [4]
