"""Processes are killed and started and Redis is emptied: no counter shrinks, and in the end it says what there was."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest
import redis
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.executing import execute, save, until
from tests.sites import Process, Site, Web
from tests.watching import watch
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

ROUNDS = 3


class Scrape:
    """The counters as they were shown last, by sample; each scrape checks that none has shrunk."""

    def __init__(self) -> None:
        self.shown: dict[str, float] = {}

    def __call__(self, web: Web) -> dict[str, float]:
        text = requests.get(f"{web.url}/metrics", timeout=60).text
        counters = {
            f"{sample.name}{sorted(sample.labels.items())}": sample.value
            for family in text_string_to_metric_families(text)
            if family.type in ("counter", "histogram")
            for sample in family.samples
        }
        shrunk = {name: (value, counters.get(name)) for name, value in self.shown.items() if counters[name] < value}
        assert not shrunk
        self.shown = counters
        return counters

    def sum(self, web: Web, name: str) -> float:
        """Return the sum over the labels of a counter."""
        return sum(value for sample, value in self(web).items() if sample.startswith(f"{name}["))


@pytest.fixture
def hurt_with_workers(hurt: Site) -> Iterator[Site]:
    """Add two workers, which end with the test."""
    added = [hurt.worker(), hurt.worker()]
    yield hurt
    for process in added:
        process.clear_away()
        hurt.workers.remove(process)


def rows(site: Site, statement: str) -> int:
    with psycopg.connect(site.environment["DATABASE_URL"], autocommit=True) as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[arg-type]
        return int(row[0]) if row else 0


def test_no_counter_shrinks_while_processes_are_killed_and_redis_is_emptied(hurt_with_workers: Site) -> None:
    site, scrape = hurt_with_workers, Scrape()
    webs = [site.web(), site.web()]
    site.wait_until_ready()
    workflow = save(site, [node("start", "manual_trigger"), node("wait", "wait", seconds=0.1)], [edge("start", "wait")])
    watched: Counter[str] = Counter()
    for number in range(ROUNDS):
        started = [execute(site, workflow) for _ in range(5)]
        frames = asyncio.run(asyncio.wait_for(watch(site.ws_url, site.token, f"execution:{started[0]}"), 240))
        watched["frames"] += bool(frames)
        scrape(webs[0])
        victims: list[Process] = [webs[number % 2], site.workers[number % len(site.workers)]]
        for victim in victims:
            victim.kill()
        other = webs[(number + 1) % 2]
        site.front = other.url
        scrape(other)
        with redis.Redis.from_url(site.environment["REDIS_URL"]) as client:
            client.flushdb()
        scrape(other)
        for victim in victims:
            victim.start()
        for execution in started:
            until(site, execution)
            scrape(other)
        site.front = ""

    live = "SELECT count(*) FROM executions_execution WHERE mode = 'live' AND"
    for status in ("completed", "failed"):
        there = rows(site, f"{live} status = '{status}'")
        wait_until(lambda: scrape.sum(webs[0], f"executions_{status}_total") == there, status)  # noqa: B023
    assert scrape.sum(webs[1], "executions_started_total") == rows(site, f"{live} started_at IS NOT NULL")
    completed = "SELECT count(*) FROM executions_noderun WHERE status = 'completed'"
    assert scrape.sum(webs[0], "node_runs_total") == rows(site, completed)
    # What processes count survives them, less what they had not reported when they were killed.
    wait_until(lambda: scrape.sum(webs[0], "websocket_connections_total") > 0, "WebSockets")
    kept = "SELECT count(*) FROM metrics_processmetrics"
    assert rows(site, kept) >= 4
    assert watched["frames"] == ROUNDS
