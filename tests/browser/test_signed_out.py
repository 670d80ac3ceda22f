"""The session ends while a page is open: the page says so, loses nothing, and goes on after a login in another tab."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import DESKTOP, PATIENCE_MS, log_in
from tests.conftest import Platform
from tests.executing import execute, save, until
from tests.page_state import arrive
from tests.workflows import edge, node

pytestmark = pytest.mark.browser


def test_a_page_whose_session_has_ended_says_so_and_goes_on_after_a_login_in_another_tab(
    browser: Browser, platform: Platform
) -> None:
    workflow = save(platform, [node("start", "manual_trigger"), node("end", "no_op")], [edge("start", "end")])
    execution = execute(platform, workflow, {})
    until(platform, execution)
    with browser.new_context(base_url=platform.url, viewport=DESKTOP) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        other = context.new_page()
        log_in(other, platform)
        page = context.new_page()
        page.goto(f"/executions/{execution}/")
        expect(page.locator("#connection")).to_have_text("live")
        page.get_by_label("Filter events").fill("typed")
        without_socket = context.new_page()
        without_socket.goto("/workflows/")
        other.get_by_role("button", name="Your account: admin").click()
        other.get_by_role("button", name="Log out").click()
        expect(other.get_by_role("button", name="Log in")).to_be_visible()

        dialog = page.get_by_role("dialog", name="You are signed out")
        expect(dialog).to_be_visible()  # the server has closed the socket
        expect(page.locator("#connection")).to_have_text("signed out")
        here = dialog.get_by_role("link", name="Sign in here").get_attribute("href")
        assert here == f"/login/?next=%2Fexecutions%2F{execution}%2F"
        without_socket.evaluate("import('/static/js/page.js').then((page) => void page.fetchJson('/api/workflows/'))")
        expect(without_socket.get_by_role("dialog", name="You are signed out")).to_be_visible()

        with context.expect_page() as opened:
            dialog.get_by_role("link", name="Sign in in a new tab").click()
        tab = opened.value
        tab.get_by_label("Username").fill("admin")
        tab.get_by_label("Password").fill(platform.password)
        tab.get_by_role("button", name="Log in").click()
        arrive(tab, f"/executions/{execution}/$")
        for waiting in (page, without_socket):
            expect(waiting.get_by_role("dialog")).to_have_count(0)
        expect(page.locator("#connection")).to_have_text("live")
        expect(page.get_by_label("Filter events")).to_have_value("typed")
        page.get_by_role("button", name="Rerun").click()  # with the CSRF token of the new session
        page.get_by_role("dialog").get_by_role("button", name="Rerun").click()
        expect(page).not_to_have_url(re.compile(execution))
