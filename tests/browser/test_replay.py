"""The player: the monitor shows an ended execution again, at any moment of it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PHONE, Visitor
from tests.browser.test_monitor import SHOWN, shown_at_the_end, start
from tests.conftest import Platform
from tests.folding import ENDED
from tests.page_state import arrive, wait_for_page
from tests.workflows import TWELVE_NODES
from workflow_platform.installation.embedded import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def execution(platform: Platform) -> str:
    made = start(platform, TWELVE_NODES, [{"n": 0}])["id"]
    path = f"/api/executions/{made}/"
    wait_until(lambda: platform.request("GET", path).json()["status"] in ENDED, "The end")
    return str(made)


def opened(visitor: Visitor, execution: str, **viewport: int) -> Page:
    page = visitor.open(f"/executions/{execution}/", **viewport)
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_role("region", name="Replay")).to_be_visible()
    return page


def events(page: Page) -> int:
    return int(page.locator("#monitor").get_attribute("data-sequence") or 0)


def player(page: Page) -> Locator:
    return page.get_by_role("region", name="Replay")


def pause(page: Page) -> None:
    player(page).get_by_role("button", name="Pause").click()
    expect(player(page).get_by_role("button", name="Play")).to_be_visible()


def put(page: Page, part: float) -> None:
    """Drag the scrubber's knob to a part of its length."""
    scrubber = page.get_by_label("Time since the first event")
    box = scrubber.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 8 + (box["width"] - 16) * _part(page), box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 8 + (box["width"] - 16) * part, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()


def _part(page: Page) -> float:
    return float(
        page.evaluate("(() => { const s = document.getElementById('player-scrubber'); return s.value / s.max })()")
    )


def test_at_its_end_a_replay_shows_what_the_execution_shows_and_every_step_back_and_forth_is_true(
    platform: Platform, visitor: Visitor, execution: str
) -> None:
    ended = visitor.open(f"/executions/{execution}/")
    wanted = shown_at_the_end(ended)
    page = opened(visitor, execution)
    pause(page)
    page.get_by_role("button", name="Go to start").click()
    expect(page.locator("#player-count")).to_have_text(re.compile("event 0 of"))
    expect(page.locator("#graph .node[data-status]")).to_have_count(0)
    expect(page.locator("#log > li")).to_have_count(0)
    seen = []
    for number in range(1, 8):
        page.get_by_role("button", name="Next event").click()
        expect(page.locator("#player-count")).to_have_text(re.compile(f"event {number} of"))
        expect(page.locator("#monitor")).to_have_attribute("data-sequence", str(number))
        seen.append(page.evaluate(SHOWN)["nodes"])
    for number in range(6, 0, -1):
        page.get_by_role("button", name="Previous event").click()
        expect(page.locator("#monitor")).to_have_attribute("data-sequence", str(number))
        assert page.evaluate(SHOWN)["nodes"] == seen[number - 1]
    put(page, 1.0)
    player(page).get_by_role("button", name="Play").click()
    expect(page.locator("#status")).to_have_text("completed")
    assert shown_at_the_end(page) == wanted
    put(page, 0.5)
    expect(page.locator("#status")).to_have_text(re.compile("running|waiting"))
    wait_for_page(page, "count => +document.querySelector('#monitor').dataset.sequence < count", len(wanted["log"]))
    assert events(page) > 0
    page.get_by_label("Speed").select_option("20")
    player(page).get_by_role("button", name="Play").click()
    expect(page.locator("#status")).to_have_text("completed")
    assert shown_at_the_end(page) == wanted
    page.get_by_role("link", name="Exit").click()
    arrive(page, rf"/executions/{execution}/$")


def test_a_replay_outlives_a_reload_and_is_plainly_one(platform: Platform, visitor: Visitor, execution: str) -> None:
    page = opened(visitor, execution)
    pause(page)
    page.get_by_label("Speed").select_option("0.05")  # slow enough that it still plays when the other page looks
    page.get_by_role("button", name="Go to start").click()
    expect(page.locator("#player-count")).to_have_text(re.compile("event 0 of"))
    page.get_by_role("button", name="Next event").dblclick()
    expect(page.locator("#player-count")).to_have_text(re.compile("event 2 of"))
    count = page.locator("#player-count").text_content()
    page.reload()
    expect(page.locator("#player-count")).to_have_text(str(count))
    expect(page.get_by_label("Speed")).to_have_value("0.05")
    expect(page).to_have_title(re.compile("^Replay"))
    for name in ("Rerun", "Cancel"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    other = visitor.open(page.url)
    expect(other.locator("#player-count")).to_have_text(str(count))
    page.keyboard.press("Space")
    expect(player(other).get_by_role("button", name="Pause")).to_be_visible()
    pause(other)
    page.get_by_role("link", name="Exit").click()
    expect(page.get_by_role("button", name="Rerun", exact=True)).to_be_visible()
    other.reload()
    arrive(other, rf"/executions/{execution}/$")


def test_on_a_phone_the_player_fits(platform: Platform, visitor: Visitor, execution: str) -> None:
    page = opened(visitor, execution, **PHONE)
    pause(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="Exit").click()
    expect(page.get_by_role("button", name="Replay", exact=True)).to_be_visible()


def test_somebody_elses_replay_is_not_shown(platform: Platform, visitor: Visitor, execution: str) -> None:
    page = visitor.open(f"/executions/{execution}/?replay=0198c0de-0000-7000-8000-000000000000")
    arrive(page, rf"/executions/{execution}/$")
