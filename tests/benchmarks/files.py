"""Memory of the web process and the worker while a file of 50 MB goes in by a webhook, out by http_request, in again as
its answer, and to a person by the API: the most above what each held before, once a smaller file has gone the same way.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.benchmarks.reporting import Report
from tests.installation import OUTSIDE, Installation, installation
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

MB = 1_000_000
SIZE, WARM_UP_SIZE = 50 * MB, 12 * MB
PIECE = 64 * 1024
SAMPLE_SECONDS = 0.01
ROUNDS = 3


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    settings = {"PERF_MIN_WORKERS": "1", "PERF_MAX_WORKERS": "1"}
    with echo() as url, installation(folder / "files", **settings) as platform:
        platform.create_workflow(definition(url))
        for _ in range(2):
            transfer(platform, WARM_UP_SIZE)
        most = dict.fromkeys(("web", "worker"), 0.0)
        seconds = list[float]()
        for _ in range(ROUNDS):
            time.sleep(1)  # memory that is given back late is not of this round
            with sampled(platform) as grown:
                began = time.monotonic()
                transfer(platform, SIZE)
                seconds.append(time.monotonic() - began)
            for kind, size in grown.items():
                most[kind] = max(most[kind], size)
        for kind, size in most.items():
            report(f"files.{kind}.memory", "MB", size / MB, rounds=ROUNDS, size_mb=SIZE // MB)
        report("files.there_and_back", "s", min(seconds), rounds=ROUNDS, size_mb=SIZE // MB)


def definition(url: str) -> dict[str, Any]:
    send = node("send", "http_request", method="PUT", url=url, binary="data", response="file", timeout_seconds=300)
    nodes = [node("hook", "webhook_trigger", path="files"), send]
    return {"name": "Sends files on", "active": True, "nodes": nodes, "edges": [edge("hook", "send")]}


def transfer(platform: Installation, size: int) -> None:
    """Send a file to the webhook, wait until it has come back from the other server, and download that."""
    headers = {"Content-Type": "video/mp4"}
    answer = requests.post(f"{platform.url}/hooks/files", data=_Content(size), headers=headers, timeout=300)  # type: ignore[arg-type]
    assert answer.status_code == 202, (answer.status_code, answer.text)
    path = f"/api/executions/{answer.json()['execution_id']}/"
    wait_until(lambda: platform.request("GET", path).json()["status"] in {"completed", "failed"}, "The end", 300)
    assert platform.request("GET", path).json()["status"] == "completed", platform.request("GET", path).text
    (item,) = platform.request("GET", f"{path}nodes/send/output/").json()["outputs"]["main"]
    file = item["$binary"]["data"]
    assert file["size"] == size
    with platform.request("GET", f"{path}binaries/{file['reference']}/", stream=True, timeout=300) as download:
        assert sum(len(piece) for piece in download.iter_content(PIECE)) == size


class _Content:
    """A file that is made while it is read."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._piece = os.urandom(PIECE)

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        piece = self._piece[: min(self._left, PIECE if size < 0 else size)]
        self._left -= len(piece)
        return piece


@contextmanager
def sampled(platform: Installation) -> Iterator[dict[str, float]]:
    """Yield a dictionary that holds, after the block, by how many bytes each kind of process grew at most."""
    processes = {kind: platform.processes(kind) for kind in ("web", "worker")}
    before = {kind: resident(found) for kind, found in processes.items()}
    grown = dict.fromkeys(processes, 0.0)
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            for kind, found in processes.items():
                grown[kind] = max(grown[kind], resident(found) - before[kind])

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield grown
    finally:
        over.set()
        thread.join()


def resident(processes: list[psutil.Process]) -> int:
    """Return the resident bytes of the largest of the processes."""
    return max((process.memory_info().rss for process in processes if process.is_running()), default=0)


class _Echo(BaseHTTPRequestHandler):
    """Gives back what it was sent."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(left))
        self.end_headers()
        self.wfile.write(self.rfile.read(left))  # at the end: who sends does not read meanwhile

    def log_message(self, *args: Any) -> None:
        """Quiet."""


@contextmanager
def echo() -> Iterator[str]:
    """Run the other server, in this process."""
    server = ThreadingHTTPServer((OUTSIDE, 0), _Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{OUTSIDE}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
