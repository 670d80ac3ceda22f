"""The other pages, as a person uses them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, PATIENCE_MS, PHONE, Visitor, log_in
from tests.conftest import Platform
from tests.page_state import arrive
from tests.workflows import TWELVE_NODES, edge, node

pytestmark = pytest.mark.browser


@pytest.fixture
def workflow(platform: Platform) -> str:
    definition = {"name": "Short", "nodes": [node("start", "manual_trigger")], "edges": []}
    return str(platform.request("POST", "/api/workflows/", json=definition).json()["id"])


def run(platform: Platform, workflow: str) -> dict[str, Any]:
    return dict(platform.request("POST", f"/api/workflows/{workflow}/execute/", json={"wait": 30}).json())


def test_a_wrong_password_is_said_and_the_right_one_lets_in(browser: Browser, platform: Platform) -> None:
    with browser.new_context(base_url=platform.url, viewport=DESKTOP) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto("/")
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("Wrong username or password")
        log_in(page, platform)


def test_an_execution_appears_on_the_dashboard_and_changes_there(
    platform: Platform, visitor: Visitor, workflow: str
) -> None:
    first = run(platform, workflow)
    page = visitor.open("/")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    expect(page.locator("#count")).to_contain_text("execution")
    top = page.locator("#executions tr[data-id]").first
    expect(top).to_have_attribute("data-id", first["id"])
    execution = run(platform, workflow)
    expect(page.locator("#new-rows")).to_have_text("1 new")
    expect(top).to_have_attribute("data-id", first["id"])  # no row moves until the reader asks for it
    page.locator("#new-rows").click()
    expect(top).to_have_attribute("data-id", execution["id"])
    expect(page.locator("#new-rows")).to_be_hidden()
    expect(top.locator(".status")).to_have_text("completed")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    arrive(page, f"/executions/{execution['id']}/")


def test_selected_executions_are_deleted_after_a_preview(platform: Platform, visitor: Visitor, workflow: str) -> None:
    kept, *deleted = [run(platform, workflow)["id"] for _ in range(3)]
    page = visitor.open(f"/?workflow={workflow}")
    rows = page.locator("#executions tr[data-id]")
    expect(rows).to_have_count(3)
    page.keyboard.press("j")
    page.keyboard.press("x")
    rows.nth(1).get_by_role("checkbox").check()
    expect(page.locator("#selected-count")).to_have_text("2 rows selected")
    page.locator("#selected").get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("You cannot undo this.")
    expect(dialog).to_contain_text("executions: 2 completed")
    dialog.get_by_role("button", name="Delete 2 executions").click()
    expect(dialog.locator("#bulk-state")).to_have_text("2 of 2 deleted.")
    dialog.locator("#bulk-close").click()
    expect(rows).to_have_count(1)
    expect(rows.first).to_have_attribute("data-id", kept)
    for each in deleted:
        assert platform.request("GET", f"/api/executions/{each}/").status_code == 404


def test_filters_are_kept_by_the_address_and_given_back_by_the_back_button(
    platform: Platform, visitor: Visitor, workflow: str
) -> None:
    run(platform, workflow)
    page = visitor.open("/")
    shown = page.locator("#executions tr[data-id]")
    expect(shown.first).to_be_visible()
    page.locator(".chip", has_text="timed out").click()
    expect(page).to_have_url(re.compile("status=timed_out"))
    expect(page.locator('#executions tr[data-execution-status="completed"]')).to_have_count(0)
    page.reload()
    expect(page.locator('input[value="timed_out"]')).to_be_checked()
    page.go_back()
    expect(page.locator('#executions tr[data-execution-status="completed"]').first).to_be_visible()


def test_what_is_wrong_with_a_definition_is_said_with_node_and_field(visitor: Visitor, workflow: str) -> None:
    page = visitor.open(f"/workflows/{workflow}/")
    editor = page.get_by_label("Workflow definition")
    editor.fill('{"name": "Short", "nodes": [')
    page.get_by_role("button", name="Validate").click()
    expect(page.locator("#problems")).to_contain_text("is not JSON")
    bad = '{"name": "S", "nodes": [{"id": "a", "name": "A", "type": "manual_trigger", "parameters": {}},'
    bad += ' {"id": "b", "name": "B", "type": "set", "parameters": {"nonsense": 1}}],'
    editor.fill(bad + ' "edges": [{"source": "a", "target": "b"}]}')
    page.get_by_role("button", name="Validate").click()
    expect(page.locator("#problems")).to_contain_text("b")
    expect(page.locator("#problems")).to_contain_text("nonsense")
    page.on("dialog", lambda dialog: dialog.accept())


def test_a_saved_definition_is_a_new_version_and_runs_by_hand(
    platform: Platform, visitor: Visitor, workflow: str
) -> None:
    page = visitor.open(f"/workflows/{workflow}/")
    editor = page.get_by_label("Workflow definition")
    editor.fill(editor.input_value().replace('"Short"', '"Renamed"'))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Renamed")).to_be_visible()
    expect(page.locator(".versions li")).to_have_count(2)
    page.locator("#run button").click()
    arrive(page, "/executions/")
    expect(page.locator("#status")).to_have_text("completed")
    execution = page.url.rstrip("/").rsplit("/", 1)[1]
    found = platform.request("GET", f"/api/executions/{execution}/").json()
    assert (found["trigger"], found["workflow_version"]) == ("manual", 2)


def test_an_editor_sees_and_resets_the_static_data(platform: Platform, visitor: Visitor, workflow: str) -> None:
    platform.request("PUT", f"/api/workflows/{workflow}/static-data/", json={"global": {"cursor": "page 7"}})
    page = visitor.open(f"/workflows/{workflow}/")
    page.locator("#static-data summary").click()
    expect(page.locator("#static-data-view")).to_contain_text("page 7")
    page.get_by_role("button", name="Reset static data").click()
    page.get_by_role("button", name="Reset", exact=True).click()
    expect(page.locator("#static-data-view")).to_contain_text("There is none.")


def test_the_switch_activates_the_workflow(platform: Platform, visitor: Visitor, workflow: str) -> None:
    page = visitor.open(f"/workflows/{workflow}/")
    switch = page.get_by_role("switch")
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    assert platform.request("GET", f"/api/workflows/{workflow}/").json()["active"] is True


def test_the_theme_is_remembered(visitor: Visitor) -> None:
    page = visitor.open("/")
    root = page.locator("html")
    page.get_by_label("Switch between light and dark").click()
    chosen = root.get_attribute("data-theme")
    page.reload()
    expect(root).to_have_attribute("data-theme", chosen or "")


def overflows(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def test_no_page_is_wider_than_a_phone(platform: Platform, visitor: Visitor, workflow: str) -> None:
    wide = platform.request("POST", "/api/workflows/", json=TWELVE_NODES).json()["id"]
    execution = run(platform, wide)["id"]
    for path in ("/", "/workflows/", f"/workflows/{wide}/", f"/executions/{execution}/"):
        page = visitor.open(path, **PHONE)
        expect(page.locator("#connection, main").first).to_be_attached()
        assert not overflows(page), path
        for name in ("Executions", "Workflows"):
            box = page.get_by_role("link", name=name, exact=True).first.bounding_box()
            assert box is not None, (path, name)
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= PHONE["width"]


def test_the_documentation_page_asks_no_other_host(visitor: Visitor) -> None:
    page = visitor.open("/api/docs/")
    expect(page.get_by_text("/api/account/password/", exact=True)).to_be_visible()


def test_the_schedule_of_a_workflow_tells_its_last_and_next_run_and_stops_with_the_switch(
    platform: Platform, visitor: Visitor
) -> None:
    nodes = [node("tick", "schedule_trigger", interval_seconds=3), node("end", "no_op")]
    definition = {"name": "Ticking", "nodes": nodes, "edges": [edge("tick", "end")]}
    created = platform.request("POST", "/api/workflows/", json=definition).json()["id"]
    page = visitor.open(f"/workflows/{created}/")
    card = page.get_by_role("region", name="Schedule")
    expect(card).to_contain_text("Every 3 seconds")
    off = card.get_by_text("Off: doesn't run")
    expect(off).to_be_visible()
    expect(card.locator("[data-last]")).to_have_text("Never")
    page.get_by_role("switch").click()
    expect(off).to_be_hidden()
    expect(card.locator("[data-next]")).to_have_text(re.compile("now|in \\d s"))
    card.locator("[data-last] a").click()  # as soon as it has run, without a reload
    arrive(page, "/executions/")
    page.goto(f"/workflows/{created}/")
    page.get_by_role("switch").click()
    expect(card.locator("[data-next]")).to_have_text("–")
    assert platform.request("GET", f"/api/workflows/{created}/").json()["active"] is False
