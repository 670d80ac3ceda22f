"""Deliveries through a whole installation: how many a second, how soon, and what those that fail do to the others.

The baseline of the throughput is a bare `requests.Session` in a pool of threads, on the same receiver; the two take
turns. `fast` is what is asked for: at least 500 a second and half of the baseline.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.benchmarks.reporting import Report
from tests.installation import Installation, installation

QUEUED = 10_000
ROUNDS = 3
BARE_THREADS = (16, 64)
ENDPOINTS = 50
STORED = 1_000_000
EVENTS = 200
PAUSE_SECONDS = 0.1
SHORT = {"preset": "custom", "delays_seconds": [0.2, 0.5, 1.0, 2.0, 4.0, 8.0]}
PACED = {"count": 100, "pause": 0.1}
"""Appends of one event that all ENDPOINTS hear of."""
PATIENCE_SECONDS = 180.0


class Lines:
    """A process that answers lines."""

    def __init__(self, module: str, environment: dict[str, str]) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, "-m", module], env=environment, stdin=pipe, stdout=pipe, text=True
        )

    def ask(self, line: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def read(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def call(self, name: str, *arguments: Any, **further: Any) -> Any:
        return self.ask(json.dumps([name, arguments, further]))

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


@contextmanager
def lines(module: str, environment: dict[str, str]) -> Iterator[Lines]:
    process = Lines(module, environment)
    try:
        yield process
    finally:
        process.end()


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    with installation(folder / "webhooks") as platform:
        environment = platform.environment | {"DJANGO_SETTINGS_MODULE": "workflow_platform.settings"}
        with (
            lines("tests.benchmarks.webhook_receiver", environment) as receiver,
            lines("tests.benchmarks.webhook_writer", environment) as writer,
        ):
            bench = Bench(platform, receiver, writer, report)
            bench.warm_up()
            many = bench.throughput("50_endpoints", ENDPOINTS, ROUNDS)
            bench.throughput("1_endpoint", 1, 1, max_concurrent=64)
            bench.failing()
            bench.one_that_hangs()
            soon = bench.latency("idle")
            bench.store()
            bench.throughput("50_endpoints.1m_stored", ENDPOINTS, ROUNDS, before=many)
            bench.latency("idle.1m_stored", before=soon)


class Bench:
    def __init__(self, platform: Installation, receiver: Lines, writer: Lines, report: Report) -> None:
        self.platform, self.receiver, self.writer, self.report = platform, receiver, writer, report
        self.url = f"http://127.0.0.2:{receiver.read()}/"

    def warm_up(self) -> None:
        self._drained(self._queued(500, 5))

    # --- throughput ---------------------------------------------------------------------------------------------------

    def throughput(self, name: str, endpoints: int, rounds: int, before: float | None = None, **fields: Any) -> float:
        """Report deliveries a second, from the moment in which they may go to the last one's arrival."""
        pairs = []
        for _ in range(rounds):
            seconds = self._drained(self._queued(QUEUED, endpoints, **fields))
            pairs.append((QUEUED / seconds, self._bare()))
        ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
        further = {"fast": ours >= 500 and ours >= bare / 2}
        if before is not None:
            further |= {"before": round(before), "kept": round(ours / before, 3)}  # type: ignore[dict-item]
        self.report(f"webhooks.sent.{name}", "1/s", ours, bare, deliveries=QUEUED, rounds=rounds, **further)
        return ours

    def _queued(self, count: int, endpoints: int, path: str = "ok", **fields: Any) -> list[str]:
        ids: list[str] = self.writer.call("endpoints", self.url + path, endpoints, **fields)
        self.writer.call("queue", ids, count)
        self.receiver.ask("reset")
        return ids

    def _drained(self, ids: list[str]) -> float:
        """Let the deliveries go. Returns the seconds until the last one has arrived."""
        wanted = sum(count for status, count in self.writer.call("counts", ids).items() if status == "pending")
        began = self.writer.call("go", ids)
        until = time.monotonic() + PATIENCE_SECONDS
        while self.receiver.ask("count")["taken"] < wanted:
            assert time.monotonic() < until, self.writer.call("counts", ids)
            time.sleep(0.1)
        came = self.receiver.ask("look")
        while self.writer.call("counts", ids).get("delivered", 0) < wanted:
            assert time.monotonic() < until, self.writer.call("counts", ids)
            time.sleep(0.1)
        return float(max(seen[0] for seen in came.values()) - began)

    def _bare(self) -> float:
        return max(bare_per_second(self.url, threads) for threads in BARE_THREADS)

    # --- failures -----------------------------------------------------------------------------------------------------

    def failing(self) -> None:
        """Report what becomes of deliveries of which three in ten fail at first, in five ways."""
        ids = self._queued(QUEUED, ENDPOINTS, "flaky", retry_policy=SHORT, timeout_seconds=1)
        seconds = self._drained(ids)
        came, counts = self.receiver.ask("look"), self.writer.call("counts", ids)
        taken = [seen[2] for seen in came.values()]
        lost = counts.get("attempts, lost", 0)
        self.report(
            "webhooks.failing.delivered", "%", 100 * counts["delivered"] / QUEUED, seconds=round(seconds, 1),
            ids_received=len(came), failed_at_first=sum(seen[1] > 1 for seen in came.values()),
            duplicates=sum(taken) - len(taken), lost_attempts=lost, counts=counts,
        )  # fmt: skip

    # --- how soon -----------------------------------------------------------------------------------------------------

    def latency(self, name: str, before: float | None = None) -> float:
        """Report how soon after its commit an event is at its endpoint, when nothing else happens."""
        ids = self.writer.call("endpoints", self.url + "ok", 1)
        self.receiver.ask("reset")
        found = self._late(ids, ids, EVENTS, PAUSE_SECONDS)
        p99 = percentile(found, 99)
        further = {} if before is None else {"before": round(before, 1), "kept": round(before / p99, 3)}
        self.report(
            f"webhooks.first_attempt.{name}", "ms", p99, p50=round(percentile(found, 50), 1), events=EVENTS, **further
        )
        return p99

    def one_that_hangs(self) -> None:
        """Report what a receiver that never answers does to fifty that do, all of them hearing of the same events."""
        pairs = []
        for _ in range(ROUNDS):
            healthy = self.writer.call("endpoints", self.url + "ok", ENDPOINTS)
            without = self._late(healthy, healthy, **PACED)
            hanging = self.writer.call("endpoints", self.url + "hang", 1, timeout_seconds=15)
            pairs.append((percentile(self._late(healthy, healthy + hanging, **PACED), 99), percentile(without, 99)))
            self.platform.query("UPDATE webhooks_endpoint SET active = false WHERE id = %s RETURNING 1", hanging[0])
        with_it, alone = (statistics.median(column) for column in zip(*pairs, strict=True))
        self.report("webhooks.beside_one_that_hangs", "ms", with_it, alone, endpoints=ENDPOINTS, rounds=ROUNDS)

    def _late(self, watched: list[str], ids: list[str], count: int, pause: float) -> list[float]:
        """Return for each delivery to the watched how many milliseconds after its commit it came."""
        self.receiver.ask("reset")
        already = {pk for pk, _ in self.writer.call("ids_of", watched)}
        committed = self.writer.call("append", ids, count, pause)
        until = time.monotonic() + PATIENCE_SECONDS
        made = [pk for pk, _ in self.writer.call("ids_of", watched) if pk not in already]
        while not (came := self.receiver.ask("look")).keys() >= set(made):
            assert time.monotonic() < until
            time.sleep(0.1)
        each = len(watched)
        return [(came[pk][0] - committed[place // each]) * 1000 for place, pk in enumerate(made)]

    # --- much that is stored ------------------------------------------------------------------------------------------

    def store(self) -> None:
        """Store a million deliveries."""
        ids = self.writer.call("endpoints", self.url + "ok", ENDPOINTS)
        self.writer.call("fill", ids, STORED, 100_000)


def bare_per_second(url: str, threads: int) -> float:
    """Return how many requests a second a bare session makes."""
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=threads))
    body = b"x" * 420
    count = QUEUED // 2
    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        list(pool.map(lambda _: session.post(url, data=body).status_code, range(count)))
        return count / (time.perf_counter() - began)


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
