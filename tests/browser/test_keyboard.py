"""Everything with the keyboard alone: a whole task, the command palette, and the shortcuts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.test_monitor import start
from tests.browser.test_rerun import FAILS_ON_SMALL
from tests.conftest import Platform
from tests.page_state import arrive

pytestmark = pytest.mark.browser

MOST_TABS = 80
FAILING = (
    '{"name": "By keyboard", "nodes": ['
    '{"id": "start", "name": "Start", "type": "manual_trigger", "parameters": {}},'
    '{"id": "check", "name": "Check", "type": "code",'
    ' "parameters": {"code": "if (!$json.fine) throw new Error(\'not fine\'); return $input.all()"}}],'
    ' "edges": [{"source": "start", "target": "check"}]}'
)
IN_SIGHT = """() => {
  const { left, top, width, height } = document.activeElement.getBoundingClientRect();
  const at = document.elementFromPoint(left + width / 2, top + height / 2);
  return at !== null && (document.activeElement.contains(at) || at.contains(document.activeElement));
}"""


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus; it is then in sight, not below the bar (WCAG 2.4.11)."""
    expect(page.locator(selector).first).to_be_visible()
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            assert page.evaluate(IN_SIGHT), selector
            return
    raise AssertionError(f"{MOST_TABS} times Tab did not lead to {selector}")


def command(page: Page, text: str, title: str) -> None:
    """Run a command of the palette."""
    page.wait_for_load_state("load")  # from here on the page listens
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Search, or type a command")).to_be_focused()
    page.keyboard.insert_text(text)
    field = page.get_by_role("combobox", name="Search, or type a command")
    option = page.get_by_role("option", name=title).first
    expect(option).to_be_visible()
    for _ in range(MOST_TABS):
        if option.get_attribute("aria-selected") == "true":
            break
        page.keyboard.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", str(option.get_attribute("id")))
    page.keyboard.press("Enter")


def test_a_workflow_is_made_run_and_rerun_without_a_mouse(visitor: Visitor) -> None:
    page = visitor.open("/")
    command(page, "new work", "New workflow")
    expect(page.get_by_role("heading", name="New workflow")).to_be_visible()
    page.wait_for_load_state("load")  # from here on the page listens
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, "#json")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(FAILING)
    page.keyboard.press("Control+s")
    expect(page.get_by_role("heading", name="By keyboard")).to_be_visible()
    command(page, "run this", "Run this workflow")
    expect(page.locator("#status")).to_have_text("failed")
    failed = page.url
    tab_to(page, "#error")
    page.keyboard.press("Enter")
    expect(page.locator("#inspector")).to_contain_text("not fine")
    command(page, "rerun", "Rerun this execution")
    dialog = page.get_by_role("dialog", name="Rerun")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#error")).to_be_focused()
    command(page, "rerun", "Rerun this execution")
    tab_to(page, "dialog[open] .end .primary")
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(failed)
    expect(page.locator("#status")).to_have_text("failed")
    expect(page.get_by_role("link", name="rerun of")).to_be_visible()


def test_the_palette_finds_by_letters_and_by_id_and_gives_the_focus_back(platform: Platform, visitor: Visitor) -> None:
    execution: dict[str, Any] = start(platform, FAILS_ON_SMALL, [{"n": 1}])
    page = visitor.open("/workflows/")
    search = page.get_by_label("Search workflows")
    search.focus()
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Search, or type a command")
    expect(field).to_be_focused()
    page.keyboard.insert_text("nothing has this name")
    expect(page.locator("#palette-state")).to_contain_text("Nothing matches “nothing has this name”.")
    page.keyboard.press("Escape")
    expect(search).to_be_focused()
    command(page, "flsmnum", "Fails on small numbers")
    expect(page.get_by_role("heading", name="Fails on small numbers")).to_be_visible()
    command(page, execution["id"], "Fails on small numbers")
    arrive(page, f"/executions/{execution['id']}/")
    page.keyboard.press("Control+k")
    recent = page.get_by_role("group", name="Recent").get_by_role("option")
    expect(recent.first).to_contain_text("Fails on small numbers")
    expect(recent.nth(1)).to_contain_text("Fails on small numbers")
    page.keyboard.press("Escape")


def test_single_keys_lead_to_pages_and_to_the_search_until_they_are_turned_off(visitor: Visitor) -> None:
    page = visitor.open("/workflows/")
    page.keyboard.press("/")
    expect(page.get_by_label("Search workflows")).to_be_focused()
    page.keyboard.type("g?")  # letters in a field are text
    expect(page.get_by_label("Search workflows")).to_have_value("g?")
    page.get_by_label("Search workflows").blur()
    page.keyboard.press("g")
    page.keyboard.press("a")
    arrive(page, "/approvals/$")
    page.keyboard.press("?")
    overview = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(overview.get_by_text("Inbound webhook requests")).to_be_visible()
    tab_to(page, "#single-keys")
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(overview).to_be_hidden()
    page.keyboard.press("Control+k")  # needs a modifier: it stays
    expect(page.get_by_role("combobox", name="Search, or type a command")).to_be_focused()
