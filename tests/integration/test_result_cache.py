"""Results served from the cache, seen from outside: a server that counts says what was computed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from tests.answering import Answering, answering
from tests.conftest import Platform
from tests.folding import ENDED
from tests.workflows import edge, node
from workflow_platform.installation.embedded import wait_until

AT_ONCE = 20
ANOTHER_WORKSPACE = """
from workflow_platform.core.accounts.models import *
place, _ = Workspace.objects.get_or_create(slug="next-door", defaults={"name": "Next door"})
admin = User.objects.get(username="admin")
Membership.objects.get_or_create(user=admin, workspace=place, defaults={"role": Role.ADMIN})
print("workspace", place.pk)
"""
HOME = """
from workflow_platform.core.accounts.models import Workspace
print("workspace", Workspace.objects.get(slug="default").pk)
"""
LEAVE = """
from workflow_platform.core.accounts.models import Membership
Membership.objects.filter(workspace__slug="next-door").delete()
"""
FIGURES = "from executions.cache import stats; f = stats(); print(f.hits, f.misses, f.entries)"


@pytest.fixture
def next_door(platform: Platform) -> Iterator[str]:
    """Return another workspace of the admin for one test: others name none, which only a member of one may do."""
    yield platform.shell.run(ANOTHER_WORKSPACE).split("workspace ")[1].split()[0]
    platform.shell.run(LEAVE)


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as found:
        yield found


def asking(
    platform: Platform, url: str, *, cache: dict[str, Any] | None, settings: Any = None, **further: Any
) -> dict[str, Any]:
    """Save a workflow that asks the server what its input's first item says, and return it."""
    ask = node("ask", "http_request", method="POST", url=url, body={"q": "{{ $json.q }}"}, timeout_seconds=60)
    definition = {
        "name": "Asks",
        "nodes": [
            node("start", "manual_trigger"),
            ask | ({"cache": cache} if cache is not None else {}),
            node("after", "set", fields={"asked": "{{ $json.body?.asked ?? null }}"}, keep_other_fields=False),
        ],
        "edges": [edge("start", "ask"), edge("ask", "after")],
        "settings": settings or {},
    }
    answer = platform.request("POST", "/api/workflows/", json=definition | further)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def execute(platform: Platform, workflow: dict[str, Any], wait: float = 30, **item: Any) -> dict[str, Any]:
    body = {"input": [{"q": 1} | item], "wait": wait}
    return dict(platform.request("POST", f"/api/workflows/{workflow['id']}/execute/", json=body).json())


def runs(platform: Platform, execution: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = platform.request("GET", f"/api/executions/{execution['id']}/nodes/").json()
    return {run["node"]: run for run in found}


def output(platform: Platform, execution: dict[str, Any], node_id: str = "after") -> Any:
    return platform.request("GET", f"/api/executions/{execution['id']}/nodes/{node_id}/output/").json()["outputs"]


def status(platform: Platform, execution: dict[str, Any]) -> dict[str, Any]:
    return dict(platform.request("GET", f"/api/executions/{execution['id']}/").json())


def forget_everything(platform: Platform) -> None:
    """Do to the cache what a flush of Redis does."""
    with redis.Redis.from_url(platform.environment["REDIS_URL"]) as client:
        for name in client.scan_iter("wfp:cache:*"):
            client.delete(name)


def figures(platform: Platform) -> list[int]:
    return [int(word) for word in platform.shell.run(FIGURES).split()]


def start_many(platform: Platform, workflow: dict[str, Any]) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda _: execute(platform, workflow, 0), range(AT_ONCE)))


def check_all_completed(platform: Platform, executions: list[dict[str, Any]]) -> None:
    wait_until(lambda: all(status(platform, e)["status"] in ENDED for e in executions), "The ends")
    assert {status(platform, e)["status"] for e in executions} == {"completed"}
    assert all(output(platform, e) == {"main": [{"asked": 1}]} for e in executions)


def test_twenty_node_runs_at_once_compute_once_and_hold_nobody_up(platform: Platform, server: Answering) -> None:
    workflow = asking(platform, server.url, cache={})
    executions = start_many(platform, workflow)
    wait_until(
        lambda: all(runs(platform, e).get("ask", {}).get("status") == "running" for e in executions), "All of them"
    )
    other = {"name": "Other", "nodes": [node("start", "manual_trigger")], "edges": []}
    quick = execute(platform, platform.request("POST", "/api/workflows/", json=other).json())
    assert quick["status"] == "completed"
    server.open()
    check_all_completed(platform, executions)
    assert len(server.asked) == 1
    assert sorted(runs(platform, e)["ask"]["from_cache"] for e in executions) == [False] + [True] * (AT_ONCE - 1)


