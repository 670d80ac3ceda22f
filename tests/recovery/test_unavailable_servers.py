"""PostgreSQL or Redis freezes or stops. Every request is answered while the server is still away, and everything works
again when it is back.

The servers stay away until the answers have come, so that a request which waits for them never gets one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Installation, installation
from tests.outages import OUTAGES, RESTARTING, SHORT, Callers, wait_until_ready
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

AT_ONCE = 50
PATIENT = {"DATABASE_TIMEOUT_SECONDS": "4", "REDIS_TIMEOUT_SECONDS": "3"}
"""A machine that is busy with other tests is no outage."""
HEALTHY = {"list": 200, "create": 201, "execute": 202, "hook": 202, "no hook": 404, "WebSocket": 0}
WITHOUT_DATABASE = {"WebSocket": RESTARTING}
WITHOUT_REDIS = HEALTHY | {"queues": 503, "readiness": 503}
"""What is not named here is 200, and 503 without the database."""


@pytest.fixture(scope="module")
def platform(folder: Path) -> Iterator[Installation]:
    with installation(folder, **PATIENT) as started:
        yield started


@pytest.fixture(scope="module")
def callers(platform: Installation) -> Callers:
    return Callers(platform)


@pytest.fixture(autouse=True)
def everything_answers(platform: Installation) -> Iterator[None]:
    """Begin and end with all servers."""
    wait_until_ready(platform)
    yield
    wait_until_ready(platform)


def asked(callers: Callers) -> dict[str, int]:
    """Make a request of each kind, all at the same time. Returns the answers by kind."""
    kinds = callers.kinds()
    with ThreadPoolExecutor(len(kinds)) as pool:
        answers = {kind: pool.submit(ask) for kind, ask in kinds.items()}
        return {kind: answer.result() for kind, answer in answers.items()}


def ended(platform: Installation, execution: str) -> bool:
    status = platform.request("GET", f"/api/executions/{execution}/").json()["status"]
    assert status not in {"failed", "cancelled", "timed_out"}
    return bool(status == "completed")


@pytest.mark.parametrize("how", OUTAGES)
def test_without_postgresql_every_request_is_answered_503(platform: Installation, callers: Callers, how: str) -> None:
    with OUTAGES[how](platform, "postgres"):
        first, later = asked(callers), asked(callers)
        assert callers.stranger("GET", "/healthz") == 200
    assert first == later == {kind: WITHOUT_DATABASE.get(kind, 503) for kind in first}
    wait_until_ready(platform)
    wait_until(lambda: asked(callers) == {kind: HEALTHY.get(kind, 200) for kind in first}, "All answers")


@pytest.mark.parametrize("kind", ["list", "hook", "server-sent events", "page", "WebSocket"])
def test_many_requests_at_once_are_answered_though_postgresql_is_frozen(
    platform: Installation, callers: Callers, kind: str
) -> None:
    ask = callers.kinds()[kind]
    with OUTAGES["frozen"](platform, "postgres"), ThreadPoolExecutor(AT_ONCE) as pool:
        answers = Counter(pool.map(lambda _: ask(), range(AT_ONCE)))
    assert answers == {WITHOUT_DATABASE.get(kind, 503): AT_ONCE}


@pytest.mark.parametrize("how", OUTAGES)
def test_without_redis_the_database_is_the_queue_and_what_needs_redis_is_answered_503(
    platform: Installation, callers: Callers, how: str
) -> None:
    with OUTAGES[how](platform, "redis"):
        first = asked(callers)
        started = platform.request("POST", f"/api/workflows/{callers.workflow}/execute/", json={})
        many = platform.request("POST", "/api/auth/token/", json={"username": "nobody", "password": "wrong"})
        ready = platform.request("GET", "/readyz").json()
    assert first == {kind: WITHOUT_REDIS.get(kind, 200) for kind in first}
    assert (started.status_code, many.status_code) == (202, 401)
    assert (ready["database"], ready["redis"]) == (True, False)
    wait_until_ready(platform)
    wait_until(lambda: ended(platform, started.json()["id"]), "The execution", 120)
    wait_until(lambda: asked(callers) == {kind: HEALTHY.get(kind, 200) for kind in first}, "All answers")


@pytest.mark.parametrize("kind", ["postgres", "redis"])
def test_executions_go_on_after_a_server_was_frozen(platform: Installation, callers: Callers, kind: str) -> None:
    several = [f"step{number}" for number in range(20)]
    nodes = [node("start", "manual_trigger"), *(node(name, "set", fields={name: True}) for name in several)]
    edges = [edge(before, after) for before, after in zip(["start", *several], several, strict=False)]
    workflow = platform.create_workflow({"name": "Steps", "nodes": nodes, "edges": edges})
    started = [platform.request("POST", f"/api/workflows/{workflow}/execute/", json={}).json()["id"] for _ in range(5)]
    with OUTAGES["frozen"](platform, kind):
        assert callers.stranger("GET", "/readyz") == 503
    for execution in started:
        wait_until(lambda execution=execution: ended(platform, execution), "The execution", 120)  # type: ignore[misc]
        assert_whole(
            platform.request("GET", f"/api/executions/{execution}/events/?limit=1000").json()["events"], several
        )


def assert_whole(events: list[dict[str, Any]], steps: list[str]) -> None:
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    completed = [event["data"]["node"] for event in events if event["type"] == "execution.node_completed"]
    assert completed == ["start", *steps]


def test_a_request_that_was_answered_503_before_it_began_has_changed_nothing(
    platform: Installation, callers: Callers
) -> None:
    body = SHORT | {"name": "Asked for while PostgreSQL was frozen"}
    with OUTAGES["frozen"](platform, "postgres"):
        assert callers.stranger("GET", "/readyz") == 503
        answer = platform.request("POST", "/api/workflows/", json=body)
    assert answer.status_code == 503
    wait_until_ready(platform)
    names = platform.query("SELECT count(*) FROM executions_workflow WHERE name = %s", body["name"])
    assert names == [(0,)]
