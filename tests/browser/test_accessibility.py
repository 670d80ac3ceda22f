"""No page has a serious fault that axe finds, in light and dark, on a desktop and on a phone.

The pages come from the URL configuration (`tests.browser.every_page`): a new one is walked by itself.
"""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Visitor
from tests.browser.every_page import addresses, paths_by_page
from tests.browser.test_monitor import start
from tests.browser.test_rerun import FAILS_ON_SMALL
from tests.conftest import Platform

pytestmark = pytest.mark.browser

GRAVE = {"serious", "critical"}
GUIDELINES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
COLOURS = ["color-contrast", "link-in-text-block"]
"""What may differ between light and dark; everything else is looked at once for each width."""
ENDED_TRANSITIONS = "document.getAnimations().filter(each => each instanceof CSSTransition).forEach(t => t.finish())"
"""The admin site fades from one scheme to the other."""
OF_OTHERS = {"/admin/": GUIDELINES, "/admin/executions/execution/": GUIDELINES, "/nothing-is-here/": None}
"""More pages: those of Django and its admin site are held to the guidelines, not also to what axe recommends."""


def faults(page: Page, only: list[str] | None) -> list[str]:
    """Return the serious and critical faults of a page, with the elements that have them."""
    options: dict[str, Any] = {"resultTypes": ["violations"], "iframes": False}
    options["rules"] = {"target-size": {"enabled": True}}  # WCAG 2.5.8, which axe leaves out by default
    if only:
        options["runOnly"] = only
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]


def look(page: Page, path: str, tags: list[str] | None) -> list[str]:
    """Return the faults of a page in both schemes at both widths."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    page.goto(path)
    page.wait_for_load_state("networkidle" if "/docs/" in path else "load")
    page.evaluate(AXE_SCRIPT)
    found = []
    for scheme, only in (("light", tags), ("dark", COLOURS)):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.evaluate(ENDED_TRANSITIONS)
        for size in (DESKTOP, PHONE):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            found += [f"{path} {scheme} {size['width']}: {fault}" for fault in faults(page, only)]
    return found


def test_axe_finds_no_serious_fault_on_any_page(platform: Platform, visitor: Visitor) -> None:
    paths = paths_by_page(platform)
    assert paths.keys() == {name for name, _ in addresses()}
    assert len(paths) > 20
    page = visitor.open("/")
    pages = dict.fromkeys(paths.values()) | OF_OTHERS
    found = [fault for path, tags in pages.items() for fault in look(page, path, tags)]
    visitor.complaints = [said for said in visitor.complaints if "404" not in said]  # the page that is not there
    assert found == []


@pytest.mark.parametrize("keys", ["Control+k", "?"])
def test_axe_finds_no_serious_fault_in_the_palette_and_the_list_of_shortcuts(visitor: Visitor, keys: str) -> None:
    page = visitor.open("/workflows/")
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.keyboard.press(keys)
    page.get_by_role("dialog").wait_for()
    page.evaluate(AXE_SCRIPT)
    assert faults(page, None) == []
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    assert faults(page, COLOURS) == []


def test_on_paper_a_page_is_light_and_has_no_controls_and_its_links_have_addresses(
    platform: Platform, visitor: Visitor
) -> None:
    execution = start(platform, FAILS_ON_SMALL, [{"n": 1}])
    page = visitor.open(f"/executions/{execution['id']}/")
    expect(page.locator("#status")).to_have_text("failed")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#printed")).to_contain_text(f"/executions/{execution['id']}/ · printed ")
    for hidden in (page.locator(".bar"), page.locator("#rerun"), page.locator("#level"), page.locator("#filter")):
        expect(hidden).to_be_hidden()
    expect(page.locator("#log > li").last).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.tag, .card')).colorScheme") == "light"
    address = "getComputedStyle(document.querySelector('h1 a'), '::after').content"
    assert f"/workflows/{execution['workflow']}" in page.evaluate(address)
    page.goto("/")
    expect(page.locator("#executions tr").first).to_be_visible()
    expect(page.locator("#filters")).to_be_hidden()
    assert "/executions/" in page.evaluate(address.replace("h1 a", ".row-link"))