def test_twenty_executions_at_once_run_once(platform: Platform, server: Answering) -> None:
    workflow = asking(platform, server.url, cache=None, settings={"cache": {}})
    executions = start_many(platform, workflow)
    wait_until(lambda: all(status(platform, e)["status"] == "running" for e in executions), "All of them")
    server.open()
    check_all_completed(platform, executions)
    assert len(server.asked) == 1
    ran = [e for e in executions if status(platform, e)["cached_from"] is None]
    assert len(ran) == 1
    for execution in executions:
        if execution["id"] != ran[0]["id"]:
            assert status(platform, execution)["cached_from"] == ran[0]["id"]
            only = runs(platform, execution)
            assert (list(only), only["after"]["from_cache"]) == (["after"], True)


def test_a_hit_is_told_and_counted(platform: Platform, server: Answering) -> None:
    server.open()
    workflow = asking(platform, server.url, cache={"ttl": 600})
    hits, misses, entries = figures(platform)
    first, second = execute(platform, workflow), execute(platform, workflow)
    assert len(server.asked) == 1
    path = f"/api/executions/{second['id']}/events/?type=execution.node_completed"
    told = {e["data"]["node"]: e["data"] for e in platform.request("GET", path).json()["events"]}
    assert {name: data["from_cache"] for name, data in told.items()} == {"start": False, "ask": True, "after": False}
    assert output(platform, first, "ask") == output(platform, second, "ask")
    assert figures(platform) == [hits + 1, misses + 1, entries + 1]


def test_another_input_parameter_or_workspace_is_computed(
    platform: Platform, server: Answering, next_door: str
) -> None:
    server.open()
    home = platform.shell.run(HOME).split("workspace ")[1].split()[0]
    for settings in ({"cache": {}}, {}):
        begun = len(server.asked)
        cache = None if settings else {}
        here = asking(platform, server.url, cache=cache, settings=settings, workspace=home)
        there = asking(platform, server.url, cache=cache, settings=settings, workspace=next_door)
        assert there["workspace"] != here["workspace"]
        elsewhere = asking(platform, f"{server.url}?other", cache=cache, settings=settings, workspace=home)
        server.gates["/?other"].set()
        for _ in range(2):
            for workflow in (here, there, elsewhere):
                execute(platform, workflow, q=f"first {settings}")
        execute(platform, here, q=f"second {settings}")
        assert len(server.asked) - begun == 4


def test_a_changed_credential_is_asked_with_anew(platform: Platform, server: Answering) -> None:
    server.open()
    body = {"name": "Cached", "type": "bearer", "data": {"token": "the-first-token"}}
    made = platform.request("POST", "/api/credentials/", json=body)
    assert made.status_code == 201, made.text
    workflow = asking(platform, server.url, cache={})
    signed = workflow["nodes"]
    signed[1]["parameters"]["credential"] = "Cached"
    platform.request("PATCH", f"/api/workflows/{workflow['id']}/", json={"nodes": signed})
    assert [execute(platform, workflow)["status"] for _ in range(2)] == ["completed", "completed"]
    changed = {"data": {"token": "the-second-token"}}
    assert platform.request("PATCH", f"/api/credentials/{made.json()['id']}/", json=changed).status_code == 200
    execute(platform, workflow)
    assert [asked["authorization"] for asked in server.asked] == ["Bearer the-first-token", "Bearer the-second-token"]


def test_a_workflow_saved_anew_runs(platform: Platform, server: Answering) -> None:
    server.open()
    workflow = asking(platform, server.url, cache=None, settings={"cache": {}})
    assert execute(platform, workflow)["status"] == execute(platform, workflow)["status"] == "completed"
    platform.request("PATCH", f"/api/workflows/{workflow['id']}/", json={"nodes": workflow["nodes"]})
    execute(platform, workflow)
    assert len(server.asked) == 2


@pytest.mark.parametrize("of", ["node", "execution"])
def test_an_answer_is_computed_again_when_its_time_is_over(platform: Platform, server: Answering, of: str) -> None:
    server.open()
    ttl = {"ttl": 0.5}
    whole = {"cache": ttl} if of == "execution" else {}
    workflow = asking(platform, server.url, cache=ttl if of == "node" else None, settings=whole)
    execute(platform, workflow)
    wait_until(lambda: bool(execute(platform, workflow)) and len(server.asked) == 2, "The second question")


@pytest.mark.parametrize("of", ["node", "execution"])
def test_redis_that_forgets_everything_costs_a_computation(platform: Platform, server: Answering, of: str) -> None:
    workflow = asking(
        platform,
        server.url,
        cache={} if of == "node" else None,
        settings={"cache": {}} if of == "execution" else {},
    )
    first = execute(platform, workflow, 0)
    wait_until(lambda: len(server.asked) == 1, "The first question")
    forget_everything(platform)
    server.open()
    wait_until(lambda: status(platform, first)["status"] == "completed", "The end")
    forget_everything(platform)
    again = execute(platform, workflow)
    assert again["status"] == "completed"
    assert len(server.asked) == 2


