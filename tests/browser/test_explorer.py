"""The history over all streams, as a person explores it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from tests.browser.conftest import DESKTOP, PHONE, Visitor
from tests.browser.test_pages import overflows
from tests.conftest import Platform
from tests.workflows import edge, node

pytestmark = pytest.mark.browser


@pytest.fixture
def workflow(platform: Platform) -> str:
    nodes = [node("start", "manual_trigger"), node("name", "set", fields={"greeting": "hello 100% there"})]
    definition = {"name": "Explored", "nodes": nodes, "edges": [edge("start", "name")]}
    return str(platform.request("POST", "/api/workflows/", json=definition).json()["id"])


def run(platform: Platform, workflow: str) -> str:
    answer: dict[str, Any] = platform.request("POST", f"/api/workflows/{workflow}/execute/", json={"wait": 30}).json()
    return str(answer["id"])


def test_events_are_found_by_filters_which_the_address_keeps_and_open_to_their_data(
    platform: Platform, visitor: Visitor, workflow: str
) -> None:
    first, second = run(platform, workflow), run(platform, workflow)
    page = visitor.open("/events/")
    rows = page.locator("#log > [data-id]")
    expect(rows.first).to_be_visible()
    page.get_by_label("Workflow", exact=True).select_option(label="Explored")
    page.get_by_label("Type").select_option("execution.completed")
    expect(page).to_have_url(re.compile(f"workflow={workflow}"))
    expect(rows).to_have_count(2)
    expect(page.locator("#results-status")).to_have_text("2 events, no more")
    page.reload()
    expect(rows).to_have_count(2)
    rows.first.locator("summary").first.click()
    link = rows.first.get_by_role("link", name="Open execution")
    expect(link).to_have_attribute("href", f"/executions/{second}/")
    expect(rows.first.locator(".json")).to_contain_text(second)
    rows.first.get_by_role("button", name="Only this execution").click()
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(f"execution={second}"))
    page.go_back()
    expect(rows).to_have_count(2)
    page.get_by_label("Type").select_option("")
    page.get_by_label("Search event data").fill("HELLO 100%")
    expect(rows.first).to_contain_text("execution.node_completed")
    page.get_by_label("Search event data").fill("no such text")
    expect(page.get_by_text("No events match these filters")).to_be_visible()
    page.get_by_label("Search event data").fill("")
    page.get_by_label("Execution").fill("7")
    expect(page.get_by_role("alert")).to_contain_text("execution")
    expect(page.get_by_label("Execution")).to_have_attribute("aria-invalid", "true")
    visitor.complaints.clear()  # the browser's own about the answer 400
    page.get_by_label("Execution").fill(first)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_what_happens_is_added_while_it_is_live_and_only_what_fits(
    platform: Platform, visitor: Visitor, workflow: str
) -> None:
    page = visitor.open(f"/events/?workflow={workflow}&type=execution.completed")
    expect(page.get_by_text("No events match these filters")).to_be_visible()
    page.get_by_role("switch", name="Live").click()
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    ids = [run(platform, workflow) for _ in range(3)]
    rows = page.locator("#log > [data-id]")
    expect(rows).to_have_count(3)
    for index, each in enumerate(reversed(ids)):
        expect(rows.nth(index).locator("small")).to_have_text(each[-8:])
    page.get_by_role("switch", name="Live").click()
    expect(page.locator("#connection")).to_be_hidden()


def test_the_same_events_are_had_by_curl_and_as_a_file(platform: Platform, visitor: Visitor, workflow: str) -> None:
    execution = run(platform, workflow)
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.open(f"/events/?workflow={workflow}&q=hello")
    expect(page.locator("#log > [data-id]").first).to_be_visible()
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.locator("#toasts")).to_contain_text("Command copied")
    said = page.evaluate("navigator.clipboard.readText()")
    address = re.search(r"'(http.*)'", said)
    assert address
    answer = requests.get(address[1], headers={"Authorization": f"Bearer {platform.token}"}, timeout=240)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert len(answer.text.splitlines()) == page.locator("#log > [data-id]").count() + 1
    page.goto(f"/events/?execution={execution}")
    expect(page.locator("#log > [data-id]").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    path = download.value.path()
    assert Path(path).read_text().splitlines()[0].startswith('{"format":"workflow-platform.events/1"')


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_the_page_fits_every_screen(
    platform: Platform, visitor: Visitor, workflow: str, viewport: dict[str, int]
) -> None:
    run(platform, workflow)
    page = visitor.open("/events/", **viewport)
    rows = page.locator("#log > [data-id]")
    expect(rows.first).to_be_visible()
    rows.nth(3).locator("summary").first.click()
    expect(rows.nth(3).locator(".json")).to_be_visible()
    assert not overflows(page)
    if folder := os.environ.get("SCREENSHOTS"):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            page.screenshot(path=f"{folder}/explorer-{viewport['width']}-{scheme}.png")
