"""Waiting for the state of a page."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from workflow_platform.installation.embedded import wait_until


def wait_for_page(page: Page, expression: str, arg: Any = None, seconds: float = 120) -> None:
    """Wait until the JavaScript is true in the page.

    Playwright's `wait_for_function` calls `eval` in the page, which the content policy of the platform forbids.
    """
    wait_until(lambda: bool(page.evaluate(expression, arg)), expression, seconds)


def arrive(page: Page, address: str) -> None:
    """Wait until the page has an address that matches, and listens: keys and clicks before that may be lost."""
    expect(page).to_have_url(re.compile(address))
    page.wait_for_load_state("load")
