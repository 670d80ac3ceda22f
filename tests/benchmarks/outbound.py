"""Outbound requests a second from 16 threads to a local server that keeps connections, with every check on the way.

The baseline is a bare `requests.Session` with a pool of the same size. The two take turns.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

THREADS = 16
SECONDS = 2.0
ROUNDS = 3
SERVER = """
import socket, threading
def serve(connection):
    with connection:
        while True:
            received = b""
            while b"\\r\\n\\r\\n" not in received:
                more = connection.recv(65536)
                if not more:
                    return
                received += more
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
listener = socket.create_server(("127.0.0.2", 0), backlog=512)
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def per_second(call: Callable[[], Any]) -> float:
    """Call from all threads for a while; return calls a second."""
    counts = [0] * THREADS
    end = time.monotonic() + SECONDS

    def go(number: int) -> None:
        while time.monotonic() < end:
            call()
            counts[number] += 1

    threads = [threading.Thread(target=go, args=(number,)) for number in range(THREADS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - began)


def run(folder: Path, report: Callable[..., None]) -> None:
    import django
    from django.conf import settings

    django.setup()
    from workflow_platform.core import outbound

    settings.OUTBOUND_ALLOW = ["127.0.0.2/32"]
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = f"http://127.0.0.2:{server.stdout.readline().strip()}/"
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=THREADS))
    try:
        pairs = [
            (per_second(lambda: outbound.send("GET", url)), per_second(lambda: session.get(url))) for _ in range(ROUNDS)
        ]
    finally:
        server.kill()
        server.wait()
    ours, bare = (statistics.median(each) for each in zip(*pairs, strict=True))
    report("outbound requests, connections kept", "1/s", ours, bare, threads=THREADS)
