"""What Chromium with an empty cache downloads for each page: all but the data that its scripts ask for."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.benchmarks.monitor import log_in
from tests.benchmarks.reporting import Report
from tests.installation import OUTSIDE, Installation, installation
from tests.workflows import edge, node

LOADED = {"Document", "Stylesheet", "Script", "Image", "Font", "Manifest", "Other"}
"""The types of requests that load a page; `Fetch`, `XHR` and `WebSocket` bring data."""


def run(folder: Path, report: Report) -> None:
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if chromium is None:
        print("first_load: there is no chromium on PATH")
        return
    with installation(folder) as platform, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with browser.new_context(base_url=platform.url) as context:
            log_in(page := context.new_page())
            page.get_by_role("heading", name="Executions", exact=True).wait_for()
            state = context.storage_state()
        for name, path in {"login": "/login/", **pages_of(platform)}.items():
            measure(browser, platform, None if name == "login" else state, name, path, report)
        browser.close()


def pages_of(platform: Installation) -> dict[str, str]:
    """Return the path of each page, by its name, with something on it."""
    definition = {
        "name": "One node",
        "nodes": [node("start", "manual_trigger"), node("seen", "set", fields={"seen": True})],
        "edges": [edge("start", "seen")],
    }
    workflow = platform.create_workflow(definition)
    execution = platform.request("POST", f"/api/workflows/{workflow}/execute/", json={"input": [{}], "wait": 20}).json()
    url = f"http://{OUTSIDE}:8999/"
    endpoint = created(platform, "/api/webhooks/endpoints/", url=url, event_types=["*"])
    delivery = created(platform, "/api/webhooks/deliveries/", url=url, body={})
    workspace = platform.request("GET", "/api/workspaces/").json()["results"][0]
    return {
        "executions": "/",
        "failures": "/executions/failures/",
        "monitor": f"/executions/{execution['id']}/",
        "trace": f"/executions/{execution['id']}/trace/",
        "workflows": "/workflows/",
        "workflow": f"/workflows/{workflow}/",
        "events": "/events/",
        "approvals": "/approvals/",
        "credentials": "/credentials/",
        "endpoints": "/webhooks/",
        "endpoint": f"/webhooks/endpoints/{endpoint['id']}/",
        "deliveries": "/webhooks/deliveries/",
        "delivery": f"/webhooks/deliveries/{delivery['id']}/",
        "inbound": "/webhooks/inbound/",
        "reconciliation": "/webhooks/reconciliation/",
        "account": "/account/",
        "tokens": "/account/tokens/",
        "workspaces": "/workspaces/",
        "workspace": f"/workspaces/{workspace['id']}/",
        "admin": "/admin/",
        "admin list": "/admin/executions/execution/",
    }


def created(platform: Installation, path: str, **body: Any) -> dict[str, Any]:
    response = platform.request("POST", path, json=body)
    assert response.ok, response.text
    return dict(response.json())


def measure(browser: Browser, platform: Installation, state: Any, name: str, path: str, report: Report) -> None:
    with browser.new_context(base_url=platform.url, storage_state=state) as context:
        page = context.new_page()
        types: dict[str, str] = {}
        sizes: Counter[str] = Counter()
        files: Counter[str] = Counter()
        network = context.new_cdp_session(page)
        network.send("Network.enable")
        network.on("Network.responseReceived", lambda said: types.__setitem__(said["requestId"], said["type"]))

        def loaded(said: dict[str, Any]) -> None:
            kind = types.get(said["requestId"], "Fetch")
            sizes[kind] += said["encodedDataLength"]
            files[kind] += 1

        network.on("Network.loadingFinished", loaded)
        response = page.goto(path, wait_until="networkidle")
        assert response is not None
        assert response.status == 200, (path, response.status)
        total = sum(size for kind, size in sizes.items() if kind in LOADED)
        count = sum(each for kind, each in files.items() if kind in LOADED)
        by_kind = {kind.lower(): round(sizes[kind] / 1000, 1) for kind in sorted(sizes)}
        report("first_load", "kB", total / 1000, page=name, files=count, **by_kind)
