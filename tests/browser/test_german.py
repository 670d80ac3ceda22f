"""Pages in another language: texts of the server and of the modules, which are copies in this language."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.conftest import Platform
from tests.executing import execute, save, until
from tests.workflows import edge, node


def test_templates_and_modules_speak_the_language_of_the_browser(platform: Platform, visitor: Visitor) -> None:
    nodes = [node("start", "manual_trigger"), node("set", "set", fields={"n": 1})]
    execution = execute(platform, save(platform, nodes, [edge("start", "set")]), {}, {})
    until(platform, execution, "completed")
    visitor.context.set_extra_http_headers({"Accept-Language": "de-AT, en;q=0.5"})
    page = visitor.open(f"/executions/{execution}/")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("heading", name="Zeitleiste")).to_be_visible()
    expect(page.locator("#status")).to_have_text("abgeschlossen")
    expect(page.locator("#graph .node").last).to_contain_text("2 Elemente")  # written by a module
    page.locator("summary", has_text="Kritischer Pfad").click()
    expect(page.locator("#critical-path")).to_contain_text("läuft")
    for width, height in ((768, 700), (320, 640), (320, 256)):  # 320: WCAG 1.4.10, a window of 1280 px at 400 %
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("scrollTo(0, 0)")
        for name in ("Mehr", "Suche und Befehle"):
            page.get_by_role("button", name=name).click(trial=True)  # nothing lies over it
        assert page.evaluate("document.documentElement.scrollWidth") == width
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog").get_by_role("combobox")).to_be_focused()
    expect(page.get_by_role("dialog").get_by_role("option").first).to_be_visible()
    modules = page.evaluate("[...document.querySelectorAll('link[rel=modulepreload]')].map(link => link.href)")
    assert any(".de." in module for module in modules)
    assert visitor.complaints == []
