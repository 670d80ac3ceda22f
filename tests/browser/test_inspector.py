"""The inspector explains a failure: what was sent, what came back, which expression; by pointer and by keyboard."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.answering import Answering
from tests.browser.conftest import PHONE, Visitor
from tests.browser.test_monitor import start
from tests.conftest import Platform
from tests.executing import until
from tests.workflows import edge, node


def failing(url: str) -> dict[str, Any]:
    ask = node(
        "ask", "http_request", method="POST", url=url + "orders", headers={"Authorization": "Bearer abc123def456"},
        body={"id": "{{ $json.id }}", "names": ["{{ $json.n }}"]},
    ) | {"retry": {"attempts": 2, "delay_ms": 1}}  # fmt: skip
    many = node(
        "many", "code", code="console.log('made', 250); return Array.from({length: 250}, (_, id) => ({id, n: 'é'}))"
    )
    first = node("first", "limit", count=1)
    nodes = [node("start", "manual_trigger"), many, first, ask]
    return {
        "name": "Explains itself", "nodes": nodes,
        "edges": [edge("start", "many"), edge("many", "first"), edge("first", "ask")],
    }  # fmt: skip


def test_a_failure_explains_itself_and_all_data_is_within_reach(
    platform: Platform, visitor: Visitor, server: Answering
) -> None:
    server.statuses, server.answer = [503] * 4, {"reason": "quota exceeded", "limits": [{"name": "daily", "left": 0}]}
    server.gates["/orders"].set()
    definition = failing(server.url)
    execution = start(platform, definition, [{}])["id"]
    until(platform, execution, "failed")
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.open(f"/executions/{execution}/")
    inspector = page.locator("#inspector")
    error = inspector.get_by_role("region", name="Error")
    expect(error.get_by_role("alert")).to_contain_text("responded with status 503")
    expect(error).to_contain_text("Status 503")
    expect(error).to_contain_text("quota exceeded")
    expect(error).to_contain_text(f"POST {server.url}orders")
    expect(error).to_contain_text("No other execution of this workflow failed like this")
    expect(inspector).not_to_contain_text("abc123def456")
    tabs = inspector.get_by_role("tablist", name="Node run")
    expect(tabs.get_by_role("tab", selected=True)).to_have_text("Error")
    tabs.get_by_role("tab", name="Error").press("ArrowRight")
    expect(tabs.get_by_role("tab", selected=True)).to_have_text("Input")
    expect(tabs.get_by_role("tab", name="Input")).to_be_focused()
    tabs.get_by_role("tab", name="Input").press("End")
    expect(inspector.get_by_role("region", name="Attempts").locator("li")).to_contain_text(["response 503"] * 2)
    tabs.get_by_role("tab", name="Attempts").press("ArrowLeft")
    expect(inspector.get_by_role("region", name="Logs")).to_contain_text("No log lines")
    tabs.get_by_role("tab", name="Parameters").click()
    parameters = inspector.get_by_role("region", name="Parameters")
    expect(parameters).to_contain_text("evaluated for item 0")
    expect(parameters).to_contain_text("Sent and received")
    line = parameters.locator(".line", has_text="é").first
    line.focus()
    line.get_by_role("button", name="Copy path").press("Enter")
    expect(page.get_by_text("Path copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "body.names[0]"

    page.locator("#gantt .run", has_text="Many").click()
    expect(tabs.get_by_role("tab", selected=True)).to_have_text("Parameters")
    tabs.get_by_role("tab", name="Logs").click()
    expect(inspector.get_by_role("region", name="Logs")).to_contain_text("made 250")
    tabs.get_by_role("tab", name="Output").click()
    output = inspector.get_by_role("region", name="Output")
    output.get_by_role("button", name="Show 100 more").click()
    expect(output).to_contain_text("First 200 of 250 items")
    output.get_by_role("searchbox").fill("137")
    expect(output.locator(".found")).to_have_text("[137].id137")
    output.get_by_role("radio", name="Table").check()
    expect(output.get_by_role("row")).to_have_count(2)
    output.get_by_role("searchbox").fill("")
    with page.expect_download() as saving:
        output.get_by_role("button", name="Download output as JSON").click()
    assert saving.value.suggested_filename == "output.json"
    expect(output).not_to_contain_text("of 250 items")
    output.get_by_role("radio", name="Tree").check()

    again = start(platform, definition, [{}])["id"]
    until(platform, again, "failed")
    narrow = visitor.open(f"/executions/{again}/", **PHONE)
    expect(narrow.locator("#inspector").get_by_role("alert")).to_be_visible()
    assert narrow.evaluate("document.documentElement.scrollWidth <= innerWidth")
    cost = narrow.locator("#inspector .cost")
    expect(cost).to_contain_text("Where the time went")
    expect(cost.get_by_role("listitem").filter(has_text="until the first byte")).to_have_count(1)
    expect(cost).to_contain_text("2 outbound calls")


def test_a_wait_says_until_when_and_a_retry_when_its_next_attempt_begins(
    platform: Platform, visitor: Visitor, server: Answering
) -> None:
    server.statuses = [503]
    server.gates["/"].set()
    slow = {"retry": {"attempts": 2, "delay_ms": 3_600_000, "jitter": False}}
    definition = {
        "name": "Waits",
        "nodes": [
            node("start", "manual_trigger"),
            node("later", "wait", seconds=7200),
            node("ask", "http_request", method="POST", url=server.url) | slow,
        ],
        "edges": [edge("start", "later"), edge("start", "ask")],
    }
    execution = start(platform, definition, [{}])["id"]
    until(platform, execution, "waiting")
    page = visitor.open(f"/executions/{execution}/")
    inspector = page.locator("#inspector")
    page.locator("#gantt .run", has_text="Later").click()
    expect(inspector.locator(".notice")).to_contain_text(", in 1 h")
    page.locator("#gantt .run", has_text="Ask").click()
    expect(inspector.locator(".notice")).to_contain_text("Attempt 2 begins")
    expect(inspector.locator(".notice")).to_contain_text("min")
