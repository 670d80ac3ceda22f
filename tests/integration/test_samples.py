"""The three sample workflows, run from outside on real input."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from executions.samples import definitions
from tests.conftest import Platform

PAYLOADS = json.loads((Path(__file__).parent.parent / "data" / "github-issues.json").read_text())


def run_sample(platform: Platform, name: str, items: list[dict[str, Any]], last: str) -> list[dict[str, Any]]:
    workflow, url = None, "/api/workflows/?limit=200"
    while workflow is None:  # further tests' workflows may come before it
        page = platform.request("GET", url).json()
        workflow = next((w["id"] for w in page["results"] if w["name"] == name), None)
        url = (page["next"] or "").removeprefix(platform.url)
    body = {"input": items, "wait": 60}
    execution = platform.request("POST", f"/api/workflows/{workflow}/execute/", json=body).json()
    assert execution["status"] == "completed", execution
    output = platform.request("GET", f"/api/executions/{execution['id']}/nodes/{last}/output/").json()
    return list(output["outputs"]["main"])


def test_the_weather_report_has_a_line_for_each_month(platform: Platform) -> None:
    sample = definitions()[0]
    (report,) = run_sample(platform, sample["name"], sample["settings"]["sample_input"], "report")
    assert len(report["months"]) == 48
    assert sum(month["days"] for month in report["months"]) == 1461
    assert report["months"][0] == {
        "month": "2012-01",
        "days": 31,
        "rain_days": 22,
        "precipitation_mm": 173.3,
        "highest": 12.8,
        "lowest": -3.3,
    }


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload["action"])
def test_a_github_payload_is_triaged(platform: Platform, payload: dict[str, Any]) -> None:
    answer = requests.post(f"{platform.url}/hooks/github-issues", json=payload, timeout=240).json()
    labels = {label["name"] for label in payload["issue"]["labels"]}
    if payload["action"] in {"labeled", "unlabeled"}:
        expected = "urgent" if "bug" in labels else "review"
    else:
        expected = "review" if payload["action"] in {"opened", "edited", "reopened"} else "noted"
    assert [item["decision"] for item in answer["items"]] == [expected]


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            self.server.stopping.wait(60)  # type: ignore[attr-defined]
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    # 127.0.0.2 is the one address that the platform under test is allowed.
    server = ThreadingHTTPServer(("127.0.0.2", 0), Answers)
    server.stopping = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.2:{server.server_port}"
    server.stopping.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_urls_are_checked_slow_and_failing_ones_among_them(platform: Platform, site: str) -> None:
    urls = [f"{site}/fine", f"{site}/broken", f"{site}/slow"]
    (summary,) = run_sample(platform, "URL check", [{"urls": urls}], "sum")
    assert (summary["checked"], summary["ok"]) == (3, 1)
    said = " ".join(summary["failed"])
    assert "responded with status 500" in said
    assert "no response within 3 s" in said
