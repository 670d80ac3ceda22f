"""From the request that came in to the last attempt that went out, through links alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.answering import answering
from tests.browser.conftest import PHONE, Visitor
from tests.conftest import Platform
from tests.integration.test_trace import Run, run_with_a_webhook
from tests.page_state import arrive


@pytest.fixture(scope="module")
def traced(platform: Platform) -> Iterator[Run]:
    with answering() as server:
        server.open()
        server.open("?token=not-for-everybody")
        server.statuses = [503]
        yield run_with_a_webhook(platform, server.url)


def follow(page: Page, link: str | re.Pattern[str], address: str) -> None:
    """Click the first link of the content with that name, and be where it leads."""
    page.locator("#content").get_by_role("link", name=link).first.click()
    arrive(page, address)


def test_an_execution_is_followed_from_the_request_to_the_last_attempt_by_links(
    visitor: Visitor, platform: Platform, traced: Run
) -> None:
    page = visitor.open("/webhooks/inbound/")
    page.locator('a[href*="/webhooks/inbound/"]', has_text="/hooks/traced-").first.click()
    arrive(page, r"/webhooks/inbound/[0-9a-f-]{36}/")
    page.locator(f'#content a[href*="/executions/{traced.execution}/"]').first.click()
    expect(page.locator("#status")).to_have_text("completed")
    follow(page, "Trace", f"/executions/{traced.execution}/trace/")
    kinds = page.locator(".trace li").evaluate_all("rows => rows.map(row => row.dataset.kind)")
    assert kinds[:2] == ["inbound", "execution"]
    assert {"node_run", "event", "delivery", "attempt"} <= set(kinds)
    sent = page.locator('.trace li[data-kind="delivery"]', has_text=traced.url).last
    sent.locator(".row-link").click()
    arrive(page, r"/webhooks/deliveries/[0-9a-f-]{36}/")
    expect(page.locator("details.attempt").first).to_be_visible()
    expect(page.locator("#content")).to_contain_text("200")


def test_every_line_of_a_trace_leads_to_a_page_that_is_there(visitor: Visitor, platform: Platform, traced: Run) -> None:
    page = visitor.open(f"/executions/{traced.execution}/trace/")
    links = page.locator(".trace a").evaluate_all("links => [...new Set(links.map(link => link.href))]")
    assert len(links) > 8
    for link in links:
        assert page.request.get(link).status == 200, link
    page.locator('.trace li[data-kind="node_run"] .row-link', has_text="Out").click()
    expect(page.locator("#inspector h2")).to_contain_text("Out")  # the node run, not only its execution


def test_it_is_found_from_a_delivery_and_shows_where_one_came_from(
    visitor: Visitor, platform: Platform, traced: Run
) -> None:
    found = platform.request("GET", f"/api/executions/{traced.execution}/trace/").json()
    out = next(run for run in found["executions"][0]["node_runs"] if run["node"] == "out")
    delivery = out["deliveries"][0]["id"]
    page = visitor.open(f"/trace/?delivery={delivery}")
    arrive(page, f"/executions/{traced.execution}/trace/")
    expect(page.locator(".trace li[aria-current]")).to_have_attribute("id", f"delivery-{delivery}")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    request = found["executions"][0]["inbound"][0]["id"]
    for path, kind in ((f"/webhooks/deliveries/{delivery}/", "delivery"), (f"/webhooks/inbound/{request}/", "inbound")):
        page = visitor.open(path)
        page.locator("#content").get_by_role("link", name="Trace", exact=True).click()
        expect(page.locator(f'.trace li[data-kind="{kind}"][aria-current]')).to_have_count(1)
