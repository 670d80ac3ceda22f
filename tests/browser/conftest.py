"""A real Chromium. Where there is none these tests are skipped, and say so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests import started_servers
from tests.answering import Answering, answering
from tests.browser import own_priority
from tests.conftest import Platform

DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PATIENCE_MS = 120_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # Of the package, not of the session: while Playwright runs, its event loop is in the way of asynchronous tests.
    # The shell is the same engine without a browser's window, and takes half of the CPU time.
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("NO BROWSER TEST WAS RUN: there is no chromium on PATH (apt-get install chromium-headless-shell)")
    arguments = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
    with sync_playwright() as playwright:
        executable = own_priority.script(started_servers.folder, chromium)
        started = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield started
        started.close()


def log_in(page: Page, platform: Platform) -> None:
    page.goto("/login/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(platform.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Executions", exact=True)).to_be_visible()


@pytest.fixture(scope="package")
def session(browser: Browser, platform: Platform) -> Any:
    """Return the cookies of somebody who has logged in through the form."""
    with browser.new_context(base_url=platform.url, viewport=DESKTOP) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        log_in(context.new_page(), platform)
        return context.storage_state()


class Visitor:
    """Somebody who is logged in and opens pages; what the pages complain of is kept."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.complaints: list[str] = []
        self.hosts: set[str] = set()

    def open(self, path: str, **viewport: int) -> Page:
        page: Page = self.context.new_page()
        if viewport:
            page.set_viewport_size(viewport)  # type: ignore[arg-type]
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))
        page.goto(path)
        return page


@pytest.fixture
def visitor(browser: Browser, platform: Platform, session: Any) -> Iterator[Visitor]:
    with browser.new_context(base_url=platform.url, viewport=DESKTOP, storage_state=session) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        found = Visitor(context)
        yield found
        assert found.complaints == []
        assert found.hosts <= {platform.url.removeprefix("http://")}


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as found:
        yield found
