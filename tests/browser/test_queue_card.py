"""The card of the monitor that says why an execution is queued."""

from __future__ import annotations

import os
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.answering import Answering
from tests.browser.conftest import PHONE, Visitor
from tests.conftest import Platform
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

pytestmark = pytest.mark.browser


def picture(page: Page, name: str) -> None:
    """Keep a picture where PICTURES says."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png")


def test_the_monitor_says_why_an_execution_is_queued_until_it_starts(
    platform: Platform, visitor: Visitor, server: Answering
) -> None:
    definition: dict[str, Any] = {
        "name": "Nightly export",
        "nodes": [
            node("start", "manual_trigger"),
            node("ask", "http_request", method="POST", url=server.url, body={}, timeout_seconds=60),
        ],
        "edges": [edge("start", "ask")],
        "settings": {"concurrency": {"limit": 1, "policy": "queue"}},
    }
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    path = f"/api/workflows/{workflow}/execute/"
    first, second, third = (platform.request("POST", path, json={}).json()["id"] for _ in range(3))
    wait_until(lambda: len(server.asked) == 1, "The first request")
    page = visitor.open(f"/executions/{third}/")
    card = page.get_by_role("region", name="Why this execution is queued")
    expect(card).to_contain_text("Waiting for a slot: 1 of 1 execution of this workflow is running.")
    expect(card).to_contain_text("2 of 2")
    expect(card.get_by_role("link")).to_have_attribute("href", f"/executions/{first}/")
    picture(page, "queue-light")
    page.emulate_media(color_scheme="dark")
    picture(page, "queue-dark")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(page, "queue-phone")
    platform.request("POST", f"/api/executions/{second}/cancel/", json={})
    expect(card).to_contain_text("1 of 1")  # it looks again by itself
    server.open()
    expect(page.locator("#status")).to_have_text("completed")
    expect(card).to_have_count(0)
