"""The monitor of a graph of 500 nodes while it runs, in Chromium: the work of the main thread for each frame."""

from __future__ import annotations

import bisect
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.benchmarks.monitor import log_in, look
from tests.benchmarks.reporting import Report
from tests.installation import Installation, installation
from tests.page_state import wait_for_page
from tests.workflows import edge, node

CHAINS, LENGTH, NODES = 20, 24, 500
WAIT_SECONDS = 1.5
CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel"]
ENDED = {"completed", "failed", "cancelled", "timed_out"}


def run(folder: Path, report: Report) -> None:
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if chromium is None:
        print("large_graph: there is no chromium on PATH")
        return
    with installation(folder) as platform, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(base_url=platform.url, viewport={"width": 1440, "height": 900}).new_page()
        log_in(page)
        path = f"/api/workflows/{platform.create_workflow(definition())}/execute/"
        execution = str(platform.request("POST", path, json={"input": [{}]}).json()["id"])
        page.goto(f"/executions/{execution}/")
        wait_for_page(page, "performance.getEntriesByName('state drawn').length > 1")
        trace = folder / "trace.json"
        browser.start_tracing(page=page, categories=CATEGORIES, path=trace)
        follow(platform, page, execution)
        browser.stop_tracing()
        frames = sorted(work_by_frame(json.loads(trace.read_text())["traceEvents"]))
        report(
            "monitor_500_nodes_work_per_frame", "ms", frames[int(len(frames) * 0.95)],
            p50=round(frames[len(frames) // 2], 1), worst=round(frames[-1], 1), frames=len(frames),
        )  # fmt: skip
        browser.close()


def definition() -> dict[str, Any]:
    """Return chains of waits and fields that meet in a merge, and a tail behind it."""
    nodes, edges = [node("start", "manual_trigger"), node("join", "merge")], []
    for chain in range(CHAINS):
        before = "start"
        for place in range(LENGTH):
            name = f"c{chain}n{place}"
            waits = place % 3 == 2
            nodes.append(node(name, "wait", seconds=WAIT_SECONDS) if waits else node(name, "set", fields={"i": place}))
            edges.append(edge(before, name))
            before = name
        edges.append(edge(before, "join", "main", f"input{chain + 1}"))
    before = "join"
    while len(nodes) < NODES:
        nodes.append(node(f"t{len(nodes)}", "no_op"))
        edges.append(edge(before, nodes[-1]["id"]))
        before = nodes[-1]["id"]
    return {"name": "Five hundred nodes", "nodes": nodes, "edges": edges}


def follow(platform: Installation, page: Page, execution: str) -> None:
    while look(platform, execution)["status"] not in ENDED:
        page.wait_for_timeout(500)


def work_by_frame(events: list[dict[str, Any]]) -> list[float]:
    """Return the CPU time of the renderer's main thread from each frame to the next, in ms."""
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    counts = Counter((event["pid"], event["tid"]) for event in events if (event["pid"], event["tid"]) in mains)
    page = counts.most_common(1)[0][0]
    own = [event for event in events if (event["pid"], event["tid"]) == page and event.get("ph") == "X"]
    frames = sorted(event["ts"] + event["dur"] for event in own if event["name"] == "Commit")
    work = [0.0] * (len(frames) + 1)
    for event in own:
        if event["name"] == "RunTask":
            work[bisect.bisect(frames, event["ts"])] += event.get("tdur", event["dur"]) / 1000
    return work
