"""Workflows saved and started over the API, and waited for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Protocol, TypeVar

import psycopg
import requests

from tests.conftest import Platform
from tests.folding import ENDED
from workflow_platform.installation.embedded import wait_until

T = TypeVar("T")


class Installed(Protocol):
    """Whatever answers as the API: the tests' platform, or an installation of its own."""

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response: ...


def save(platform: Installed, nodes: list[dict[str, Any]], edges: list[dict[str, Any]], **further: Any) -> str:
    """Save a workflow. Returns its id."""
    definition = {"name": "Of a test", "nodes": nodes, "edges": edges} | further
    answer = platform.request("POST", "/api/workflows/", json=definition)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def execute(platform: Installed, workflow: str, *items: dict[str, Any]) -> str:
    """Start the workflow. Returns the execution's id."""
    answer = platform.request("POST", f"/api/workflows/{workflow}/execute/", json={"input": list(items)})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def look(platform: Installed, execution: str) -> dict[str, Any]:
    """Return the execution as the API has it."""
    return dict(platform.request("GET", f"/api/executions/{execution}/").json())


def until(platform: Installed, execution: str, *statuses: str) -> dict[str, Any]:
    """Wait until the execution has one of the statuses; by default until it has ended."""
    wanted = statuses or tuple(ENDED)
    wait_until(lambda: look(platform, execution)["status"] in wanted, f"{execution} being {' or '.join(wanted)}")
    return look(platform, execution)


def output(platform: Installed, execution: str, node: str, run_index: int = 0) -> dict[str, Any]:
    """Return what a node run gave, by output."""
    path = f"/api/executions/{execution}/nodes/{node}/output/?run_index={run_index}"
    answer = platform.request("GET", path)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["outputs"])


def node_statuses(platform: Installed, execution: str) -> dict[str, str]:
    """Return the status of the latest run of each node."""
    rows = platform.request("GET", f"/api/executions/{execution}/nodes/").json()
    return {row["node"]: row["status"] for row in rows}


def events(platform: Installed, execution: str, kind: str) -> list[dict[str, Any]]:
    """Return the data of the execution's events of a type."""
    path = f"/api/executions/{execution}/events/?limit=1000&type=execution.{kind}"
    return [event["data"] for event in platform.request("GET", path).json()["events"]]


def query(platform: Platform, statement: str) -> int:
    """Return the one number that a statement gives, read from the platform's database."""
    with psycopg.connect(platform.environment["DATABASE_URL"], autocommit=True) as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[arg-type]
        return int(row[0]) if row else 0


def at_once(count: int, call: Callable[[int], T]) -> list[T]:
    """Call from many threads at the same instant. Returns what each gave."""
    barrier = Barrier(count)

    def started(index: int) -> T:
        barrier.wait(60)
        return call(index)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(started, range(count)))
