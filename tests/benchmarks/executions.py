"""Executions per second over the webhook trigger, answer included, as `make up` starts the platform.

W1 is a trigger, a `set` and an answer; W2 a chain of ten nodes; W3 a fan-out to ten, a merge and an answer. Twenty
clients on kept-alive connections ask again as soon as they are answered. The baseline is a Django view in the same
kind of web process, on the same PostgreSQL, that commits one row for each request.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import requests

from tests.benchmarks.http_client import Load, load
from tests.benchmarks.reporting import Report
from tests.installation import Installation, installation
from tests.servers import running
from tests.workflows import edge, node
from workflow_platform.installation.embedded import free_port, wait_until

CLIENTS = 20
SECONDS = 20.0
WARM_UP_SECONDS = 3.0
BARE_TABLE = "CREATE TABLE IF NOT EXISTS bare_row (id bigserial PRIMARY KEY, data jsonb NOT NULL)"


def run(folder: Path, report: Report) -> None:
    """Measure and report."""
    with installation(folder / "executions") as platform:
        baseline = measure_bare(platform, SECONDS / 2)
        for name, shape in SHAPES.items():
            measure(platform, name, shape, report, baseline)


def measure(
    platform: Installation, name: str, shape: Callable[[dict[str, Any]], dict[str, Any]], report: Report, baseline: Load
) -> Load:
    """Run one shape for a while and report rate, latencies and CPU of an execution."""
    path, check = install(platform, name, shape)
    load(platform.url, path, clients=CLIENTS, seconds=WARM_UP_SECONDS, check=check)
    before = platform.cpu_seconds()
    done = load(platform.url, path, clients=CLIENTS, seconds=SECONDS, check=check, body=b'{"name": "Ada", "n": 7}')
    after = platform.cpu_seconds()
    count = len(done.latencies)
    spent = {kind: round((after[kind] - before[kind]) / count * 1000, 2) for kind in after}
    context = {"clients": CLIENTS, "executions": count, "client_cpu_seconds": round(done.client_cpu, 2)}
    report(f"executions.{name}.rate", "1/s", done.rate, baseline.rate, **context)
    for quantile in (0.5, 0.95, 0.99):
        figure = f"executions.{name}.answer_p{quantile * 100:g}"
        report(figure, "ms", done.quantile(quantile), baseline.quantile(quantile), clients=CLIENTS)
    report(f"executions.{name}.cpu", "ms/execution", sum(spent.values()), by_process=spent)
    return done


def measure_bare(platform: Installation, seconds: float) -> Load:
    """Measure the baseline while the platform idles."""
    with bare(platform) as url:
        load(url, "/keep/", clients=CLIENTS, seconds=WARM_UP_SECONDS, check=is_ok)
        return load(url, "/keep/", clients=CLIENTS, seconds=seconds, check=is_ok, body=b'{"name": "Ada", "n": 7}')


@contextmanager
def bare(platform: Installation) -> Iterator[str]:
    """Run the baseline's web process over the platform's database; yields its address."""
    with psycopg.connect(platform.database_url, autocommit=True) as connection:
        connection.execute(BARE_TABLE)  # type: ignore[arg-type]
    port = free_port()
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "--no-server-name"]
    environment = platform.environment | {"DJANGO_SETTINGS_MODULE": "tests.benchmarks.bare_settings"}
    command.append("tests.benchmarks.bare_view:application")
    with running(command, platform.folder / "bare.log", env=environment):
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(url), "The baseline")
        yield url


def answers(url: str) -> bool:
    try:
        return requests.post(f"{url}/keep/", json={}, timeout=5).status_code == 200
    except requests.RequestException:
        return False


def is_ok(status: int, content: bytes) -> bool:
    return status == 200


def install(
    platform: Installation, name: str, shape: Callable[[dict[str, Any]], dict[str, Any]]
) -> tuple[str, Callable[[int, bytes], bool]]:
    """Save and activate a workflow. Returns its path and what tells a right answer."""
    responds = "respond_to_webhook" in platform.node_types()
    path = f"bench-{name}"
    trigger = node("hook", "webhook_trigger", path=path, respond="respond_node" if responds else "on_completion")
    answer = node("answer", "set", fields={"sum": "{{ $json.n + 1 }}"}, keep_other_fields=False)
    if responds:
        answer = node("answer", "respond_to_webhook", status=200, body="{{ ({ sum: $json.n + 1 }) }}")
    definition = shape(trigger)
    last = definition["nodes"][-1]["id"]
    definition["nodes"].append(answer)
    definition["edges"].append(edge(last, "answer"))
    platform.create_workflow(definition | {"name": f"Benchmark {name}", "active": True})

    def is_right(status: int, content: bytes) -> bool:
        return status == 200 and b'"sum"' in content and _sum(json.loads(content)) == 8

    return f"/hooks/{path}", is_right


def _sum(answer: dict[str, Any]) -> Any:
    return answer["items"][0]["sum"] if "items" in answer else answer["sum"]


def three_nodes(trigger: dict[str, Any]) -> dict[str, Any]:
    return chain(trigger, 1)


def chain_of_ten(trigger: dict[str, Any]) -> dict[str, Any]:
    return chain(trigger, 8)


def chain(trigger: dict[str, Any], count: int) -> dict[str, Any]:
    nodes = [trigger, *(node(f"set{n}", "set", fields={"n": 7, f"step{n}": n}) for n in range(count))]
    edges = [edge(a["id"], b["id"]) for a, b in pairwise(nodes)]
    return {"nodes": nodes, "edges": edges}


def fan_out(trigger: dict[str, Any]) -> dict[str, Any]:
    branches = [node(f"set{n}", "set", fields={"n": 7, "branch": n}) for n in range(1, 11)]
    merge = node("merge", "merge", mode="by_position")
    edges = [edge("hook", branch["id"]) for branch in branches]
    edges += [edge(branch["id"], "merge", "main", f"input{n}") for n, branch in enumerate(branches, 1)]
    return {"nodes": [trigger, *branches, merge], "edges": edges}


SHAPES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "W1": three_nodes,
    "W2": chain_of_ten,
    "W3": fan_out,
}
