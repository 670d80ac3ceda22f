"""The monitor says what a cancellation took back, and what had left by then."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.answering import Answering
from tests.browser.conftest import Visitor
from tests.conftest import Platform
from tests.executing import execute, save, until
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until


def test_what_had_left_is_said_when_an_execution_is_cancelled(
    platform: Platform, visitor: Visitor, server: Answering
) -> None:
    server.open()
    server.statuses = [503, 503]
    hourly = {"preset": "custom", "delays_seconds": [3600]}
    nodes = [node("start", "manual_trigger"), node("send", "send_webhook", url=server.url, wait=True, retry=hourly)]
    execution = execute(platform, save(platform, nodes, [edge("start", "send")]), {}, {}, {})
    tried = "SELECT count(*) FROM webhooks_delivery WHERE execution_id = %s AND origin = 'node' AND status_code > 0"
    wait_until(lambda: platform.query(tried, execution) == [(3,)], "The first attempts")
    until(platform, execution, "waiting")
    page = visitor.open(f"/executions/{execution}/")
    expect(page.locator("#status")).to_have_text("waiting")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel execution").click()
    said = "Execution cancelled: 2 deliveries withdrawn, 1 already delivered."
    expect(page.locator("#withdrawn")).to_have_text(said)
    page.reload()
    expect(page.locator("#withdrawn")).to_have_text(said)
    expect(page.locator("#log")).to_contain_text("2 deliveries withdrawn")
