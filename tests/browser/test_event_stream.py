"""The browser's client of the streams, in a real browser, over a network that is cut and against a server that goes."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.browser.conftest import DESKTOP, PATIENCE_MS, log_in
from tests.conftest import Platform
from tests.cutting import CuttingProxy, cutting
from tests.executing import execute, save, until
from tests.folding import read_history
from tests.page_state import wait_for_page
from tests.workflows import edge, node

pytestmark = pytest.mark.browser

WATCH = """async ([streams, further]) => {
  const { EventStream } = await import("/static/js/event_stream.js");
  const connection = window.connection = new EventStream();
  Object.assign(window, { held: {}, ended: [], problems: [], states: [], subscriptions: {} });
  connection.addEventListener("state", () => states.push([connection.state, connection.why]));
  for (const stream of streams) {
    held[stream] = [];
    subscriptions[stream] = connection.subscribe(stream, {
      ...further,
      onEvents: (events) => held[stream].push(...events.map((event) => [event.sequence, event.id, event.type])),
      onEnd: () => ended.push(stream),
      onError: (problem) => problems.push(problem.code),
    });
  }
}"""


@pytest.fixture
def proxy(platform: Platform) -> Iterator[CuttingProxy]:
    with cutting(int(platform.url.rsplit(":", 1)[1])) as found:
        yield found


@pytest.fixture
def page(browser: Browser, platform: Platform, proxy: CuttingProxy, session: Any) -> Iterator[Page]:
    """Return a page of somebody who is logged in and whose way to the platform is the proxy."""
    url = f"http://127.0.0.1:{proxy.port}"
    with browser.new_context(base_url=url, viewport=DESKTOP, storage_state=session) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.route("**/js/bell*.js", lambda route: route.abort())  # it has a stream and, on some pages, a socket
        yield page


def watch(page: Page, *streams: str, **further: Any) -> None:
    """Open a page that has no stream of its own, and subscribe there."""
    page.goto("/credentials/")
    page.evaluate(WATCH, [list(streams), further])


def turning(platform: Platform, turns: int) -> str:
    """Return a workflow of about eight events a turn."""
    count = f"return Array.from({{ length: {turns} }}, (_, n) => ({{ n }}))"
    nodes = [
        node("start", "manual_trigger"),
        node("numbers", "code", code=count),
        node("each", "loop", batch_size=1),
        node("seen", "set", fields={"seen": True}),
    ]
    edges = [edge("start", "numbers"), edge("numbers", "each"), edge("each", "seen", "loop"), edge("seen", "each")]
    return save(platform, nodes, edges)


def history(platform: Platform, execution: str) -> list[list[Any]]:
    return [[event["sequence"], event["id"], event["type"]] for event in read_history(platform, execution)]


def intercept(page: Page, change: Callable[[WebSocketRoute, dict[str, Any]], bool]) -> None:
    """Let `change` look at every frame from the server; where it returns False the frame is lost."""

    def handle(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def forward(text: str | bytes) -> None:
            if change(socket, json.loads(text)):
                socket.send(text)

        server.on_message(forward)

    page.route_web_socket("**/ws/", handle)


def say(socket: WebSocketRoute, **frame: Any) -> None:
    socket.send(json.dumps(frame))


def test_over_many_cuts_nothing_is_lost_doubled_or_reordered(
    platform: Platform, proxy: CuttingProxy, page: Page
) -> None:
    workflow = turning(platform, 60)
    executions = [execute(platform, workflow, {}) for _ in range(4)]
    streams = [f"execution:{execution}" for execution in executions]
    watch(page, *streams, f"workflow:{workflow}")
    chance = random.Random(4)
    # Some connections end before they have said anything, others after a large frame.
    proxy.limits = (chance.choice([chance.randint(200, 20_000), chance.randint(20_000, 500_000)]) for _ in count())
    before = proxy.accepted
    proxy.cut()
    for _ in range(2):
        executions.append(execute(platform, workflow, {}))
    for execution in executions:
        until(platform, execution)
    while page.evaluate("ended.length") < len(streams):
        proxy.cut()
        wait_for_page(page, "connection.state === 'live' || ended.length === 4")
    while proxy.accepted - before < 10:  # a fast machine has sent everything before so many cuts
        proxy.cut()
        wait_for_page(page, "connection.state === 'live'")
    shown = {"execution.queued", "execution.started", "execution.completed"}
    lifecycle = {event[1] for e in executions for event in history(platform, e) if event[2] in shown}
    wait_for_page(page, "(most) => held[Object.keys(held).at(-1)].length >= most", arg=3 * len(executions) + 1)
    held = page.evaluate("held")
    for execution, stream in zip(executions, streams, strict=False):
        assert held[stream] == history(platform, execution)
    seen = held[f"workflow:{workflow}"]
    assert [sequence for sequence, _, _ in seen] == list(range(1, len(seen) + 1))
    assert {event_id for _, event_id, type_ in seen if type_.startswith("execution.")} == lifecycle
    assert page.evaluate("problems") == []
    assert proxy.accepted - before >= 10


def test_it_says_that_it_reconnects_and_is_back_when_the_server_is(
    platform: Platform, proxy: CuttingProxy, page: Page
) -> None:
    page.goto("/")
    pill, tip = page.locator("#connection"), page.locator("#connection-tip")
    expect(pill).to_have_attribute("data-state", "live")
    probes: list[str] = []
    page.on("requestfailed", lambda request: probes.append(request.url) if "healthz" in request.url else None)
    proxy.stop_listening()
    proxy.cut()
    expect(pill).to_have_attribute("data-state", "reconnecting")
    pill.hover()
    expect(tip).to_contain_text("Reconnecting automatically")
    deadline = time.monotonic() + 20
    while len(probes) < 4 and time.monotonic() < deadline:  # by now it waits for as long as it ever does
        page.wait_for_timeout(50)
    execution = execute(platform, turning(platform, 1), {})
    proxy.resume()
    wait_for_page(page, "document.getElementById('connection').dataset.state === 'live'")
    page.locator("#new-rows").click()  # it happened meanwhile
    expect(page.locator(f'tr[data-id="{execution}"] .status')).to_have_text("completed")


def test_a_page_that_is_looked_at_again_tries_at_once(proxy: CuttingProxy, page: Page) -> None:
    page.add_init_script("Math.random = () => 1000")  # by itself it would try again in minutes
    watch(page, "executions")
    wait_for_page(page, "connection.state === 'live'")
    proxy.cut()
    wait_for_page(page, "connection.state === 'reconnecting'")
    for kind in ("document.dispatchEvent(new Event('visibilitychange'))", "dispatchEvent(new Event('online'))"):
        page.evaluate(kind)
        wait_for_page(page, "connection.state === 'live'")
        page.evaluate(kind)  # while it is live this is but a ping
        proxy.cut()
        wait_for_page(page, "connection.state === 'reconnecting'")


def test_a_frame_that_is_lost_is_a_gap_that_nobody_sees(platform: Platform, page: Page) -> None:
    lost: list[int] = []
    asked: list[str] = []

    def change(socket: WebSocketRoute, frame: dict[str, Any]) -> bool:
        if frame["type"] == "subscribed":
            asked.append(frame["stream"])
        if frame["type"] != "events" or lost or frame["events"][0]["sequence"] == 1:
            return True
        lost.extend(event["sequence"] for event in frame["events"])
        return False

    intercept(page, change)
    execution = execute(platform, turning(platform, 150), {})
    watch(page, f"execution:{execution}")
    wait_for_page(page, "ended.length === 1")
    assert lost
    assert len(asked) == 2
    assert page.evaluate("Object.values(held)[0]") == history(platform, execution)
    assert page.evaluate("problems") == []


def test_events_that_exist_no_more_are_said_to_be_missing(platform: Platform, page: Page) -> None:
    execution = execute(platform, turning(platform, 5), {})
    until(platform, execution)

    def remove(socket: WebSocketRoute, frame: dict[str, Any]) -> bool:
        if frame["type"] != "events":
            return True
        say(socket, **(frame | {"events": [event for event in frame["events"] if event["sequence"] > 10]}))
        return False

    intercept(page, remove)
    watch(page, f"execution:{execution}")
    wait_for_page(page, "ended.length === 1")
    assert page.evaluate("Object.values(held)[0]") == history(platform, execution)[10:]
    assert page.evaluate("problems") == ["removed"]


def test_degraded_is_shown_and_passes(page: Page) -> None:
    sockets: list[WebSocketRoute] = []

    def degrade(socket: WebSocketRoute, frame: dict[str, Any]) -> bool:
        if frame["type"] == "live":
            sockets.append(socket)
            say(socket, **(frame | {"type": "degraded"}))
        return frame["type"] != "live"

    intercept(page, degrade)
    page.goto("/")
    while not sockets:  # a busy server may be degraded by itself at first
        page.wait_for_timeout(20)
    expect(page.locator("#connection")).to_have_attribute("data-state", "degraded")
    expect(page.locator("#connection-tip")).to_contain_text("none are lost")
    say(sockets[-1], type="live", stream="executions", sequence=0)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")


@pytest.mark.parametrize(("code", "why", "least"), [(1012, "restarting", 0.0), (4429, "too_many", 2.0)])
def test_a_server_that_sends_it_away_is_given_time(page: Page, code: int, why: str, least: float) -> None:
    sent: list[float] = []

    def handle(socket: WebSocketRoute) -> None:
        if sent:
            socket.connect_to_server()
        else:
            sent.append(time.monotonic())
            socket.close(code=code)

    page.add_init_script("Math.random = () => 0")
    page.route_web_socket("**/ws/", handle)
    watch(page, "executions")
    wait_for_page(page, "connection.state === 'live'")
    assert time.monotonic() - sent[0] >= least
    assert ["reconnecting", why] in page.evaluate("states")
    assert page.evaluate("states.at(-1)") == ["live", ""]


def test_who_is_logged_out_is_told_to_log_in_again(platform: Platform, proxy: CuttingProxy, page: Page) -> None:
    page.goto("/")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    page.context.clear_cookies()
    proxy.cut()
    expect(page.locator("#connection")).to_have_attribute("data-state", "offline")
    dialog = page.get_by_role("dialog", name="You are signed out")
    expect(dialog.get_by_role("link", name="Sign in here")).to_have_attribute("href", "/login/?next=%2F")
    log_in(page.context.new_page(), platform)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # back from the other tab
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")


def test_who_unsubscribes_gets_nothing_more_and_a_stream_of_others_is_an_error(platform: Platform, page: Page) -> None:
    nowhere = "execution:00000000-0000-7000-8000-000000000000"
    watch(page, "executions", nowhere)
    wait_for_page(page, "problems.length === 1")
    assert page.evaluate("[problems, subscriptions[Object.keys(held)[1]].state]") == [["not_found"], "offline"]
    wait_for_page(page, "connection.state === 'live'")
    page.evaluate("subscriptions.executions.unsubscribe()")
    execution = execute(platform, turning(platform, 1), {})
    page.evaluate(
        """(stream) => new Promise((onEnd) => connection.subscribe(stream, { onEvents() {}, onEnd }))""",
        f"execution:{execution}",
    )
    assert execution not in json.dumps(page.evaluate("held"))
    page.evaluate("connection.close()")
    assert page.evaluate("[connection.state, connection.why]") == ["offline", "closed"]


def test_a_handler_that_fails_keeps_nobody_from_their_events(platform: Platform, page: Page) -> None:
    execution = execute(platform, turning(platform, 1), {})
    watch(page)
    page.evaluate("addEventListener('error', (event) => problems.push(event.message))")
    fails = """(stream) => new Promise((onEnd) =>
      connection.subscribe(stream, { onEnd, onEvents() { throw Error("bad"); } }))"""
    page.evaluate(fails, f"execution:{execution}")
    assert any("bad" in problem for problem in page.evaluate("problems"))


def test_who_joins_near_the_head_loads_what_was_before_while_it_goes_on(platform: Platform, page: Page) -> None:
    execution = execute(platform, turning(platform, 40), {})
    until(platform, execution)
    stream, expected = f"execution:{execution}", history(platform, execution)
    watch(page, stream, after=-100)
    wait_for_page(page, "ended.length === 1")
    assert page.evaluate("held[Object.keys(held)[0]]") == expected[-100:]
    pages = page.evaluate(
        """async () => {
          const [subscription] = Object.values(subscriptions), found = [];
          for (let page = {}; !page.complete; found.unshift(page.events))
            page = await subscription.loadEarlier({ limit: 90 });
          return found.flat().map((event) => [event.sequence, event.id, event.type]);
        }"""
    )
    assert pages == expected[:-100]


def test_a_filtered_client_gets_only_what_fits_and_knows_what_it_skipped(
    platform: Platform, proxy: CuttingProxy, page: Page
) -> None:
    execution = execute(platform, turning(platform, 40), {})
    watch(page, f"execution:{execution}", types=["execution.node_*", "execution.completed"])
    wait_for_page(page, "Object.values(held)[0].length > 20")
    proxy.cut()
    wait_for_page(page, "ended.length === 1")
    expected = [e for e in history(platform, execution) if ".node_" in e[2] or e[2] == "execution.completed"]
    assert page.evaluate("Object.values(held)[0]") == expected
    assert page.evaluate("Object.values(subscriptions)[0].cursor") == expected[-1][0]
