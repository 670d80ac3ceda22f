"""The list of executions: attributes, words, columns and views that keep them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Visitor
from tests.conftest import Platform
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

pytestmark = pytest.mark.browser

NODES = [
    node("start", "manual_trigger"),
    node("data", "execution_data", attributes={"customer": "{{ $json.customer }}", "plan": "gold"}),
]


def test_executions_are_found_by_attribute_and_text_and_shown_with_chosen_columns(
    platform: Platform, visitor: Visitor
) -> None:
    definition = {"name": "Orders", "nodes": NODES, "edges": [edge("start", "data")]}
    workflow = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    runs: list[dict[str, Any]] = [
        platform.request(
            "POST",
            f"/api/workflows/{workflow}/execute/",
            json={"input": [{"customer": customer, "note": f"Parcel for {customer}"}], "wait": 60},
        ).json()
        for customer in ("Ann Lee", "Bob")
    ]
    first = runs[0]["id"]

    page = visitor.open(f"/executions/{first}/")
    expect(page.locator("#attributes")).to_contain_text("customer Ann Lee")
    page.get_by_role("link", name="customer Ann Lee").click()
    rows = page.locator("#executions tr[data-id]")
    expect(rows).to_have_count(1)
    expect(page.get_by_label("Attribute", exact=True)).to_have_value("customer:Ann Lee")

    page.get_by_role("button", name="Columns").click()
    page.locator("#columns").get_by_label("customer attribute").check()
    expect(page.locator("thead")).to_contain_text("customer")
    expect(rows.first).to_contain_text("Ann Lee")
    page.keyboard.press("Escape")

    found = f"/api/executions/?workflow={workflow}&text=parcel"
    wait_until(lambda: len(platform.request("GET", found).json()["results"]) == 2, "the search index")
    page.goto(f"/?workflow={workflow}")
    page.get_by_text("More filters").click()
    page.get_by_label("Text in input or output").fill("parcel bo")
    page.get_by_label("Text in input or output").press("Enter")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile("text=parcel"))
    expect(rows.first).to_contain_text("Bob")

    phone = visitor.open(f"/?workflow={workflow}&text=parcel", **PHONE)
    expect(phone.locator("#executions tr[data-id]")).to_have_count(2)
    expect(phone.locator("#executions").get_by_text("Ann Lee")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    page.get_by_role("button", name="Save view").click()
    page.get_by_label("Name", exact=True).fill("Parcels of Bob")
    page.get_by_role("button", name="Save view").last.click()
    page.get_by_role("link", name="Parcels of Bob").click()
    expect(page).to_have_url(re.compile("columns=.*attribute.customer"))
    expect(rows).to_have_count(1)
