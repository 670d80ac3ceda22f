"""Dialogs take the focus and give it back, also where what opened them is gone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visitor
from tests.conftest import Platform
from tests.executing import save
from tests.workflows import node

pytestmark = pytest.mark.browser


def press(button: Locator) -> None:
    """Press a button with the keyboard."""
    button.focus()
    button.press("Enter")


def escape(page: Page, name: str) -> None:
    """Leave the dialog, in which something has the focus."""
    dialog = page.get_by_role("dialog", name=name)
    expect(dialog).to_be_visible()
    expect(dialog.locator(":focus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_dialog_that_a_menu_has_opened_gives_the_focus_to_the_button_of_the_menu(
    platform: Platform, visitor: Visitor
) -> None:
    workflow = save(platform, [node("start", "manual_trigger")], [], name="With dialogs")
    page = visitor.open(f"/workflows/{workflow}/")
    page.wait_for_load_state("load")  # from here on the page listens
    menu = page.get_by_role("button", name="More actions")
    for entry, title in (
        ("Rename and describe", "Name and description"),
        ("Settings", "Settings"),
        ("Delete…", "Delete"),
    ):
        press(menu)
        press(page.locator("#workflow-menu").get_by_role("button", name=entry))
        escape(page, title)
        expect(menu).to_be_focused()


def test_a_dialog_whose_row_is_gone_gives_the_focus_to_the_content(visitor: Visitor) -> None:
    page = visitor.open("/account/tokens/")
    page.wait_for_load_state("load")
    revoke = page.locator("[data-do=revoke]").first
    press(revoke)
    revoke.evaluate("button => button.remove()")
    escape(page, "Revoke")
    expect(page.locator("#content")).to_be_focused()
