"""The pages of webhooks, as an admin uses them; deliveries are sent by real workers to a real receiver."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.answering import Answering
from tests.browser.conftest import PHONE, Visitor
from tests.browser.test_pages import overflows
from tests.conftest import Platform
from workflow_platform.installation.embedded import wait_until

pytestmark = pytest.mark.browser

NEVER = "workflow.cloned"  # what no other test has happen


@pytest.fixture
def endpoint(platform: Platform, server: Answering) -> dict[str, Any]:
    body = {"name": f"Receiver {uuid4().hex[:6]}", "url": server.url, "event_types": [NEVER]}
    return dict(platform.request("POST", "/api/webhooks/endpoints/", json=body).json())


def row_of(page: Page, name: str) -> Any:
    return page.locator(".endpoint-row", has_text=name)


def test_an_endpoint_is_made_and_its_secret_is_shown_once(
    platform: Platform, visitor: Visitor, server: Answering
) -> None:
    name = f"Orders {uuid4().hex[:6]}"
    page = visitor.open("/webhooks/")
    page.get_by_role("button", name="New endpoint").first.click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Enter a URL.")).to_be_visible()
    page.locator("#form [name=url]").fill(server.url)
    page.locator("#form [name=name]").fill(name)
    page.get_by_placeholder("execution.failed or execution.*").fill(NEVER)
    page.keyboard.press("Enter")
    expect(page.locator("#types-help")).to_have_text(f"1 type: {NEVER}.")
    expect(page.locator("#policy-words")).to_have_text("5 attempts within 15 seconds.")
    page.get_by_role("radio", name="standard").check()
    expect(page.locator("#policy-words")).to_have_text("10 attempts within about 3.1 days.")
    page.get_by_role("button", name="Save").click()
    secret = page.locator("#secret-value")
    expect(secret).to_contain_text("whsec_")
    shown = str(secret.text_content())
    page.get_by_role("button", name="I've saved it").click()
    expect(row_of(page, name)).to_contain_text("active")
    assert shown not in page.content()


def test_what_is_secret_stays_when_an_endpoint_is_edited(
    platform: Platform, visitor: Visitor, server: Answering
) -> None:
    server.open()
    body = {"name": f"Kept {uuid4().hex[:6]}", "url": server.url, "event_types": [NEVER]}
    secret = {"headers": {"X-Team": "platform"}, "auth": {"type": "bearer", "token": "correct-horse"}}
    made = platform.request("POST", "/api/webhooks/endpoints/", json=body | secret).json()
    page = visitor.open(f"/webhooks/endpoints/{made['id']}/")
    page.get_by_role("button", name="Edit").click()
    expect(page.locator("#form [name=url]")).to_have_value(server.url)
    for field in ('[name="auth.token"]', '[aria-label="Header value"]'):
        expect(page.locator(field)).to_have_value("")
        expect(page.locator(field)).to_have_attribute("placeholder", "Leave empty to keep it")
    page.get_by_role("radio", name="custom").check()
    page.locator('[name="retry_policy.delays_seconds"]').fill("5, x")
    expect(page.locator("#policy-words")).to_have_class("error")
    page.locator('[name="retry_policy.delays_seconds"]').fill("5, 60")
    expect(page.locator("#policy-words")).to_have_text("3 attempts within 65 seconds.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".settings")).to_contain_text("custom: 3 attempts within 65 seconds")
    page.get_by_role("button", name="Send a test event").click()
    expect(page.locator("#status")).to_have_text("delivered")
    assert (server.asked[0]["authorization"], server.asked[0]["x-team"]) == ("Bearer correct-horse", "platform")
    assert "correct-horse" not in page.content()
    visitor.complaints.clear()  # the browser tells of every answer that is no success


def test_a_delivery_is_followed_live_and_sent_again(
    visitor: Visitor, server: Answering, endpoint: dict[str, Any]
) -> None:
    page = visitor.open("/webhooks/")
    row_of(page, endpoint["name"]).get_by_role("button", name="Send a test event").click()
    expect(page.locator("#status")).to_have_text("sending")
    server.open()
    expect(page.locator("#status")).to_have_text("delivered")
    attempt = page.locator("#attempt-1")
    expect(attempt).to_contain_text("200")
    expect(attempt.locator(".waterfall")).to_contain_text("First byte")
    attempt.get_by_text("Headers").first.click()
    expect(attempt.locator("dl").filter(has_text="webhook-id")).to_be_visible()
    page.get_by_role("button", name="Redeliver").click()
    expect(page.locator("#attempt-2")).to_contain_text("200")
    expect(page.locator("#status")).to_have_text("delivered")
    assert len({asked["webhook-id"] for asked in server.asked}) == 1


def test_recovering_shows_whom_it_meets_before_it_sends_anything(
    platform: Platform, visitor: Visitor, server: Answering, endpoint: dict[str, Any]
) -> None:
    server.open()
    server.statuses = [400, 400]
    for _ in range(2):
        platform.request("POST", f"/api/webhooks/endpoints/{endpoint['id']}/test/", json={})
    found = f"/api/webhooks/deliveries/?endpoint={endpoint['id']}&status=failed"
    wait_until(lambda: len(platform.request("GET", found).json()["results"]) == 2, "Two failures")
    page = visitor.open(f"/webhooks/endpoints/{endpoint['id']}/")
    page.get_by_role("button", name="More actions for").click()
    page.get_by_role("button", name="Recover failed deliveries").click()
    expect(page.locator("#operation-total")).to_have_text("2")
    expect(page.locator(".recipients tbody tr")).to_have_count(1)
    expect(page.locator(".recipients tbody")).to_contain_text(endpoint["name"])
    assert len(server.asked) == 2
    page.get_by_role("button", name="Resend 2").click()
    expect(page.locator("#operation-status")).to_have_text("2 of 2 resent.")
    wait_until(lambda: len(server.asked) == 4, "Both again")


def test_what_the_filters_fit_is_sent_again_at_once(
    platform: Platform, visitor: Visitor, server: Answering, endpoint: dict[str, Any]
) -> None:
    server.open()
    server.statuses = [400]
    platform.request("POST", f"/api/webhooks/endpoints/{endpoint['id']}/test/", json={})
    page = visitor.open(f"/webhooks/deliveries/?endpoint={endpoint['id']}")
    expect(page.locator("#list .status")).to_have_text("failed")  # the list stays fresh by itself
    page.get_by_role("button", name="Resend matching").click()
    expect(page.locator("#operation-about")).to_contain_text("only failed deliveries are resent")
    page.get_by_role("button", name="Resend 1").click()
    expect(page.locator("#operation-status")).to_have_text("1 of 1 resent.")
    page.locator("#operation-close").click()
    expect(page.locator("#list .status")).to_have_text("delivered")


def test_the_pages_of_webhooks_fit_a_phone(
    platform: Platform, visitor: Visitor, server: Answering, endpoint: dict[str, Any]
) -> None:
    server.open()
    long = {"name": "L" * 80, "url": f"{server.url}{'path/' * 30}", "event_types": [NEVER, "execution.node_retrying"]}
    platform.request("POST", "/api/webhooks/endpoints/", json=long)
    sent = platform.request("POST", f"/api/webhooks/endpoints/{endpoint['id']}/test/", json={}).json()
    page = visitor.open("/webhooks/", **PHONE)
    for path in ("", f"endpoints/{endpoint['id']}/", "deliveries/", f"deliveries/{sent['id']}/", "inbound/"):
        page.goto(f"/webhooks/{path}")
        assert not overflows(page), path
    page.goto("/webhooks/reconciliation/")
    assert not overflows(page)
    page.goto("/webhooks/")
    page.get_by_role("button", name="New endpoint").first.click()
    expect(page.locator("#edit")).to_be_visible()
    box = page.locator("#edit").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