def test_errors_are_never_kept(platform: Platform, server: Answering) -> None:
    server.open()
    server.statuses[:] = [503, 503, 503]
    node_ = asking(platform, server.url, cache={})
    whole = asking(platform, server.url, cache=None, settings={"cache": {}})
    assert [execute(platform, workflow)["status"] for workflow in (node_, whole)] == ["failed", "failed"]
    goes_on = whole["nodes"]
    goes_on[1] |= {"on_error": "continue"}
    platform.request("PATCH", f"/api/workflows/{whole['id']}/", json={"nodes": goes_on})
    assert execute(platform, whole)["status"] == "completed"
    assert not server.statuses
    for workflow in (node_, whole):
        last = execute(platform, workflow)
        assert (last["status"], runs(platform, last)["ask"]["from_cache"]) == ("completed", False)
    assert len(server.asked) == 5


def test_a_webhook_is_answered_from_the_cache(platform: Platform) -> None:
    definition = {
        "name": "Answers",
        "nodes": [
            node("hook", "webhook_trigger", path="cached-answer", respond="respond_node"),
            node("answer", "respond_to_webhook", status=201, body={"chance": "{{ Math.random() }}"}),
            node("after", "no_op"),
        ],
        "edges": [edge("hook", "answer"), edge("answer", "after")],
        "settings": {"cache": {}},
        "active": True,
    }
    assert platform.request("POST", "/api/workflows/", json=definition).status_code == 201
    asked = [platform.request("POST", "/hooks/cached-answer", json={"q": q}) for q in (1, 1, 2)]
    assert [answer.status_code for answer in asked] == [201, 201, 201]
    first, second, other = (answer.json()["chance"] for answer in asked)
    assert first == second != other


def test_the_same_input_at_another_trigger_node_runs(platform: Platform, server: Answering) -> None:
    server.open()
    workflow = asking(platform, server.url, cache=None, settings={"cache": {}})
    nodes = [*workflow["nodes"], node("hook", "webhook_trigger", path="cached-other")]
    edges = [*workflow["edges"], edge("hook", "ask")]
    saved = platform.request(
        "PATCH", f"/api/workflows/{workflow['id']}/", json={"nodes": nodes, "edges": edges, "active": True}
    )
    assert saved.status_code == 200, saved.text
    execute(platform, workflow)
    hooked = platform.request("POST", "/hooks/cached-other", json={"q": 1}).json()
    wait_until(lambda: status(platform, {"id": hooked["execution_id"]})["status"] == "completed", "The end")
    assert len(server.asked) == 2


def test_a_cancelled_execution_waits_no_longer_for_another(platform: Platform, server: Answering) -> None:
    workflow = asking(platform, server.url, cache=None, settings={"cache": {}})
    first = execute(platform, workflow, 0)
    wait_until(lambda: len(server.asked) == 1, "The first question")
    second = execute(platform, workflow, 0)
    wait_until(lambda: status(platform, second)["status"] == "running", "The second")
    platform.request("POST", f"/api/executions/{second['id']}/cancel/", json={})
    wait_until(lambda: status(platform, second)["status"] == "cancelled", "The cancellation")
    server.open()
    wait_until(lambda: status(platform, first)["status"] == "completed", "The end of the first")
    assert execute(platform, workflow)["cached_from"] == first["id"]


@pytest.mark.parametrize(
    ("cached", "where", "field"),
    [
        ({"ask": {"ttl": -1}}, "ask", "cache.ttl"),
        ({"ask": {"time": 1}}, "ask", "cache.time"),
        ({"start": {}}, "start", "cache"),
        ({"pause": {}}, "pause", "cache"),
        ({"each": {}}, "each", "cache"),
        ({"answer": {}}, "answer", "cache"),
    ],
)
def test_what_cannot_be_cached_is_refused_by_node_and_field(
    platform: Platform, cached: dict[str, Any], where: str, field: str
) -> None:
    nodes = [
        node("start", "manual_trigger"),
        node("ask", "http_request", url="https://example.com/"),
        node("pause", "wait", seconds=1),
        node("each", "loop"),
        node("answer", "respond_to_webhook"),
    ]
    nodes = [found | ({"cache": cached[found["id"]]} if found["id"] in cached else {}) for found in nodes]
    edges = [edge(a, b) for a, b in (("start", "ask"), ("ask", "pause"), ("pause", "each"))]
    definition = {"name": "No", "nodes": nodes, "edges": [*edges, edge("each", "answer", "done")]}
    answer = platform.request("POST", "/api/workflows/", json=definition)
    assert answer.status_code == 400
    assert [(e["node"], e["field"]) for e in answer.json()["errors"]] == [(where, field)]


def test_a_bad_setting_of_the_cache_is_refused_by_its_name(platform: Platform) -> None:
    definition = {"name": "No", "nodes": [node("start", "manual_trigger")], "settings": {"cache": {"ttl": 0}}}
    answer = platform.request("POST", "/api/workflows/", json=definition)
    assert [e["field"] for e in answer.json()["errors"]] == ["settings.cache.ttl"]
