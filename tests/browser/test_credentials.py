"""The page of the credentials, as an admin uses it."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.answering import Answering
from tests.browser.conftest import PHONE, Visitor
from tests.browser.test_pages import overflows
from tests.conftest import Platform
from tests.workflows import edge, node

pytestmark = pytest.mark.browser

SECRET = "correct-horse-battery"


def fill_new(page: Page, name: str, type_: str) -> None:
    page.get_by_role("button", name="New credential").click()
    page.get_by_label("Type").select_option(type_)
    page.get_by_label("Name", exact=True).fill(name)


def test_a_credential_is_made_changed_and_deleted(platform: Platform, visitor: Visitor) -> None:
    name = f"Weather {uuid4().hex[:6]}"
    page = visitor.open("/credentials/")
    fill_new(page, name, "header")
    page.get_by_label("Header", exact=False).last.fill("X-API-Key")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This field is required.")).to_be_visible()
    page.get_by_label("Value").fill(SECRET)
    page.get_by_role("button", name="Save").click()
    row = page.locator(".credential-row", has_text=name)
    expect(row).to_contain_text("Never used")
    found = platform.request("GET", "/api/credentials/").json()["results"]
    made = next(each for each in found if each["name"] == name)
    assert (made["type"], made["fields_set"]) == ("header", ["name", "value"])

    row.get_by_role("button", name="Edit").click()
    value = page.get_by_label("Value")
    expect(value).to_have_value("")
    expect(value).to_have_attribute("placeholder", "Leave empty to keep it")
    expect(page.get_by_label("Header", exact=False).last).to_have_value("X-API-Key")
    page.get_by_label("Allowed hosts").fill("api.example.org")
    page.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("only for api.example.org")
    detail = platform.request("GET", f"/api/credentials/{made['id']}/").json()
    assert detail["fields_set"] == ["name", "value"]

    definition = {
        "name": f"Asks with {name}",
        "nodes": [
            node("start", "manual_trigger"),
            node("ask", "http_request", url="http://127.0.0.2/", credential=name),
        ],
        "edges": [edge("start", "ask")],
    }
    platform.request("POST", "/api/workflows/", json=definition)
    page.reload()
    expect(row.get_by_role("link", name=definition["name"])).to_be_visible()
    assert SECRET not in page.content()
    row.get_by_role("button", name="Delete").click()
    expect(page.locator("#confirm-text")).to_contain_text(definition["name"])
    page.locator("#delete").click()
    expect(row).to_have_count(0)


def test_what_the_server_refuses_stands_at_its_field(platform: Platform, visitor: Visitor) -> None:
    name = f"Twice {uuid4().hex[:6]}"
    platform.request("POST", "/api/credentials/", json={"name": name, "type": "bearer", "data": {"token": SECRET}})
    page = visitor.open("/credentials/")
    fill_new(page, name, "bearer")
    page.locator('input[name="data.token"]').fill(SECRET)
    page.get_by_role("button", name="Save").click()
    label = page.locator("label", has=page.locator('input[name="name"]'))
    expect(label).to_contain_text("has this name")
    visitor.complaints.clear()  # the browser tells of every answer that is no success


def test_a_credential_is_tried(platform: Platform, visitor: Visitor, server: Answering) -> None:
    name = f"Tried {uuid4().hex[:6]}"
    platform.request("POST", "/api/credentials/", json={"name": name, "type": "bearer", "data": {"token": SECRET}})
    page = visitor.open("/credentials/")
    page.locator(".credential-row", has_text=name).get_by_role("button", name="Edit").click()
    page.locator("#try-url").fill(server.url)
    page.get_by_role("button", name="Test").click()
    expect(page.locator("#tested")).to_have_text("The URL responded with status 501.")  # it knows POST alone


def test_the_page_and_its_form_fit_a_phone(platform: Platform, visitor: Visitor) -> None:
    body = {"name": f"Long {uuid4().hex * 2}", "type": "bearer", "data": {"token": SECRET}, "description": "x " * 300}
    platform.request("POST", "/api/credentials/", json=body)
    page = visitor.open("/credentials/", **PHONE)
    assert not overflows(page)
    page.get_by_role("button", name="New credential").click()
    page.get_by_label("Type").select_option("oauth2_client_credentials")
    box = page.locator("#edit").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    assert box["y"] + box["height"] <= PHONE["height"]
